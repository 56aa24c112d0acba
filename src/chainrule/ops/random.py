"""Random numbers: counter-based generators, draws, dropout.

A generator is a seed and a counter; each draw takes numbers from the counter on and moves it. The
bits depend on nothing else, so glass and compiled mode, and any number of threads, draw the same.
"""

from __future__ import annotations

import math
import os
from functools import partial
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.constraints import Bool, Interval, NonNegative
from chainrule.base.devices import CPU, check_device, is_device
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.base.shapes import as_shape, broadcast_shapes
from chainrule.base.text import t
from chainrule.graph import checkpoint
from chainrule.graph.modes import mode, no_grad
from chainrule.graph.tensor import Tensor, wrap
from chainrule.ops.arrays.philox import blocks
from chainrule.ops.dispatch import apply
from chainrule.ops.inplace import assign
from chainrule.ops.op import Card, Op, op
from chainrule.ops.register import method


class Generator:
    """A stream of random numbers: `seed` chooses it, `offset` is how far it has been read.

    Without a seed it starts from one of the operating system's. `device`: "cpu", also in the place
    of the seed, as PyTorch has it.
    """

    device = CPU

    def __init__(self, seed: Any = None, device: Any = None) -> None:
        if is_device(seed):
            seed, device = None, seed
        check_device(device)
        self.manual_seed(int.from_bytes(os.urandom(6), "little") if seed is None else seed)

    def manual_seed(self, seed: int) -> Generator:
        """Starts the stream of `seed` from its beginning."""
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise ArgumentError(t("The seed must be an integer, not {seed!r}.", seed=seed))
        self.seed = int(seed) % 2**64
        self.offset = 0
        return self

    def initial_seed(self) -> int:
        """The seed that the stream was started with."""
        return self.seed

    def advance(self, n: int, dtype: Any) -> int:
        """Takes `n` numbers out of the stream; returns where they begin."""
        start = self.offset
        self.offset += blocks(n, dtype)
        return start

    def get_state(self) -> dict[str, int]:
        """What `set_state` needs to go on exactly here."""
        return {"seed": self.seed, "offset": self.offset}

    def set_state(self, state: dict[str, int]) -> None:
        self.seed, self.offset = int(state["seed"]), int(state["offset"])


default_generator = Generator(0)


def manual_seed(seed: int) -> Generator:
    """Seeds the default generator, from which all draws without `generator=` come.

    >>> _ = cr.manual_seed(7)
    >>> cr.initial_seed()
    7
    """
    return default_generator.manual_seed(seed)


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.seed


def seed() -> int:
    """Seeds the default generator from the operating system; returns the seed."""
    default_generator.manual_seed(int.from_bytes(os.urandom(6), "little"))
    return default_generator.seed


def get_rng_state() -> dict[str, int]:
    """The state of the default generator."""
    return default_generator.get_state()


def set_rng_state(new_state: dict[str, int]) -> None:
    """Sets the state of the default generator."""
    default_generator.set_state(new_state)


checkpoint.random_state.update(get=get_rng_state, set=set_rng_state)


# ---- draws ----------------------------------------------------------------------------------


def draw_uniform(shape: tuple[int, ...], dtype: dtypes.DType, generator: Generator | None) -> Any:
    """Uniforms in [0, 1) in the namespace in use; a trace draws afresh at every replay."""
    source = generator or default_generator
    wide = np.float64 if dtype is dtypes.float64 else np.float32
    n = math.prod(shape)
    if mode.trace is not None:

        def draw() -> tuple[int, int]:
            return source.seed, source.advance(n, wide)

        def save() -> Any:
            return partial(setattr, source, "offset", source.offset)

        seed, offset = mode.trace.host(draw, ("seed", "offset"), np.int64, save)
    else:
        seed, offset = source.seed, source.advance(n, wide)
    return mode.F.uniform(seed, offset, shape, np.dtype(wide))


def draw_normal(shape: tuple[int, ...], dtype: dtypes.DType, generator: Generator | None) -> Any:
    """Standard normals by G. E. P. Box and M. E. Muller (1958), from pairs of uniforms."""
    F = mode.F
    u = draw_uniform((2, *shape), dtype, generator)
    # 1 − u lies in (0, 1], so the logarithm is finite.
    radius = F.sqrt(-2.0 * F.log(1.0 - F.slice(u, (0,))))
    return radius * F.cos((2.0 * math.pi) * F.slice(u, (1,)))


def _finish(data: Any, dtype: dtypes.DType, requires_grad: bool) -> Tensor:
    out = wrap(mode.F.asarray(data))
    if out.dtype is not dtype:
        with no_grad():
            out = out.to(dtype)
    out.requires_grad = requires_grad
    return out


def _float(dtype: Any) -> dtypes.DType:
    chosen = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    if not chosen.is_floating_point:
        raise DTypeError(t("This draw gives floating-point numbers, not {d}.", d=chosen.name))
    return chosen


def rand(
    *shape: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform numbers in [0, 1).

    >>> cr.rand(2, 3).shape
    (2, 3)
    """
    check_device(device)
    kind = _float(dtype)
    sizes = as_shape(shape if size is None else (size,))
    return _finish(mode.quiet(draw_uniform, sizes, kind, generator), kind, requires_grad)


def randn(
    *shape: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from the standard normal distribution.

    >>> _ = cr.manual_seed(0)
    >>> a = cr.randn(3)
    >>> _ = cr.manual_seed(0)
    >>> cr.equal(a, cr.randn(3))
    True
    """
    check_device(device)
    kind = _float(dtype)
    sizes = as_shape(shape if size is None else (size,))
    return _finish(mode.quiet(draw_normal, sizes, kind, generator), kind, requires_grad)


def randint(
    low: Any = 0, high: Any = None, size: Any = None, *, generator: Generator | None = None,
    dtype: Any = dtypes.int64, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Integers from low to high − 1; `randint(high, size)` starts at 0.

    >>> cr.randint(0, 10, (2, 2)).shape
    (2, 2)
    """
    check_device(device)
    if not isinstance(high, int | np.integer):
        low, high, size = 0, low, high if size is None else size
    if size is None or high <= low:
        raise ArgumentError(
            t(
                "randint needs low < high and a size, got {low}, {high}, {size}.",
                low=low,
                high=high,
                size=size,
            )
        )
    whole = draw_integers(as_shape((size,)), int(low), int(high), generator)
    return _finish(whole, dtypes.as_dtype(dtype), requires_grad)


def draw_integers(shape: tuple[int, ...], low: int, high: int, generator: Generator | None) -> Any:
    """Integers from low to high − 1 as int64 in the namespace in use."""
    F, span = mode.F, high - low
    u = draw_uniform(shape, dtypes.float64, generator)
    if span <= 2**53:
        return F.astype(F.floor(u * float(span)), "int64") + low
    # 53 random bits do not reach every number: 32 more below them.
    upper = F.astype(F.floor(u * float(-(-span // 2**32))), "int64")
    lower = F.astype(F.floor(draw_uniform(shape, dtypes.float64, generator) * 2.0**32), "int64")
    return F.remainder(upper * 2**32 + lower, span) + low


def randperm(
    n: int, *, generator: Generator | None = None, dtype: Any = dtypes.int64, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The integers 0 to n − 1 in random order.

    >>> cr.sort(cr.randperm(4)).values
    tensor([0, 1, 2, 3])
    """
    check_device(device)
    u = draw_uniform(as_shape((n,)), dtypes.float64, generator)
    return _finish(mode.F.argsort(u, 0), dtypes.as_dtype(dtype), requires_grad)


@method("bernoulli")
def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None
) -> Tensor:
    """1 with the probability that `input` gives for each element (or with `p`), else 0."""
    if p is None and isinstance(input._data, np.ndarray) and input.numel():
        for least in (input._data.min(), input._data.max()):
            Interval(0, 1).check(float(least), "bernoulli", "input")
    u = draw_uniform(input.shape, input.dtype, generator)
    return (wrap(mode.F.asarray(u)) < (input.detach() if p is None else p)).to(input.dtype)


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform numbers in the shape and dtype of `input`."""
    return rand(
        input.shape, dtype=dtype or input.dtype, generator=generator, device=device,
        requires_grad=requires_grad,
    )  # fmt: skip


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Standard normal numbers in the shape and dtype of `input`."""
    return randn(
        input.shape, dtype=dtype or input.dtype, generator=generator, device=device,
        requires_grad=requires_grad,
    )  # fmt: skip


def randint_like(
    input: Tensor, low: int, high: Any = None, *, generator: Generator | None = None,
    dtype: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Integers from low to high − 1 in the shape and dtype of `input`."""
    low, high = (0, low) if high is None else (low, high)
    return randint(
        low, high, input.shape, dtype=dtype or input.dtype, generator=generator, device=device,
        requires_grad=requires_grad,
    )  # fmt: skip


def normal(
    mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None,
    dtype: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Numbers from the normal distribution; mean and std may be tensors, one for each number."""
    if not isinstance(std, Tensor):
        std = NonNegative().check(std, "normal", "std")
    given = [v for v in (mean, std) if isinstance(v, Tensor)]
    if not given:
        kept = {"generator": generator, "dtype": dtype, "device": device}
        out = randn(() if size is None else size, **kept) * std + mean
        return out.requires_grad_(requires_grad)
    shape = broadcast_shapes(*(v.shape for v in given))
    with no_grad():
        return randn(shape, dtype=given[0].dtype, generator=generator, device=device) * std + mean


@method("uniform_")
def uniform_(
    self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fills the tensor with uniform numbers in [from_, to)."""
    with no_grad():
        return assign(
            self, rand(self.shape, dtype=self.dtype, generator=generator) * (to - from_) + from_
        )


@method("normal_")
def normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fills the tensor with normal numbers."""
    std = NonNegative().check(std, "normal_", "std")
    with no_grad():
        return assign(self, randn(self.shape, dtype=self.dtype, generator=generator) * std + mean)


@method("bernoulli_")
def bernoulli_(self: Tensor, p: float = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fills the tensor with ones (probability p) and zeros."""
    with no_grad():
        return assign(self, (rand(self.shape, generator=generator) < p).to(self.dtype))


# ---- dropout --------------------------------------------------------------------------------


@op
class MaskedScale(Op):
    """x · mask / (1 − p): dropout with its random choice made."""

    params = {"p": Interval(0.0, 1.0, 0.5)}
    math = "x * mask / (1 - p)"
    integers = ("mask",)
    saves = ("mask",)
    always_check = True
    method = False
    samples = ()
    card = Card(
        en="Silences units at random while training and scales the rest up, so the mean stays.",
        zh="训练时随机关闭一些单元，并放大其余单元以保持均值。",
    )

    @staticmethod
    def shape(shapes: dict[str, tuple[int, ...]], params: dict[str, Any]) -> tuple[int, ...]:
        if shapes["mask"] != shapes["x"]:
            raise ShapeError(
                t(
                    "masked_scale: mask has shape {mask}, the input {x}: they must be equal.",
                    mask=shapes["mask"],
                    x=shapes["x"],
                )
            )
        return shapes["x"]

    def forward(F, x, mask, *, p):
        return F.where(mask, x * _scale(p), F.zeros_like(x))

    def vjp(F, g, y, x, mask, *, p):
        return lambda: F.where(mask, g * _scale(p), F.zeros_like(g)), None


def _scale(p: float) -> float:
    return 1.0 / (1.0 - p) if p < 1.0 else 0.0


_p = Interval(0.0, 1.0)
_flag = Bool()


def dropout(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Zeroes each element with probability p and scales the rest by 1/(1 − p); only if `training`.

    N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting",
    JMLR 15 (2014); 003 §5.2 of the notes.

    >>> cr.nn.functional.dropout(cr.ones(3), p=0.5, training=False)
    tensor([1., 1., 1.])
    """
    return _drop(input, input.shape, p, training, inplace, generator)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Dropout of whole channels of (N, C, L), or (C, L) without a batch."""
    return _drop(input, _channels("dropout1d", input, (2, 3), 1), p, training, inplace, None)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Dropout of whole channels of (N, C, H, W), or (N, C, L) as PyTorch takes it."""
    rank = 1 if input.ndim == 3 else 2
    return _drop(input, _channels("dropout2d", input, (3, 4), rank), p, training, inplace, None)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Dropout of whole channels of (N, C, D, H, W), or (C, D, H, W) without a batch."""
    return _drop(input, _channels("dropout3d", input, (4, 5), 3), p, training, inplace, None)


def _channels(name: str, x: Tensor, ranks: tuple[int, int], spatial: int) -> tuple[int, ...]:
    """One choice for each channel: the shape with its spatial axes at size 1."""
    if x.ndim not in ranks:
        raise ShapeError(
            t(
                "{name}: the input has shape {x}, but whole channels need {a} or {b} dimensions, "
                "(N, C, …). Write dropout() to drop single elements.",
                name=name,
                x=x.shape,
                a=ranks[0],
                b=ranks[1],
            )
        )
    return x.shape[:-spatial] + (1,) * spatial


def _drop(
    x: Tensor, shape: tuple[int, ...], p: float, training: bool, inplace: bool,
    generator: Generator | None,
) -> Tensor:  # fmt: skip
    p = _p.check(p, "dropout", "p")
    if not _flag.check(training, "dropout", "training") or p == 0:
        return x
    F = mode.F
    kept = F.greater_equal(draw_uniform(shape, dtypes.float32, generator), float(p))
    mask = wrap(F.asarray(kept))
    if mask.shape != x.shape:
        mask = mask.expand(x.shape)
    out = apply(MaskedScale, x, mask, p=p)
    return assign(x, out) if inplace else out
