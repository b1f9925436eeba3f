"""What goes to a worker and back survives the way."""

from __future__ import annotations

import pytest

from edgeguard.bench.messages import (
    Block,
    ColdAnswer,
    ColdRequest,
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
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_there_and_back(message: TimeRequest | ColdRequest | TimeAnswer | ColdAnswer) -> None:
    assert from_json(to_json(message)) == message


def test_an_unknown_message_is_named() -> None:
    with pytest.raises(ValueError, match="Gossip"):
        from_json('{"type": "Gossip"}')
