"""The same convolution computed in four ways: they differ in rounding and in time alone.

conv2d itself runs what is fastest; these say what it means: the product sum at each place, one
matrix product of all windows, one sparse matrix (001 of the notes: Y = CX, backward Cᵀ), and
products of spectra. Each is written in plain operations, so its gradient is the chain rule.
"""

from __future__ import annotations

import math
from itertools import product
from math import prod
from typing import Any

import numpy as np

from chainrule.base.constraints import Int, Spatial
from chainrule.ops.convolution import Padding, add_bias, convolution_plan, shape_of
from chainrule.ops.namespace import HOLE
from chainrule.ops.op import Card, Op, op
from chainrule.ops.windows import Ints_, Shapes, as_given, with_batch

_PARAMS = {
    "stride": Spatial(2, 1),
    "padding": Padding(2),
    "dilation": Spatial(2, 1),
    "groups": Int(1, low=1),
}
_SAMPLES = (
    ((2, 3, 5, 6), (4, 3, 3, 2), (4,)),
    (((2, 4, 7, 6), (6, 2, 3, 2), None),
     {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}),
    (((3, 5, 6), (3, 1, 3, 2), (3,)), {"padding": "same", "stride": 2, "groups": 3}),
)  # fmt: skip


class _Way(Op):
    """conv2d (N, C, H, W) → (N, O, H′, W′), computed by `convolve`."""

    math = "conv(x, weight) + bias"
    params = _PARAMS
    optional = ("bias",)
    dtypes = "match"
    vjp = None
    method = False
    samples = _SAMPLES

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        x, w = shapes["x"], shapes["weight"]
        _, out = convolution_plan(x, w, shapes.get("bias"), **params)
        return (*x[:-3], w[0], *out)


def _run(convolve: Any, F: Any, x: Any, weight: Any, bias: Any, **params: Any) -> Any:
    """`convolve(F, x, weight, out, geometry)` with a batch, bias added after."""
    geometry, out = convolution_plan(x.shape, weight.shape, shape_of(bias), **params)
    y = convolve(F, with_batch(F, x, 2), weight, out, geometry)
    return as_given(F, add_bias(F, y, bias), x.shape, 2)


def _grouped(F: Any, rows: Any, columns: Any, out: Ints_) -> Any:
    """weights (G, O/G, K) times columns (N, G, K, places) → (N, O, *out)."""
    y = F.matmul(rows, columns)
    return F.reshape(y, (y.shape[0], y.shape[1] * y.shape[2], *out))


# ---- direct ---------------------------------------------------------------------------------


def _direct(F: Any, x: Any, w: Any, out: Ints_, geometry: dict[str, Any]) -> Any:
    groups, (sh, sw), (dh, dw) = (geometry[k] for k in ("groups", "stride", "dilation"))
    x = F.pad(x, ((0, 0), (0, 0), *geometry["padding"]))
    n, c = x.shape[:2]
    o, each, kh, kw = w.shape
    y = None
    for i, j in product(range(kh), range(kw)):
        # What this kernel element meets at all places.
        rows = slice(i * dh, i * dh + (out[0] - 1) * sh + 1, sh)
        columns = slice(j * dw, j * dw + (out[1] - 1) * sw + 1, sw)
        seen = F.slice(x, (slice(None), slice(None), rows, columns))
        seen = F.reshape(seen, (n, groups, c // groups, prod(out)))
        element = F.reshape(F.slice(w, (..., i, j)), (groups, o // groups, each))
        part = _grouped(F, element, seen, out)
        y = part if y is None else y + part
    return y


@op
class Conv2dDirect(_Way):
    """conv2d as it is defined: for each kernel element, its products with all places it meets."""

    name = "conv2d_direct"
    card = Card(en="The definition: slide, multiply, add up.", zh="按定义计算：滑动、相乘、累加。")

    def forward(F, x, weight, bias=None, *, stride, padding, dilation, groups):
        return _run(_direct, F, x, weight, bias, stride=stride, padding=padding,
                    dilation=dilation, groups=groups)  # fmt: skip


# ---- im2col ---------------------------------------------------------------------------------


def _im2col(F: Any, x: Any, w: Any, out: Ints_, geometry: dict[str, Any]) -> Any:
    window = {k: v for k, v in geometry.items() if k != "groups"} | {"window": w.shape[2:]}
    groups, o = geometry["groups"], w.shape[0]
    columns = F.unfold(x, **window)
    columns = F.reshape(columns, (x.shape[0], groups, prod(w.shape[1:]), prod(out)))
    return _grouped(F, F.reshape(w, (groups, o // groups, prod(w.shape[1:]))), columns, out)


@op
class Conv2dIm2col(_Way):
    """conv2d as one matrix product: the windows as columns (unfold), the kernels as rows."""

    name = "conv2d_im2col"
    card = Card(
        en="Lay out the windows as columns; then a convolution is a matrix product.",
        zh="把各窗口展开成列，卷积就是一次矩阵乘法。",
    )

    def forward(F, x, weight, bias=None, *, stride, padding, dilation, groups):
        return _run(_im2col, F, x, weight, bias, stride=stride, padding=padding,
                    dilation=dilation, groups=groups)  # fmt: skip


# ---- the sparse matrix ----------------------------------------------------------------------


def _places(size: Ints_, w: Ints_, out: Ints_, geometry: dict[str, Any]) -> np.ndarray:
    """(O·H′·W′, C·H·W): which weight stands at each place of C, in the flattened weights; where
    none does, one past the last."""
    axes = []
    for n, m, k, s, d, (low, _) in zip(
        size, out, w[2:], geometry["stride"], geometry["dilation"], geometry["padding"],
        strict=True,
    ):  # fmt: skip
        offset = np.arange(n) - np.arange(m)[:, None] * s + low
        element, over = np.divmod(offset, d)
        axes.append(np.where((over == 0) & (element >= 0) & (element < k), element, -1))
    rows, columns = axes[0][:, None, :, None], axes[1][None, :, None, :]
    where = np.where((rows < 0) | (columns < 0), -1, rows * w[3] + columns)
    where = where.reshape(prod(out), prod(size))
    groups, (o, each) = geometry["groups"], w[:2]
    kernel = np.arange(o)[:, None] * each
    channel = np.arange(each * groups) - np.arange(o)[:, None] // (o // groups) * each
    first = np.where((channel >= 0) & (channel < each), kernel + channel, -1) * prod(w[2:])
    first = first[:, None, :, None]
    found = np.where((first < 0) | (where[:, None, :] < 0), prod(w), first + where[:, None, :])
    return found.reshape(o * prod(out), each * groups * prod(size))


def _matrix(F: Any, w: Any, size: Ints_, out: Ints_, geometry: dict[str, Any]) -> Any:
    zero = F.full((1,), 0, w.dtype)
    entries = F.concat([F.reshape(w, (prod(w.shape),)), zero], 0)
    return F.gather(entries, (HOLE,), F.asarray(_places(size, w.shape, out, geometry)))


def _by_matrix(F: Any, x: Any, w: Any, out: Ints_, geometry: dict[str, Any]) -> Any:
    matrix = _matrix(F, w, x.shape[2:], out, geometry)
    column = F.reshape(x, (x.shape[0], prod(x.shape[1:]), 1))
    return F.reshape(F.matmul(matrix, column), (x.shape[0], w.shape[0], *out))


@op
class ConvolutionMatrix(Op):
    """The matrix C (O·H′·W′, C·H·W) of a convolution: conv2d(x) = C @ x.flatten().

    weight (O, C/groups, kH, kW); input_size (H, W). Its transpose is the transposed convolution,
    and takes the gradient back: ∂L/∂x = Cᵀ ∂L/∂y. Stored with all its zeros: for small pictures.
    """

    math = "C"
    params = {"input_size": Spatial(2)} | _PARAMS
    vjp = None
    method = False
    samples = (
        (((2, 3, 2, 2),), {"input_size": (3, 4)}),
        (((4, 1, 2, 3),), {"input_size": 4, "padding": 1, "stride": 2, "groups": 2}),
    )
    card = Card(
        en="Every output is a weighted sum of inputs, so a convolution is a matrix: few different "
        "numbers, mostly zeros.",
        zh="每个输出都是输入的加权和，所以卷积是一个矩阵：不同的数很少，大多数是零。",
    )

    def forward(F, weight, *, input_size, stride, padding, dilation, groups):
        w = weight.shape
        x = (1, w[1] * groups if len(w) == 4 else 1, *input_size)
        geometry, out = convolution_plan(x, w, None, stride, padding, dilation, groups)
        return _matrix(F, weight, input_size, out, geometry)

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        w = shapes["weight"]
        rest = {k: v for k, v in params.items() if k != "input_size"}
        x = (1, w[1] * params["groups"] if len(w) == 4 else 1, *params["input_size"])
        _, out = convolution_plan(x, w, None, **rest)
        return (w[0] * prod(out), prod(x))


@op
class Conv2dMatrix(_Way):
    """conv2d as Y = CX, with the sparse matrix C of `convolution_matrix` and x as a column."""

    name = "conv2d_matrix"
    card = Card(
        en="One sparse matrix does it all; its transpose is the way back.",
        zh="一个稀疏矩阵完成全部计算；它的转置就是反向传播。",
    )

    def forward(F, x, weight, bias=None, *, stride, padding, dilation, groups):
        return _run(_by_matrix, F, x, weight, bias, stride=stride, padding=padding,
                    dilation=dilation, groups=groups)  # fmt: skip


# ---- spectra --------------------------------------------------------------------------------


Complex = tuple[Any, Any]  # real and imaginary part


def _fft(F: Any, z: Complex, sign: float) -> Complex:
    """Σ_k z[k]·exp(sign·2πi·jk/n) along the last axis, whose length is a power of two.

    J. W. Cooley, J. W. Tukey (1965), in T. G. Stockham's order, which needs no sorting: halves are
    added and subtracted, log₂ n times.
    """
    lead, n = z[0].shape[:-1], z[0].shape[-1]
    re, im = (F.reshape(v, (*lead, n, 1)) for v in z)
    dtype = getattr(re.dtype, "numpy", re.dtype)
    while re.shape[-2] > 1:
        half, run = re.shape[-2] // 2, re.shape[-1]
        low, high = (..., slice(0, half), slice(None)), (..., slice(half, None), slice(None))
        a, b, c, d = F.slice(re, low), F.slice(im, low), F.slice(re, high), F.slice(im, high)
        angle = sign * math.pi * np.arange(half).reshape(half, 1) / half
        cos, sin = F.asarray(np.cos(angle).astype(dtype)), F.asarray(np.sin(angle).astype(dtype))
        p, q = a - c, b - d
        at = len(lead) + 1
        re = F.reshape(F.stack([a + c, p * cos - q * sin], at), (*lead, half, 2 * run))
        im = F.reshape(F.stack([b + d, p * sin + q * cos], at), (*lead, half, 2 * run))
    return F.reshape(re, (*lead, n)), F.reshape(im, (*lead, n))


def _swapped(F: Any, z: Complex) -> Complex:
    n = len(z[0].shape)
    axes = (*range(n - 2), n - 1, n - 2)
    return F.permute_dims(z[0], axes), F.permute_dims(z[1], axes)


def _fft2(F: Any, z: Complex, sign: float) -> Complex:
    return _swapped(F, _fft(F, _swapped(F, _fft(F, z, sign)), sign))


def _spectrum(F: Any, x: Any, size: Ints_) -> Complex:
    """The spectrum of the last two axes of x, zeros added up to `size`, as (…, frequencies)."""
    more = tuple((0, s - n) for s, n in zip(size, x.shape[-2:], strict=True))
    x = F.pad(x, ((0, 0),) * (len(x.shape) - 2) + more)
    re, im = _fft2(F, (x, F.zeros_like(x)), -1.0)
    return tuple(F.reshape(v, (*x.shape[:-2], prod(size))) for v in (re, im))  # type: ignore[return-value]


def _by_spectra(F: Any, x: Any, w: Any, out: Ints_, geometry: dict[str, Any]) -> Any:
    groups, stride, dilation = (geometry[k] for k in ("groups", "stride", "dilation"))
    x = F.pad(x, ((0, 0), (0, 0), *geometry["padding"]))
    o, each, *kernel = w.shape
    if dilation != (1, 1):
        extent = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
        holes = tuple(slice(None, None, d) for d in dilation)
        w = F.unslice(w, (slice(None), slice(None), *holes), (o, each, *extent))
    size = tuple(1 << (n - 1).bit_length() for n in x.shape[2:])  # no place wraps around
    n = x.shape[0]
    a, b = (F.reshape(v, (n, groups, each, prod(size))) for v in _spectrum(F, x, size))
    c, d = (F.reshape(v, (groups, o // groups, each, prod(size))) for v in _spectrum(F, w, size))
    # A correlation: the kernel's spectrum conjugated. For each group and frequency, (N, C)·(C, O).
    a, b = (F.permute_dims(v, (1, 3, 0, 2)) for v in (a, b))
    c, d = (F.permute_dims(v, (0, 3, 2, 1)) for v in (c, d))
    re = F.matmul(a, c) + F.matmul(b, d)
    im = F.matmul(b, c) - F.matmul(a, d)
    z = tuple(F.reshape(F.permute_dims(v, (2, 0, 3, 1)), (n, o, *size)) for v in (re, im))
    y, _ = _fft2(F, z, 1.0)  # type: ignore[arg-type]
    y = y / prod(size)
    at = (slice(0, (m - 1) * s + 1, s) for m, s in zip(out, stride, strict=True))
    return F.slice(y, (slice(None), slice(None), *at))


@op
class Conv2dFft(_Way):
    """conv2d as products of spectra (fast Fourier transforms): cheap where kernels are large."""

    name = "conv2d_fft"
    card = Card(
        en="A convolution of pictures is a product of their spectra.",
        zh="图像的卷积等于频谱的乘积。",
    )

    def forward(F, x, weight, bias=None, *, stride, padding, dilation, groups):
        return _run(_by_spectra, F, x, weight, bias, stride=stride, padding=padding,
                    dilation=dilation, groups=groups)  # fmt: skip
