"""The students there are. A new one is a factory in a file beside this one, and one line here.

Torch is imported when one is built, not before.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeguard.errors import UsageError

if TYPE_CHECKING:
    from edgeguard.attacks.students.network import Network

__all__ = ["STUDENTS", "Architecture", "Student", "build", "factory_of", "parse_student"]

_WIDEST = 1024


@dataclass(frozen=True, slots=True)
class Architecture:
    """How a network is built.

    :param factory: ``pkg.module:factory``; it takes ``classes``, ``width`` and ``channels``.
    :param width: its own, that of its paper unless it says otherwise.
    :param smallest: height and width of the smallest images that it takes.
    :param sized: its factory also takes ``size``, as it takes square images of one size only.
    """

    factory: str
    width: int
    smallest: int = 4
    sized: bool = False


STUDENTS: dict[str, Architecture] = {
    "lenet": Architecture("edgeguard.attacks.students.lenet:lenet", 6, 16, sized=True),
    "mobilenet-v2": Architecture("edgeguard.attacks.students.mobilenet_v2:mobilenet_v2", 16, 8),
    "resnet20": Architecture("edgeguard.attacks.students.resnet_cifar:resnet20", 16),
    "resnet32": Architecture("edgeguard.attacks.students.resnet_cifar:resnet32", 16),
    "resnet44": Architecture("edgeguard.attacks.students.resnet_cifar:resnet44", 16),
    "resnet56": Architecture("edgeguard.attacks.students.resnet_cifar:resnet56", 16),
    "wrn16-1": Architecture("edgeguard.attacks.students.wide_resnet:wrn16_1", 16),
    "wrn16-2": Architecture("edgeguard.attacks.students.wide_resnet:wrn16_2", 16),
    "wrn28-10": Architecture("edgeguard.attacks.students.wide_resnet:wrn28_10", 16),
}


@dataclass(frozen=True, slots=True)
class Student:
    """An architecture and how wide it is; as text ``resnet20`` or ``resnet20/4``.

    :param width: channels of its first layer; ``None`` for the architecture's own.
    """

    name: str
    width: int | None = None

    def __post_init__(self) -> None:
        """Refuse students that cannot be built.

        :raises UsageError: there is no such architecture, or the width is no number of channels.
        """
        if self.name not in STUDENTS:
            raise UsageError(f"there is no student {self.name!r}", fix=f"Choose one of: {', '.join(sorted(STUDENTS))}")
        if self.width is not None and not 1 <= self.width <= _WIDEST:
            raise UsageError(f"a student of width {self.width}", fix=f"Choose from 1 to {_WIDEST} channels")

    def __str__(self) -> str:
        return self.name if self.width is None else f"{self.name}/{self.width}"


def parse_student(text: str) -> Student:
    """The student that a text names.

    :raises UsageError: it names none.
    """
    name, slash, width = text.partition("/")
    if slash and not (width.isascii() and width.isdigit()):
        raise UsageError(f"{text!r} names no student", fix="Write, for example, resnet20 or resnet20/4")
    return Student(name, int(width) if slash else None)


def factory_of(student: Student, input_shape: tuple[int, ...], classes: int) -> tuple[str, tuple[tuple[str, str], ...]]:
    """How :class:`~edgeguard.export.loading.LoadRequest` is told of a student: its ``arch`` and its ``arch_args``.

    :param input_shape: of one image: channels, height, width.
    :raises UsageError: the student cannot take such images.
    """
    architecture = STUDENTS[student.name]
    arguments = _arguments(student, input_shape, classes)
    return architecture.factory, tuple((name, str(value)) for name, value in arguments.items())


def build(student: Student, input_shape: tuple[int, ...], classes: int) -> Network:
    """A new network; its weights are drawn from torch's global generator.

    :param input_shape: of one image: channels, height, width.
    :raises UsageError: the student cannot take such images.
    """
    arguments = _arguments(student, input_shape, classes)
    module, _, factory = STUDENTS[student.name].factory.partition(":")
    network: Network = getattr(importlib.import_module(module), factory)(**arguments)
    return network


def _arguments(student: Student, input_shape: tuple[int, ...], classes: int) -> dict[str, int]:
    architecture = STUDENTS[student.name]
    if len(input_shape) != 3 or min(input_shape[1:]) < architecture.smallest:
        least = architecture.smallest
        raise UsageError(f"{student} takes images of {least} x {least} and more, not inputs {list(input_shape)}")
    channels, height, width = input_shape
    if architecture.sized and height != width:
        raise UsageError(f"{student} takes square images, not {height} x {width}")
    own = architecture.width if student.width is None else student.width
    arguments = {"classes": classes, "width": own, "channels": channels}
    return {**arguments, "size": height} if architecture.sized else arguments
