"""Short names for the rules that refuse a model, found in what the refusal says."""

from __future__ import annotations

import re

__all__ = ["RULES", "rule_of"]

# What a refusal says, and the short name of the rule behind it. The first that is found counts.
RULES = (
    ("git-lfs pointer", "lfs-pointer"),
    ("quantized already", "quantized-already"),
    ("custom operator", "custom-operator"),
    ("does not exist in operator set", "unknown-operator"),
    ("is invalid", "checker"),
    ("as long as its data says", "loop"),
    ("need a newer operator set", "opset-too-new"),
    ("cannot be converted to", "opset-too-old"),
    ("a classifier takes one", "several-inputs"),
    ("a classifier has one", "several-outputs"),
    ("starts from float32", "input-not-float"),
    ("a batch of inputs has at least two", "input-without-batch"),
    ("the size of an input is unknown", "input-shape-unknown"),
    ("is no tensor", "not-a-tensor"),
    ("not float: labels", "output-not-float"),
    (r"a classifier returns \[batch, classes\]", "no-class-axis"),
    (r"has \d+ class\b", "one-class"),
    ("its shape cannot be inferred|number of classes is unknown", "output-shape-unknown"),
    ("no network to defend", "no-network"),
    (r"runs over an axis of", "softmax-axis"),
    ("shapes contradict", "shapes-contradict"),
    ("ONNX Runtime refuses", "runtime-refuses"),
    ("ONNX Runtime fails", "runtime-fails"),
    ("the network returns", "batch-not-first"),
    ("answers with NaN or infinity", "answers-not-finite"),
    ("a dimension below 1", "dimension-below-1"),
    ("to quantize", "nothing-to-quantize"),
    ("kills the interpreter", "kills-interpreter"),
    ("the interpreter refuses", "runtime-refuses"),
    ("the interpreter hangs", "hangs"),
    ("constants behind the flatbuffer", "constants-outside"),
    ("LiteRT fails", "runtime-fails"),
    ("LiteRT refuses", "runtime-refuses"),
    ("its input '.*' is", "input-not-float"),
    ("there is no batch of anything", "input-without-batch"),
    ("several may be true at once", "independent-classes"),
    ("inputs; a classifier has one", "several-inputs"),
    ("a classifier has one of each", "several-outputs"),
)


def rule_of(message: str) -> str:
    """The rule's name, ``other`` if none is known, nothing for no message."""
    if not message:
        return ""
    return next((rule for pattern, rule in RULES if re.search(pattern, message)), "other")
