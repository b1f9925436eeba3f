"""edgeguard: int8 CNNs for the Raspberry Pi whose answers are defended against model stealing.

The package itself is light: importing it (or :mod:`edgeguard.runtimes`) loads neither torch nor onnx, so that a device
needs neither. The exporting half lives in :mod:`edgeguard.export` and is imported only by those who export.
"""

from edgeguard._version import __version__

__all__ = ["__version__"]
