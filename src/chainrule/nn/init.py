"""Initialisers: fill a tensor in place and return it.

All draw from chainrule's generator (or the one given as `generator`), none is recorded. `fan in` is
the number of inputs that one output sums over, `fan out` the number of outputs that one input
reaches. Zeros leave all units of a layer equal for ever (their gradients are equal too), so weights
are drawn at random; biases may be zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from chainrule.base.constraints import Choice, Interval, Number, Positive
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor, no_grad
from chainrule.ops.random import Generator

__all__ = [
    "calculate_fan_in_and_fan_out", "calculate_gain", "constant_", "dirac_", "eye_",
    "kaiming_normal_", "kaiming_uniform_", "lecun_normal_", "lecun_uniform_", "normal_", "ones_",
    "orthogonal_", "sparse_", "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_",
    "zeros_",
]  # fmt: skip

_GAINS = {
    "linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0, "conv_transpose3d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3,
    "relu": math.sqrt(2), "leaky_relu": math.sqrt(2), "selu": 3 / 4,
}  # fmt: skip


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor on the standard deviation that makes up for what the activation takes away.

    `param`: the negative slope of "leaky_relu" (0.01 if None).

    >>> cr.nn.init.calculate_gain("tanh")
    1.6666666666666667
    """
    Choice(*_GAINS).check(nonlinearity, "calculate_gain", "nonlinearity")
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else Number().check(param, "calculate_gain", "param")
        return math.sqrt(2 / (1 + slope**2))
    return _GAINS[nonlinearity]


def calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """(fan in, fan out) of a weight of shape (out, in, kernel…)."""
    if tensor.ndim < 2:
        raise ShapeError(
            t(
                "Fan in and fan out need a weight with 2 axes or more, got shape {shape}: "
                "fill a bias with zeros_, uniform_ or normal_.",
                shape=tuple(tensor.shape),
            )
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _initialiser(fill: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Run `fill` unrecorded, on tensors only."""

    @wraps(fill)
    def checked(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if not isinstance(tensor, Tensor):
            raise DTypeError(
                t(
                    "{name} fills a Tensor, got {kind}.",
                    name=fill.__name__,
                    kind=type(tensor).__name__,
                )
            )
        with no_grad():
            return fill(tensor, *args, **kwargs)

    return checked


def _need(tensor: Tensor, axes: tuple[int, ...], name: str) -> None:
    if tensor.ndim not in axes:
        raise ShapeError(
            t(
                "{name} fills tensors of {axes} axes, got shape {shape}.",
                name=name,
                axes=", ".join(map(str, axes)),
                shape=tuple(tensor.shape),
            )
        )


# ---- constants ---------------------------------------------------------------------------------


@_initialiser
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Every element `val`.

    >>> cr.nn.init.constant_(cr.empty(2), 0.5)
    tensor([0.5000, 0.5000])
    """
    return tensor.fill_(val)


@_initialiser
def zeros_(tensor: Tensor) -> Tensor:
    """Every element 0.

    >>> cr.nn.init.zeros_(cr.empty(2))
    tensor([0., 0.])
    """
    return tensor.fill_(0)


@_initialiser
def ones_(tensor: Tensor) -> Tensor:
    """Every element 1."""
    return tensor.fill_(1)


@_initialiser
def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix: a linear layer then passes on its input."""
    _need(tensor, (2,), "eye_")
    rows, columns = tensor.shape
    return tensor.copy_(Tensor(np.eye(rows, columns)))


@_initialiser
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Each output channel of a convolution passes on the input channel of its number."""
    _need(tensor, (3, 4, 5), "dirac_")
    out, channels = tensor.shape[:2]
    if groups < 1 or out % groups:
        raise ArgumentError(
            t("dirac_: {out} output channels are no multiple of {groups} groups.",
              out=out, groups=groups)
        )  # fmt: skip
    values = np.zeros(tensor.shape)
    middle = tuple(n // 2 for n in tensor.shape[2:])
    for group in range(groups):
        for i in range(min(out // groups, channels)):
            values[(group * (out // groups) + i, i, *middle)] = 1
    return tensor.copy_(Tensor(values))


# ---- independent draws -------------------------------------------------------------------------


@_initialiser
def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform in [a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@_initialiser
def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Normal with the given mean and standard deviation."""
    return tensor.normal_(mean, std, generator=generator)


@_initialiser
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal, but only values in [a, b] (values, not standard deviations)."""
    Positive().check(std, "trunc_normal_", "std")
    if not a < b:
        raise ArgumentError(t("trunc_normal_ needs a < b, got a = {a}, b = {b}.", a=a, b=b))
    values = _truncated(tensor.numel(), (a - mean) / std, (b - mean) / std, generator)
    tensor.copy_(Tensor((values * std + mean).reshape(tensor.shape)))
    return tensor.clamp_(a, b)  # rounding to the tensor's dtype may step over an end


def _truncated(count: int, low: float, high: float, generator: Generator | None) -> np.ndarray:
    """`count` standard normal draws in [low, high], by rejection of uniform ones."""
    peak = min(max(0.0, low), high)
    reach = math.sqrt(peak**2 + 80)  # beyond it the density is below e^-40 of the peak's
    low, high = max(low, -reach), min(high, reach)
    found, missing, rate = [np.empty(0)], count, 0.5
    while missing:
        tries = int(missing / rate) + 16
        x = low + (high - low) * _draw((tries,), "uniform_", generator)
        kept = x[_draw((tries,), "uniform_", generator) < np.exp((peak**2 - x**2) / 2)]
        rate = max(len(kept) / tries, 0.01)
        found.append(kept[:missing])
        missing -= len(found[-1])
    return np.concatenate(found)


def _draw(shape: tuple[int, ...], method: str, generator: Generator | None) -> np.ndarray:
    """float64 draws of `Tensor.normal_` or `Tensor.uniform_`."""
    return getattr(Tensor(np.empty(shape)), method)(generator=generator).numpy()


@_initialiser
def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """Normal, with the fraction `sparsity` of each column (rounded up) set to zero."""
    _need(tensor, (2,), "sparse_")
    Interval(0, 1).check(sparsity, "sparse_", "sparsity")
    rows, columns = tensor.shape
    values = _draw((rows, columns), "normal_", generator) * std
    order = _draw((rows, columns), "uniform_", generator).argsort(axis=0)
    np.put_along_axis(values, order[: math.ceil(sparsity * rows)], 0, axis=0)
    return tensor.copy_(Tensor(values))


# ---- draws that keep the variance of signals ---------------------------------------------------


def _normal(tensor: Tensor, std: float, generator: Generator | None) -> Tensor:
    return tensor.normal_(0.0, std, generator=generator)


def _uniform(tensor: Tensor, std: float, generator: Generator | None) -> Tensor:
    """Uniform with standard deviation `std`."""
    bound = math.sqrt(3) * std
    return tensor.uniform_(-bound, bound, generator=generator)


def _xavier_std(tensor: Tensor, gain: float, fan: str) -> float:
    fan_in, fan_out = calculate_fan_in_and_fan_out(tensor)
    Choice("average", "in").check(fan, "xavier", "fan")
    mean = (fan_in + fan_out) / 2 if fan == "average" else fan_in
    return gain / math.sqrt(mean) if mean else 0.0


@_initialiser
def xavier_normal_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None, *, fan: str = "average"
) -> Tensor:
    """Normal with variance gain² · 2/(fan in + fan out).

    `fan="in"`: variance gain²/(fan in), which keeps the variance of the forward signal alone; the
    default is the compromise with that of the gradients.
    """
    return _normal(tensor, _xavier_std(tensor, gain, fan), generator)


@_initialiser
def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None, *, fan: str = "average"
) -> Tensor:
    """Uniform in ±gain·√(6/(fan in + fan out)); `fan="in"`: ±gain·√(3/fan in).

    >>> w = cr.nn.init.xavier_uniform_(cr.empty(3, 3))
    >>> bool(w.abs().max() <= 1.0)
    True
    """
    return _uniform(tensor, _xavier_std(tensor, gain, fan), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    Choice("fan_in", "fan_out").check(mode, "kaiming", "mode")
    fan = calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


@_initialiser
def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with standard deviation gain/√fan (He: √(2/n) for ReLU).

    `a`: negative slope of the leaky ReLU after the layer; `mode`: "fan_in" keeps the variance of
    the forward signal, "fan_out" that of the gradients.

    >>> cr.nn.init.kaiming_normal_(cr.empty(8, 4)).shape
    (8, 4)
    """
    return _normal(tensor, _kaiming_std(tensor, a, mode, nonlinearity), generator)


@_initialiser
def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform in ±gain·√(3/fan) (He: ±√(6/n) for ReLU); arguments as in `kaiming_normal_`."""
    return _uniform(tensor, _kaiming_std(tensor, a, mode, nonlinearity), generator)


@_initialiser
def lecun_normal_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Normal with variance 1/(fan in)."""
    return _normal(tensor, _xavier_std(tensor, 1.0, "in"), generator)


@_initialiser
def lecun_uniform_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Uniform in ±√(3/fan in)."""
    return _uniform(tensor, _xavier_std(tensor, 1.0, "in"), generator)


@_initialiser
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """A random matrix with orthonormal rows or columns (whichever are fewer), times `gain`.

    More than two axes count as (first, the others together).

    >>> w = cr.nn.init.orthogonal_(cr.empty(3, 3))
    >>> cr.allclose(w @ w.T, cr.eye(3), atol=1e-5)
    True
    """
    if tensor.ndim < 2:
        raise ShapeError(
            t(
                "orthogonal_ needs a tensor with 2 axes or more, got shape {shape}.",
                shape=tuple(tensor.shape),
            )
        )
    if not tensor.numel():
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    q, r = np.linalg.qr(_draw((max(rows, columns), min(rows, columns)), "normal_", generator))
    q *= np.sign(np.diag(r))  # makes the distribution uniform over orthogonal matrices
    return tensor.copy_(Tensor((q if rows >= columns else q.T).reshape(tensor.shape) * gain))
