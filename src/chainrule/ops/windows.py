"""Windows that slide over the spatial axes, as operations: sums, maxima, unfold and fold.

`windows_…` are the primitives with resolved arguments (padding as pairs); pooling and the gradients
of gradients are made of them. `unfold` (im2col) and `fold` (col2im) are PyTorch's.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

from chainrule.base.constraints import Anything, Ints, Spatial
from chainrule.base.errors import ShapeError
from chainrule.base.text import t
from chainrule.ops.op import Card, Op, op

Ints_ = tuple[int, ...]
Shapes = dict[str, Ints_]
LAYOUT = {1: "N, C, L", 2: "N, C, H, W", 3: "N, C, D, H, W"}
AXES = {1: "L", 2: "HW", 3: "DHW"}
# What the axes of inputs and of kernels mean: `axes` of an operation.
IMAGES = {n: (layout[3:], layout) for n, layout in LAYOUT.items()}
KERNELS = {1: ("O, C/groups, kL",), 2: ("O, C/groups, kH, kW",), 3: ("O, C/groups, kD, kH, kW",)}


def with_batch(F: Any, x: Any, n: int) -> Any:
    """`x` as (N, C, *S): a batch of one if it is (C, *S) with `n` spatial axes."""
    return F.expand_dims(x, 0) if len(x.shape) == n + 1 else x


def as_given(F: Any, y: Any, x: Ints_, n: int) -> Any:
    """`y` (N, …) without its batch axis if the shape `x` had none."""
    return F.reshape(y, y.shape[1:]) if len(x) == n + 1 else y


def check_layout(name: str, x: Ints_, n: int) -> None:
    """ShapeError unless `x` is (N, C, *S) or (C, *S)."""
    if len(x) not in (n + 1, n + 2):
        raise ShapeError(
            t(
                "{name}: the input must have the shape ({layout}), or ({less}) without a batch, "
                "got {x}.",
                name=name,
                layout=LAYOUT[n],
                less=LAYOUT[n][3:],
                x=x,
            )
        )


def too_large(name: str, i: int, extent: int, x: Ints_, pad: tuple[int, int], n: int) -> ShapeError:
    """The error for a window that does not fit along spatial axis `i`."""
    return ShapeError(
        t(
            "{name}: along {axis} the window covers {extent} elements ((k - 1)*dilation + 1), but "
            "the input of shape {x} has {size} there, and padding {pad}: pad more, or use a "
            "smaller window.",
            name=name,
            axis=AXES[n][i],
            extent=extent,
            x=x,
            size=x[len(x) - n + i],
            pad=pad,
        )
    )


# ---- sums and maxima ------------------------------------------------------------------------

_GEOMETRY = {"window": Ints(), "stride": Ints(), "padding": Anything(), "dilation": Ints()}
_EXAMPLE = {"window": (2, 2), "stride": (1, 2), "padding": ((1, 0), (0, 1)), "dilation": (2, 1)}


@op
class WindowsSum(Op):
    """The sum of each window over the last axes; padding counts as 0."""

    math = "sum(x over the window)"
    params = _GEOMETRY
    saves = ()
    method = False
    samples = ((((2, 3, 5, 5),), _EXAMPLE),)
    card = Card(
        en="Adds up what each window sees. Every element gets the gradients of all the windows "
        "that it is in.",
        zh="把每个窗口看到的元素相加。每个元素得到它所在的所有窗口的梯度之和。",
    )

    def forward(F, x, *, window, stride, padding, dilation):
        return F.windows_sum(x, window=window, stride=stride, padding=padding, dilation=dilation)

    def vjp(F, g, y, x, *, window, **geometry):
        size = x.shape[len(x.shape) - len(window) :]
        return (F.windows_sum_adjoint(g, size=size, window=window, **geometry),)


@op
class WindowsSumAdjoint(Op):
    """The adjoint of windows_sum: every element of `size` adds up the windows that it is in."""

    math = "sum(g of the windows over x)"
    params = {"size": Ints()} | _GEOMETRY
    saves = ()
    method = False
    samples = ((((2, 3, 4, 3),), {"size": (5, 5)} | _EXAMPLE),)
    card = Card(
        en="Spreads each window's number over the elements that it covers.",
        zh="把每个窗口的数分给它覆盖的元素。",
    )

    def forward(F, g, *, size, window, stride, padding, dilation):
        return F.windows_sum_adjoint(
            g, size=size, window=window, stride=stride, padding=padding, dilation=dilation
        )

    def vjp(F, h, y, g, *, size, **geometry):
        return (F.windows_sum(h, **geometry),)


@op
class WindowsArgmax(Op):
    """Where each window's first largest element stands: its index in the flattened last axes."""

    math = "argmax(x over the window)"
    params = _GEOMETRY
    differentiable = False
    method = False
    samples = WindowsSum.samples
    card = Card(en="Where each window's winner stands.", zh="每个窗口的最大者所在的位置。")

    def forward(F, x, *, window, stride, padding, dilation):
        return F.windows_argmax(x, window=window, stride=stride, padding=padding, dilation=dilation)


# ---- unfold and fold ------------------------------------------------------------------------


@op
class WindowsUnfold(Op):
    """The windows of (N, C, *S) as columns: (N, C·prod(window), L)."""

    math = "im2col(x)"
    params = _GEOMETRY
    saves = ()
    method = False
    samples = WindowsSum.samples
    card = Card(
        en="Lays the windows out side by side, so that a convolution becomes a matrix product.",
        zh="把各窗口并排展开，卷积就变成矩阵乘法。",
    )

    def forward(F, x, *, window, stride, padding, dilation):
        return F.unfold(x, window=window, stride=stride, padding=padding, dilation=dilation)

    def vjp(F, g, y, x, **geometry):
        return (F.fold(g, size=x.shape[2:], **geometry),)


@op
class WindowsFold(Op):
    """The adjoint of windows_unfold: columns added up into (N, C, *size)."""

    math = "col2im(x)"
    params = {"size": Ints()} | _GEOMETRY
    saves = ()
    method = False
    samples = ((((2, 12, 12),), {"size": (5, 5)} | _EXAMPLE),)
    card = Card(
        en="Puts columns back where they came from; what overlaps adds up.",
        zh="把各列放回原位，重叠处相加。",
    )

    def forward(F, x, *, size, window, stride, padding, dilation):
        return F.fold(
            x, size=size, window=window, stride=stride, padding=padding, dilation=dilation
        )

    def vjp(F, g, y, x, *, size, **geometry):
        return (F.unfold(g, **geometry),)


def _unfold_params() -> dict[str, Any]:
    return {
        "kernel_size": Spatial(2),
        "dilation": Spatial(2, 1),
        "padding": Spatial(2, 0, low=0),
        "stride": Spatial(2, 1),
    }


@lru_cache(maxsize=256)
def _windows(
    name: str, x: Ints_, kernel_size: Ints_, dilation: Ints_, padding: Ints_, stride: Ints_
) -> tuple[dict[str, Any], Ints_]:
    """The primitives' arguments, and how many windows there are along each axis."""
    out = []
    for i, (k, d, p, s) in enumerate(zip(kernel_size, dilation, padding, stride, strict=True)):
        extent, size = (k - 1) * d + 1, x[len(x) - 2 + i] + 2 * p
        if extent > size:
            raise too_large(name, i, extent, x, (p, p), 2)
        out.append((size - extent) // s + 1)
    pairs = tuple((p, p) for p in padding)
    geometry = {"window": kernel_size, "stride": stride, "padding": pairs, "dilation": dilation}
    return geometry, tuple(out)


def _unfold_shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
    x = shapes["x"]
    check_layout("unfold", x, 2)
    _, out = _windows("unfold", x, **params)
    return (*x[:-3], x[-3] * prod(params["kernel_size"]), prod(out))


@op
class Unfold(Op):
    """im2col: the windows of (N, C, H, W) as columns, (N, C·kH·kW, L); channels vary slowest."""

    math = "im2col(x)"
    params = _unfold_params()
    saves = ()
    shape = staticmethod(_unfold_shape)
    method = False
    samples = (
        (((2, 3, 5, 6),), {"kernel_size": (2, 3)}),
        (((3, 5, 6),), {"kernel_size": 3, "dilation": 2, "padding": 1, "stride": (1, 2)}),
    )
    card = Card(
        en="Lays the windows out as columns: weight.view(O, -1) @ unfold(x) is the convolution. "
        "Backward is fold.",
        zh="把各窗口展开成列：weight.view(O, -1) @ unfold(x) 就是卷积。反向是 fold。",
    )

    def forward(F, x, *, kernel_size, dilation, padding, stride):
        check_layout("unfold", x.shape, 2)
        geometry, _ = _windows("unfold", x.shape, kernel_size, dilation, padding, stride)
        return as_given(F, F.unfold(with_batch(F, x, 2), **geometry), x.shape, 2)

    def vjp(F, g, y, x, **params):
        geometry, _ = _windows("unfold", x.shape, **params)
        g = F.expand_dims(g, 0) if len(g.shape) == 2 else g
        return (as_given(F, F.fold(g, size=x.shape[-2:], **geometry), x.shape, 2),)


def _fold_shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
    x = shapes["x"]
    size = params["output_size"]
    if len(x) not in (2, 3):
        raise ShapeError(
            t("fold: the input must have the shape (N, C*kH*kW, L) or (C*kH*kW, L), got {x}.", x=x)
        )
    rest = {k: v for k, v in params.items() if k != "output_size"}
    _, out = _windows("fold", (1, *size), **rest)
    channels, over = divmod(x[-2], prod(params["kernel_size"]))
    if over or x[-1] != prod(out):
        raise ShapeError(
            t(
                "fold: columns of shape {x} do not fit: kernel_size {kernel} needs a multiple of "
                "{rows} rows, and output_size {size} needs {n} columns ({out} windows).",
                x=x,
                kernel=params["kernel_size"],
                rows=prod(params["kernel_size"]),
                size=size,
                n=prod(out),
                out="×".join(map(str, out)),
            )
        )
    return (*x[:-2], channels, *size)


@op
class Fold(Op):
    """col2im: columns (N, C·kH·kW, L) added up into (N, C, *output_size)."""

    math = "col2im(x)"
    params = {"output_size": Spatial(2)} | _unfold_params()
    saves = ()
    shape = staticmethod(_fold_shape)
    method = False
    samples = (
        (((2, 12, 12),), {"output_size": (4, 5), "kernel_size": 2}),
        (((12, 6),), {"output_size": (4, 5), "kernel_size": (3, 2), "padding": 1, "stride": 2}),
    )
    card = Card(
        en="The mirror image of unfold: columns go back to their places, overlaps add up.",
        zh="与 unfold 互为镜像：各列回到原位，重叠处相加。",
    )

    def forward(F, x, *, output_size, kernel_size, dilation, padding, stride):
        params = {
            "kernel_size": kernel_size, "dilation": dilation, "padding": padding, "stride": stride,
        }  # fmt: skip
        _fold_shape({"x": x.shape}, {"output_size": output_size} | params)
        geometry, _ = _windows("fold", (1, *output_size), **params)
        y = F.fold(x if len(x.shape) == 3 else F.expand_dims(x, 0), size=output_size, **geometry)
        return y if len(x.shape) == 3 else F.reshape(y, y.shape[1:])

    def vjp(F, g, y, x, *, output_size, **params):
        geometry, _ = _windows("fold", (1, *output_size), **params)
        return (F.reshape(F.unfold(with_batch(F, g, 2), **geometry), x.shape),)
