"""Every error that chainrule raises on purpose.

Each class also derives from the built-in that PyTorch or NumPy would raise, so that code written
for them keeps catching what it caught.
"""

from typing import Any


class ChainruleError(Exception):
    """Base of all errors raised on purpose."""


class ShapeError(ChainruleError, ValueError, RuntimeError):
    """Shapes that do not fit together."""


class DTypeError(ChainruleError, TypeError, RuntimeError):
    """A dtype that the operation does not take."""


class ArgumentError(ChainruleError, ValueError, TypeError, RuntimeError):
    """An argument outside its domain."""


class IndexRangeError(ChainruleError, IndexError, RuntimeError):
    """An index or axis outside the tensor."""


class AutogradError(ChainruleError, RuntimeError):
    """A gradient that cannot be computed, or would be wrong."""


class AnomalyError(ChainruleError, RuntimeError, FloatingPointError):
    """A NaN or an infinity that `autograd.detect_anomaly` was asked to find.

    `phase`: "forward" or "backward"; `operation`: its name; `entry`: the index of the first bad
    number in the result (backward: in the gradient); `place`: file, line, function, module.
    """

    phase: str
    operation: str
    entry: tuple[int, ...]
    place: Any


class TraceError(ChainruleError, RuntimeError):
    """A program that cannot be traced into a graph."""


class DataError(ChainruleError, ValueError):
    """Input data that is missing, malformed or not finite."""


class FileFormatError(DataError):
    """A file whose content does not have the format that its name promises."""


class WorkerError(ChainruleError, RuntimeError):
    """A worker process that ended or hangs."""
