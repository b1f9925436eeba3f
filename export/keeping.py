"""Which layers to leave in float so that int8 costs no more than was allowed.

What counts is the drop in percentage points, of the network without its defense:

- on labelled validation images, the accuracy of the float network less that of the int8 one;
- on others, the share of images on which the two have different argmax, which no drop of accuracy on these images can
  exceed, whatever their labels are. The divergence of the posteriors is told beside it; nothing is decided by it.

It is the drop on these very images, not a bound on that of others: a thousand of them tell 0.1 points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from onnx import ModelProto

from edgeguard.calibration.data_set import DataSet, checked_batches
from edgeguard.errors import BadData, GuardFailed
from edgeguard.export.fidelity import Compared
from edgeguard.export.graph import Runner
from edgeguard.export.request import Reporter
from edgeguard.export.sensitivity import Quantizer, rank_layers

__all__ = ["Drop", "Judge", "fewest", "judging_set", "layers_to_keep"]

_BLOCK = 64
_REMEDY = (
    "Allow more, calibrate on more images or with another --observer, or export without --int8; "
    "edgeguard inspect ARTIFACT --sensitivity tells each layer's part"
)


@dataclass(frozen=True, slots=True)
class Drop:
    """What an int8 network loses.

    :param points: percentage points; negative where it is right more often.
    :param by: what they are points of.
    :param kl: mean divergence of the posteriors in nats; ``None`` where labels decide.
    """

    points: float
    by: Literal["accuracy", "agreement"]
    images: int
    kl: float | None

    def __str__(self) -> str:
        """For a person."""
        beside = "" if self.kl is None else f" (KL {self.kl:.2g})"
        return f"{self.points:.2f} pp of {self.by} on {self.images} images{beside}"


class Judge:
    """Measures the drop of one network after the other, over a set that is streamed each time.

    :param exact: runs the float network: inputs ``[n, *input_shape]`` to float logits ``[n, classes]``.
    :param by_labels: whether the labels of the set count.
    """

    def __init__(self, exact: Runner, data: DataSet, classes: int, *, by_labels: bool) -> None:
        self._exact, self._data, self._classes = exact, data, classes
        self._right = self._rightly(exact) if by_labels else None

    def __call__(self, run: Runner) -> Drop:
        """The drop of a network.

        :raises BadData: a label is no class of it, or an input is unusable.
        """
        images = len(self._data)
        if self._right is not None:
            return Drop(100 * (self._right - self._rightly(run)) / images, "accuracy", images, None)
        sums = Compared()
        for batch in self._data.batches(_BLOCK):
            sums.add(self._exact(batch.inputs), run(batch.inputs))
        return Drop(100 * (1 - sums.found.agreement), "agreement", images, sums.found.kl)

    def _rightly(self, run: Runner) -> int:
        right = 0
        for batch in checked_batches(self._data, _BLOCK, self._classes):
            right += int((run(batch.inputs).argmax(axis=-1) == batch.labels).sum())
        return right


def judging_set(data: DataSet, validation: DataSet | None) -> DataSet:
    """The validation set, or else the calibration set.

    :raises BadData: there is none but synthetic images, of which no network's answers are worth anything.
    """
    if validation is None and data.synthetic:
        raise BadData(
            "a drop is measured on real images, and none were given",
            where="--max-drop",
            fix="Pass --validation, best with labels, or --calibration",
        )
    return data if validation is None else validation


def layers_to_keep(
    limit: float,
    model: ModelProto,
    quantize: Quantizer,
    exact: Runner,
    classes: int,
    data: DataSet,
    validation: DataSet | None,
    kept: tuple[str, ...],
    reporter: Reporter,
) -> tuple[str, ...]:
    """The nodes to leave in float: ``kept``, and the fewest layers that keep the drop within the limit.

    Layers are ranked by what each costs in int8 alone, on the calibration set; the drop decides how far down the
    ranking it goes, and none is kept that can be left out again.

    :param limit: percentage points; see :class:`Drop`.
    :param model: the float network, which ``exact`` runs.
    :param kept: nodes that stay in float anyway.
    :raises BadData: there are no real images.
    :raises GuardFailed: more is lost even with all but the least sensitive layer in float.
    """
    images = judging_set(data, validation)
    # On images that the ranges, and perhaps the network, were fitted to, labels would flatter.
    judge = Judge(exact, images, classes, by_labels=validation is not None and validation.labelled)
    reporter.step(f"measuring what int8 costs on {len(images)} images, of which at most {limit:g} pp may be lost")
    if 0 < limit < 100 / len(images):
        reporter.warn(
            f"--max-drop {limit:g}: one of {len(images)} images is {100 / len(images):.2g} pp already, so none may be "
            "lost on balance; more validation images would tell more"
        )
    known: dict[tuple[str, ...], Drop] = {}

    def drop(layers: tuple[str, ...]) -> Drop:
        if layers not in known:
            known[layers] = judge(quantize((*kept, *layers)))
        return known[layers]

    if drop(()).points <= limit:
        reporter.step(f"int8 loses {drop(())}: no layer has to stay in float")
        return kept
    reporter.step(f"int8 loses {drop(())}: measuring each layer's part")
    ranked = rank_layers(model, quantize, exact, data, kept=kept, progress=reporter.progress)
    found = fewest(ranked, lambda layers: drop(layers).points <= limit)
    if found is None:
        most = tuple(ranked[:-1])
        raise GuardFailed(
            f"int8 loses more than {limit:g} pp even with all layers but {ranked[-1]} in float: {drop(most)}",
            where="--max-drop",
            fix=_REMEDY,
        )
    reporter.step(
        f"keeping {len(found)} of {len(ranked)} layers in float ({', '.join(found)}): int8 loses {drop(found)} then, "
        f"and {drop(()).points:.2f} pp without"
    )
    return (*kept, *found)


def fewest(ranked: Sequence[str], within: Callable[[tuple[str, ...]], bool]) -> tuple[str, ...] | None:
    """A beginning of the ranking that is within the limit, less all that can be left out again.

    The length is found by doubling and halving, so that a network of n layers is measured some 2 log2(n) times, and
    once more for each layer of what was found. No layer of the result can be left out; that no other layers, fewer of
    them, would do is not excluded.

    :param ranked: at least one; not all of them may be kept.
    :param within: whether keeping these is enough; keeping none is not.
    :returns: ``None`` if nothing is enough.
    """
    most, low, high = len(ranked) - 1, 0, 1
    if most < 1:
        return None
    while not within(tuple(ranked[:high])):
        if high == most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if within(tuple(ranked[:middle])) else (middle, high)
    found = tuple(ranked[:high])
    # Without the last one it was not enough. The least sensitive of the others is most likely to be superfluous.
    for name in reversed(found[:-1]):
        fewer = tuple(each for each in found if each != name)
        if within(fewer):
            found = fewer
    return found
