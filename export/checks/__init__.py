"""Checks of what a pass or the whole export produced, each with the upstream issue it guards against."""

from edgeguard.export.checks.batch_norm import unfolded_batch_norms
from edgeguard.export.checks.bias import check_bias_scales
from edgeguard.export.checks.integer import check_really_int8, integer_mac_share
from edgeguard.export.checks.optimizer import optimizer_difference

__all__ = [
    "check_bias_scales",
    "check_really_int8",
    "integer_mac_share",
    "optimizer_difference",
    "unfolded_batch_norms",
]
