"""What student and generator fight over."""

from __future__ import annotations

import math

import pytest
import torch

from edgeguard.attacks.data_free.losses import divergence, logit_distance, recovered_logits


def _logits(seed: int = 0) -> torch.Tensor:
    return 2 * torch.randn(50, 7, generator=torch.Generator().manual_seed(seed))


def test_posteriors_give_their_logits_back_but_for_the_mean() -> None:
    logits = _logits()
    centred = logits - logits.mean(dim=1, keepdim=True)
    torch.testing.assert_close(recovered_logits(logits.softmax(dim=1)), centred, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("loss", [logit_distance, divergence])
def test_a_perfect_student_loses_nothing_and_others_do(loss: object) -> None:
    assert callable(loss)
    logits = _logits()
    centred = logits - logits.mean(dim=1, keepdim=True)
    answers = logits.softmax(dim=1)
    torch.testing.assert_close(loss(answers, centred), torch.zeros(50), atol=1e-4, rtol=0)
    assert (loss(answers, _logits(1)) > 1e-3).all()


def test_by_hand() -> None:
    """Answers 1/4 and 3/4, a student that says 1/2 and 1/2."""
    answers, logits = torch.tensor([[0.25, 0.75]]), torch.zeros(1, 2)
    assert float(logit_distance(answers, logits)) == pytest.approx(math.log(3) / 2)
    assert float(divergence(answers, logits)) == pytest.approx(0.25 * math.log(0.5) + 0.75 * math.log(1.5))


@pytest.mark.parametrize("loss", [logit_distance, divergence])
def test_labels_leave_it_finite(loss: object) -> None:
    assert callable(loss)
    logits = _logits().requires_grad_()
    found = loss(torch.eye(7)[torch.arange(50) % 7], logits)
    found.sum().backward()
    assert torch.isfinite(found).all()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
