"""Networks for the conversion to TFLite: a torch one with what :class:`tests.networks.Tiny` lacks, and ONNX ones that
TFLite's converter would have written otherwise."""

from __future__ import annotations

import numpy as np
import torch
from onnx import ModelProto, numpy_helper
from torch import nn
from torch.nn import functional as F

from tests.export.graphs import node

__all__ = ["Branches", "branches", "halved"]


class Branches(nn.Module):
    """Both kinds of pooling, a concatenation, a depthwise convolution with ReLU6, a gate of sigmoids, a shortcut, a
    slice, and two dense layers: inputs ``[batch, 3, 16, 16]``, logits ``[batch, 10]``."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.wide = nn.Conv2d(8, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=16)
        self.gate = nn.Linear(16, 16)
        self.mix = nn.Conv2d(16, 16, 1)
        self.hidden = nn.Linear(16 * 16, 24)
        self.dense = nn.Linear(24, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn(self.stem(x)))
        x = torch.cat([F.max_pool2d(x, 2), F.avg_pool2d(F.relu(self.wide(x)), 2)], dim=1)
        x = F.relu6(self.depthwise(x))
        x = x * torch.sigmoid(self.gate(x.mean((2, 3))))[:, :, None, None]
        x = self.mix(x) + x
        logits: torch.Tensor = self.dense(F.relu(self.hidden(x.flatten(1))))
        return logits


def branches() -> Branches:
    """With random weights; its BatchNorm has seen inputs."""
    torch.manual_seed(0)
    network = Branches()
    with torch.no_grad():
        network.dense.weight.mul_(8)
        network.train()(torch.randn(64, 3, 16, 16))
    return network.eval()


def halved(model: ModelProto) -> ModelProto:
    """The same network, its last layer halved and doubled again behind it."""
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    last = next(each for each in graph.node if each.output[0] == "logits")
    for tensor in graph.initializer:
        if tensor.name in last.input:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) / 2, tensor.name))
    graph.initializer.append(numpy_helper.from_array(np.array(2, np.float32), "two"))
    last.output[0] = "half"
    graph.node.append(node("Mul", ["half", "two"], "logits"))
    return result
