"""How far a student is from what the victim answered: small for the student, large for the generator."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

__all__ = ["divergence", "logit_distance", "recovered_logits"]

# The smallest probability that is told from zero: the spacing of float32 at 1, where answers sum to 1.
_FLOOR = 2.0**-23


def recovered_logits(answers: Tensor) -> Tensor:
    """Logits that give these posteriors, with a mean of zero, ``[n, classes]``: log p less its mean over classes.

    What a softmax takes away is one number a row. SOURCE: Truong et al. (CVPR 2021), section 3.3.
    """
    logs = answers.clamp_min(_FLOOR).log()
    return logs - logs.mean(dim=1, keepdim=True)


def logit_distance(answers: Tensor, logits: Tensor) -> Tensor:
    """The mean absolute difference over classes between recovered logits and the student's, ``[n]``.

    The l1 loss of Truong et al. (CVPR 2021), eq. 4, over the number of classes. The student's own mean is left in: it
    learns to have none.
    """
    return (recovered_logits(answers) - logits).abs().mean(dim=1)


def divergence(answers: Tensor, logits: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of the student's posterior from the answer, in nats, ``[n]``.

    The loss of Kariyappa et al., "MAZE" (CVPR 2021), eq. 1 and 2.
    """
    own = F.log_softmax(logits, dim=1)
    return (answers * (answers.clamp_min(_FLOOR).log() - own)).sum(dim=1)
