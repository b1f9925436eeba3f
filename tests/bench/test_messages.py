"""What goes to a worker and back survives the way."""

from __future__ import annotations

from typing import get_args

import pytest

from edgeguard.bench.demand_messages import (
    EnergyAnswer,
    EnergyRequest,
    Moment,
    Node,
    ProfileAnswer,
    ProfileRequest,
    SustainAnswer,
    SustainRequest,
)
from edgeguard.bench.messages import (
    Answer,
    Block,
    ColdAnswer,
    ColdRequest,
    CountAnswer,
    CountRequest,
    DescribeAnswer,
    DescribeRequest,
    EngineFacts,
    Request,
    Subject,
    TimeAnswer,
    TimeRequest,
    Window,
    from_json,
    to_json,
)

SUBJECT = Subject("a", "/x/model.onnx", "host", "/x/inputs.npy", artifact="/x/y.edgeguard", delay=0.02, format="tflite")
MESSAGES = [
    TimeRequest((SUBJECT,), ("a",), (("a",), ("a",)), 3, 2, 50.0, 0.5, 2, True),
    ColdRequest(SUBJECT, 30, 200.0, 1, False),
    TimeAnswer((Block(("a",), {"a": (1, 2, 3)}),), Window(1.5, 0.25, 0.125, None, 2, (1, 2))),
    ColdAnswer(1, 2, (3, 4), 5, 6),
    CountRequest((SUBJECT,), (("a",), ("a",)), ("instructions", "cycles"), 3, 1),
    SustainRequest(SUBJECT, 600.0, 1.0, 50.0, 1, True),
    SustainAnswer((Moment(1.0, 5, 3, 9, 1500000, 61.5, ("throttled",)), Moment(2.0, 5, 3, 9, None, None, None))),
    ProfileRequest(SUBJECT, 30, 5, 1),
    ProfileAnswer((Node("a", "Conv", 1.5, 0.5), Node("b", "Mul", None, 0.5))),
    EnergyRequest(None, 8.0, 2.0, 0.5, 1, True),
    EnergyRequest(SUBJECT, 8.0, 2.0, 0.5, 1, True),
    EnergyAnswer(3, 8.5, (2.5, 2.25)),
    DescribeRequest(("/x/model.tflite",), 2),
    DescribeAnswer((EngineFacts("/x/model.tflite", "ai-edge-litert", "2.3.0", "xnnpack, builtin"),)),
    CountAnswer({"instructions": {"a": (1, 2)}}, {"instructions": 1}, {"cycles": "no such counter"}),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_there_and_back(message: Request | Answer) -> None:
    assert from_json(to_json(message)) == message


def test_an_unknown_message_is_named() -> None:
    with pytest.raises(ValueError, match="Gossip"):
        from_json('{"type": "Gossip"}')


@pytest.mark.parametrize("kind", [*get_args(Request), *get_args(Answer)], ids=lambda kind: kind.__name__)
def test_no_message_is_left_out_above(kind: type) -> None:
    assert kind in {type(message) for message in MESSAGES}
