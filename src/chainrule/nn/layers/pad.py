"""Padding layers: a border of a constant, the mirror image, the edge, or the opposite side."""

from __future__ import annotations

from typing import ClassVar

from chainrule.base.constraints import Ints, Number
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn.module import Module


class _Pad(Module):
    """A border around the last `n` axes; `padding`: one width, or (low, high) from the last axis
    to the first. Negative widths crop."""

    n: ClassVar[int]
    mode: ClassVar[str]

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__()
        name = type(self).__name__
        widths = Ints().check(padding, name, "padding")
        self.padding = widths * (2 * self.n) if isinstance(padding, int) else widths
        if len(self.padding) != 2 * self.n:
            raise ArgumentError(
                t(
                    "{owner}: padding must be one integer, or {n}: (low, high) of the last axis, "
                    "then of the one before; got {padding}.",
                    owner=name,
                    n=2 * self.n,
                    padding=padding,
                )
            )

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: int | tuple[int, ...], value: float) -> None:
        super().__init__(padding)
        self.value = Number().check(value, type(self).__name__, "value")

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A border of `value` along the last axis: `padding` = width or (left, right)."""

    n = 1


class ConstantPad2d(_ConstantPad):
    """A border of `value` around pictures: `padding` = width or (left, right, top, bottom)."""

    n = 2


class ConstantPad3d(_ConstantPad):
    """A border of `value` around volumes; `padding` = width or six, from the last axis on."""

    n = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    """A border of zeros along the last axis: `padding` = width or (left, right)."""

    n = 1


class ZeroPad2d(_ZeroPad):
    """A border of zeros around pictures: `padding` = width or (left, right, top, bottom).

    >>> cr.nn.ZeroPad2d(1)(cr.ones(1, 1, 1, 1))
    tensor([[[[0., 0., 0.],
              [0., 1., 0.],
              [0., 0., 0.]]]])
    """

    n = 2


class ZeroPad3d(_ZeroPad):
    """A border of zeros around volumes; `padding` = width or six, from the last axis on."""

    n = 3


class ReflectionPad1d(_Pad):
    """A border of (N, C, L) or (C, L) that mirrors the line, without the edge itself."""

    n, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """A border of (N, C, H, W) or (C, H, W) that mirrors the picture, without the edge itself."""

    n, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """A border of (N, C, D, H, W) or (C, D, H, W) that mirrors the volume, without the edge."""

    n, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """A border of (N, C, L) or (C, L) that repeats the edge."""

    n, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """A border of (N, C, H, W) or (C, H, W) that repeats the edge."""

    n, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """A border of (N, C, D, H, W) or (C, D, H, W) that repeats the edge."""

    n, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """A border of (N, C, L) or (C, L) taken from the opposite end."""

    n, mode = 1, "circular"


class CircularPad2d(_Pad):
    """A border of (N, C, H, W) or (C, H, W) taken from the opposite side."""

    n, mode = 2, "circular"


class CircularPad3d(_Pad):
    """A border of (N, C, D, H, W) or (C, D, H, W) taken from the opposite side."""

    n, mode = 3, "circular"
