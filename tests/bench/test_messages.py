"""What goes to a worker and back survives the way."""

from __future__ import annotations

import pytest

from edgeguard.bench.messages import (
    Answer,
    Block,
    ColdAnswer,
    ColdRequest,
    CountAnswer,
    CountRequest,
    Request,
    Subject,
    TimeAnswer,
    TimeRequest,
    Window,
    from_json,
    to_json,
)

SUBJECT = Subject("a", "/x/model.onnx", "host", "/x/inputs.npy", artifact="/x/y.edgeguard", delay=0.02)
MESSAGES = [
    TimeRequest((SUBJECT,), ("a",), (("a",), ("a",)), 3, 2, 50.0, 0.5, 2, True),
    ColdRequest(SUBJECT, 30, 200.0, 1, False),
    TimeAnswer((Block(("a",), {"a": (1, 2, 3)}),), Window(1.5, 0.25, 0.125, None, 2, (1, 2))),
    ColdAnswer(1, 2, (3, 4), 5, 6),
    CountRequest((SUBJECT,), (("a",), ("a",)), ("instructions", "cycles"), 3, 1),
    CountAnswer({"instructions": {"a": (1, 2)}}, {"instructions": 1}, {"cycles": "no such counter"}),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_there_and_back(message: Request | Answer) -> None:
    assert from_json(to_json(message)) == message


def test_an_unknown_message_is_named() -> None:
    with pytest.raises(ValueError, match="Gossip"):
        from_json('{"type": "Gossip"}')
