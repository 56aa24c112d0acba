"""The steps of random programs: each takes what it needs from the pool of a run.

A step gets a `programs.Run` and gives a new tensor, several, or None where nothing is fit.
"""

import importlib.util
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.base.constraints import REQUIRED
from chainrule.ops.op import REGISTRY, Elementwise

F = cr.nn.functional
LARGEST = 6000  # elements of a tensor

# Elementwise operations of one tensor; those that jump are told apart.
UNARY = [
    n for n, op in REGISTRY.items()
    if issubclass(op, Elementwise) and len(op.inputs) == 1
    and all(c.default is not REQUIRED for c in op.params.values())
]  # fmt: skip
JUMPS = {
    "sign", "floor", "ceil", "round", "trunc", "isnan", "isfinite", "isinf", "logical_not",
    "hardshrink", "threshold", "sign_ste", "hard_sigmoid_bnn", "hardmax", "bitwise_invert",
}  # fmt: skip
CONTINUOUS = [n for n in UNARY if n not in JUMPS and n not in ("cast", "clamp", "clone", "alias")]
JUMPING = [n for n in UNARY if n in JUMPS and n != "bitwise_invert"]


def unary(r: Any) -> Any:
    name = r.rng.choice(CONTINUOUS)
    op = REGISTRY[name]
    x = r.pick(lambda x: x.dtype is not cr.bool_) if r.rng.random() < 0.2 else r.floating()
    if x is None:
        return None
    low, high = op.domain
    if x.is_floating_point() and r.rng.random() < 0.8:
        x = x.clamp(float(low), float(high))
    elif not x.is_floating_point():
        x = x.to(cr.int64).clamp(int(max(low, -3)), int(min(high, 3)))
    return op.function(x)


def jumping(r: Any) -> Any:
    x = r.floating(exact=True)
    return None if x is None else REGISTRY[r.rng.choice(JUMPING)].function(x)


def fitting(r: Any, x: Any, exact: bool = False) -> Any:
    """Another tensor that broadcasts with x."""

    def fit(o: Any) -> bool:
        try:
            shape = np.broadcast_shapes(x.shape, o.shape)
        except ValueError:
            return False
        return prod(shape) <= LARGEST

    return r.pick(fit, exact=exact)


def binary(r: Any) -> Any:
    name = r.rng.choice(("add", "subtract", "multiply", "maximum", "minimum", "divide", "atan2"))
    x = r.pick()
    o = fitting(r, x)
    if x.dtype is cr.bool_ and o.dtype is cr.bool_:
        return x ^ o
    if name == "divide":
        return x / (o * o + 0.5)
    if r.rng.random() < 0.2:
        o = r.rng.choice((2, 0.5, -1, 3.25, True))
        return x * o if name == "multiply" else x + o if name == "add" else o - x
    return REGISTRY[name].function(x, o)


def exact_binary(r: Any) -> Any:
    x = r.pick(exact=True)
    o = None if x is None else fitting(r, x, exact=True)
    return None if o is None else r.rng.choice((cr.maximum, cr.minimum))(x, o)


def compare(r: Any) -> Any:
    x = r.pick(exact=True)
    if x is None:
        return None
    o = fitting(r, x, exact=True) if r.rng.random() < 0.7 else r.rng.choice((0, 0.25, 1))
    if o is None:
        return None
    return REGISTRY[r.rng.choice(("eq", "ne", "lt", "le", "gt", "ge"))].function(x, o)


def logical(r: Any) -> Any:
    x = r.pick(lambda x: x.dtype is cr.bool_)
    if x is None:
        return None
    o = r.pick(lambda o: o.dtype is cr.bool_ and o.shape in (x.shape, ()))
    if o is None or r.rng.random() < 0.3:
        return ~x
    return r.rng.choice((cr.logical_and, cr.logical_or, cr.logical_xor, cr.bitwise_and))(x, o)


def integers(r: Any) -> Any:
    x = r.pick(lambda x: not x.is_floating_point() and x.dtype is not cr.bool_)
    if x is None:
        return None
    o = r.rng.choice((2, 3, -4, 7, 1))
    if x.dtype is cr.uint8:
        o = abs(o)
    return r.rng.choice((
        lambda: x // o, lambda: x % o, lambda: x & o, lambda: x | o, lambda: x ^ o,
        lambda: x * o, lambda: x - o, lambda: ~x, lambda: x / o, lambda: abs(x),
        lambda: x ** r.rng.choice((0, 1, 2, 3)), lambda: -x,
    ))()  # fmt: skip


def remainder(r: Any) -> Any:
    x = r.floating(exact=True)
    if x is None:
        return None
    o = r.rng.choice((2.0, -0.5, 0.75))
    return x % o if r.rng.random() < 0.5 else x // o


def power(r: Any) -> Any:
    x = r.floating()
    if x is None:
        return None
    e = r.rng.choice((2, 3, 0.5, -1, 1.7, 0, 4, -2))
    return (x.abs() + 0.1) ** e if r.rng.random() < 0.7 else e ** x.clamp(-3, 3) if e > 0 else x**2


def where(r: Any) -> Any:
    c = r.pick(lambda x: x.dtype is cr.bool_)
    x = r.floating()
    if c is None or x is None:
        return None
    try:
        if prod(np.broadcast_shapes(c.shape, x.shape)) > LARGEST:
            return None
    except ValueError:
        return None
    if r.rng.random() < 0.3 and c.shape == x.shape:
        return x.masked_fill(c, 0.5)
    return cr.where(c, x, r.rng.choice((0.0, x * 2, -1)))


def clamp(r: Any) -> Any:
    x = r.floating()
    return None if x is None else x.clamp(*r.rng.choice(((-0.6, 0.7), (0.1, None), (None, 0.3))))


def cast(r: Any) -> Any:
    x = r.pick()
    to = r.rng.choice((cr.float32, cr.float32, cr.float64, cr.float16))
    return x.to(to)


def cast_exact(r: Any) -> Any:
    x = r.pick(exact=True)
    if x is None:
        return None
    if x.is_floating_point():
        x = x.nan_to_num() if hasattr(x, "nan_to_num") else x
        x = x.clamp(0, 100)
    return x.to(r.rng.choice((cr.int64, cr.int32, cr.int8, cr.uint8, cr.bool_, cr.float32)))


def bf16(r: Any) -> Any:
    x = r.floating(exact=True)
    return None if x is None else x.to(cr.bfloat16).to(cr.float32)


def mean_or_sum(r: Any) -> Any:
    x = r.floating()
    if x is None:
        return None
    dims: Any = None
    if x.ndim and r.rng.random() < 0.8:
        dims = tuple(sorted(r.rng.sample(range(x.ndim), r.rng.randint(1, x.ndim))))
    name = r.rng.choice(("sum", "sum", "mean", "logsumexp", "var", "std"))
    if name == "logsumexp":
        if dims is None or not x.numel():
            return None
        return x.logsumexp(dims, r.rng.random() < 0.5)
    if name in ("var", "std"):
        x = x + r.new(*x.shape, dtype=x.dtype)
        return getattr(cr, name)(x, dims, correction=r.rng.choice((0, 1)), keepdim=True)
    if dims is None:
        return getattr(x, name)()
    return getattr(x, name)(dims, keepdim=r.rng.random() < 0.5)


def reduce_exact(r: Any) -> Any:
    x = r.pick(lambda x: x.ndim and x.numel(), exact=True)
    if x is None:
        return None
    dim, keep = r.dim(x), r.rng.random() < 0.5
    name = r.rng.choice(("amax", "amin", "max", "argmax", "argmin", "any", "all", "min"))
    if x.dtype is cr.bool_ and name not in ("any", "all"):
        x = x.to(cr.int64)
    out = getattr(x, name)(dim, keepdim=keep)
    return [out.values, out.indices] if name in ("max", "min") else out


def prods(r: Any) -> Any:
    x = r.floating()
    if x is None or not x.ndim:
        return None
    return x.clamp(-1.5, 1.5).prod(r.dim(x))


def cumulative(r: Any) -> Any:
    x = r.floating()
    if x is None or not x.ndim:
        return None
    return x.cumsum(r.dim(x)) if r.rng.random() < 0.7 else x.clamp(-1.2, 1.2).cumprod(r.dim(x))


def ordering(r: Any) -> Any:
    x = r.floating(exact=True)
    if x is None or not x.ndim or not x.numel():
        return None
    kind, dim = r.rng.random(), r.dim(x)
    if kind < 0.4:
        out = x.sort(dim, descending=r.rng.random() < 0.5)
        return [out.values, out.indices]
    if kind < 0.6:
        return x.argsort(dim)
    out = x.topk(r.rng.randint(1, x.shape[dim]), dim)
    return [out.values, out.indices]


def softmax(r: Any) -> Any:
    x = r.floating()
    if x is None or not x.ndim:
        return None
    return r.rng.choice((cr.softmax, cr.log_softmax, cr.softmin))(x, r.dim(x))


# ---- moves ----


def reshape(r: Any) -> Any:
    x = r.pick()
    n = x.numel()
    options = [(-1,), (*x.shape, 1), (1, *x.shape)] if n else [(*x.shape, 1)]
    if x.ndim > 1:
        options += [(x.shape[0] * x.shape[1], *x.shape[2:]), (x.shape[0], prod(x.shape[1:]))]
    for k in (2, 3, 4):
        if n and n % k == 0:
            options += [(k, n // k), (n // k, k)]
        if x.ndim and n and x.shape[-1] % k == 0:
            options += [(*x.shape[:-1], x.shape[-1] // k, k)]
    return x.reshape(r.rng.choice(options))


def permute(r: Any) -> Any:
    x = r.pick(lambda x: x.ndim > 1)
    if x is None:
        return None
    axes = list(range(x.ndim))
    r.rng.shuffle(axes)
    return x.permute(*axes)


def expand(r: Any) -> Any:
    x = r.pick(lambda x: x.numel() * 5 <= LARGEST)
    if x is None:
        return None
    if r.rng.random() < 0.5:
        shape = [r.rng.choice((2, 3, 5)) if n == 1 and r.rng.random() < 0.7 else n for n in x.shape]
        return x.expand(*shape) if prod(shape) <= LARGEST else None
    x = x.unsqueeze(r.rng.randint(0, x.ndim))
    return x.expand(*[r.rng.choice((1, 4)) if n == 1 else n for n in x.shape])


def squeeze(r: Any) -> Any:
    return r.pick().squeeze()


def piece(r: Any) -> Any:
    """A view by basic indexing."""
    x = r.pick(lambda x: x.ndim)
    if x is None:
        return None
    key: list[Any] = []
    for n in x.shape:
        a, b = sorted((r.rng.randint(-n, n), r.rng.randint(-n, n)))
        key.append(r.rng.choice((
            slice(None), slice(None), slice(a, b), slice(None, None, 2), slice(1, None, 3),
            slice(None, None, -1), slice(None, -1), None if len(key) < 2 else slice(None),
            r.rng.randrange(-n, n) if n else slice(None),
        )))  # fmt: skip
    if r.rng.random() < 0.3:
        key = [Ellipsis, *key[-1:]] if None not in key[-1:] else key
    return x[tuple(key)]


def cat(r: Any) -> Any:
    x = r.pick(lambda x: x.ndim)
    if x is None:
        return None
    dim = r.dim(x)
    rest = list(x.shape)
    del rest[dim]

    def fit(o: Any) -> bool:
        shape = list(o.shape)
        if len(shape) != x.ndim:
            return False
        del shape[dim]
        return shape == rest

    others = [r.pick(fit) for _ in range(r.rng.randint(1, 3))]
    if r.rng.random() < 0.3:
        return cr.stack([x, x, x.flip(0)], dim)
    out = cr.cat([x, *others], dim)
    return out


def pad(r: Any) -> Any:
    x = r.pick(lambda x: x.ndim and x.dtype is not cr.bool_)
    if x is None:
        return None
    n = r.rng.randint(1, min(x.ndim, 3))
    width = [r.rng.choice((0, 0, 1, 2, -1)) for _ in range(2 * n)]
    if any(x.shape[-1 - k] + min(width[2 * k], 0) + min(width[2 * k + 1], 0) < 1 for k in range(n)):
        return None
    return F.pad(x, width, value=r.rng.choice((0, 1.5 if x.is_floating_point() else 2)))


def shift(r: Any) -> Any:
    x = r.pick(lambda x: x.ndim)
    if x is None:
        return None
    return r.rng.choice((
        lambda: x.flip(r.dim(x)), lambda: x.roll(r.rng.randint(-3, 3), r.dim(x)),
        lambda: x.repeat(2, *[1] * (x.ndim - 1)), lambda: x.unsqueeze(r.rng.randint(0, x.ndim)),
        lambda: list(x.chunk(2, r.dim(x))),
        lambda: x.tril(r.rng.randint(-1, 1)) if x.ndim > 1 else x.clone(),
    ))()  # fmt: skip


_spec = importlib.util.spec_from_file_location(
    "steps_of_layers", Path(__file__).with_name("steps_of_layers.py")
)
layers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(layers)

STEPS = {
    f.__name__: f
    for f in (
        unary, jumping, binary, exact_binary, compare, logical, integers, remainder, power,
        where, clamp, cast, cast_exact, bf16, mean_or_sum, reduce_exact, prods, cumulative,
        ordering, softmax, reshape, permute, expand, squeeze, piece, cat, pad, shift,
        *layers.LAYERS,
    )
}  # fmt: skip
WEIGHTS = {
    "unary": 6, "binary": 8, "mean_or_sum": 5, "reshape": 4, "permute": 4, "expand": 3, "piece": 4,
    "cat": 3, "softmax": 3, "matmul": 5, "conv": 5, "pool": 4, "norm": 4, "loss": 3, "sampled": 4,
    "bf16": 1, "power": 1, "squeeze": 1, "remainder": 1, "recurrent": 1,
}  # fmt: skip
# Results are exact if what they are made of is.
EXACT = {
    "jumping", "exact_binary", "compare", "logical", "integers", "where", "clamp", "cast_exact",
    "reduce_exact", "ordering", "reshape", "permute", "expand", "squeeze", "piece", "cat", "pad",
    "shift", "take", "take_by", "gather", "embedding", "bf16",
}  # fmt: skip
