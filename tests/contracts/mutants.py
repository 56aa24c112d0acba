"""Thirty wrong operations: real ones with one deliberate mistake each."""

from __future__ import annotations

from itertools import count
from typing import Any, NamedTuple

import numpy as np

from chainrule.graph.tensor import Tensor
from chainrule.ops.namespace import Namespace
from chainrule.ops.op import REGISTRY, Op, op


class Mutant(NamedTuple):
    """`base` with `changes`; `caught`: the checks that must each, by itself, catch it."""

    mistake: str
    base: str
    changes: dict[str, Any]
    caught: tuple[str, ...]


def build(mutant: Mutant) -> type[Op]:
    """The wrong operation: registered as all operations are, then forgotten."""
    base = REGISTRY[mutant.base]
    fields = {
        "__doc__": base.__doc__, "name": f"wrong_{mutant.base}", "forward": base.forward,
        "vjp": base.vjp, "method": False, "inplace": base.inplace, "aliases": (), "dunder": (),
    } | mutant.changes  # fmt: skip
    if "samples" not in fields and base.samples is not None:
        fields["samples"] = base.samples
    wrong = type(base)(base.__name__, (base,), fields)
    try:
        return op(wrong)
    finally:
        REGISTRY.pop(wrong.name, None)
        Namespace.composites.pop(wrong.name, None)


def plain_backward(cls, F, node, grads, saved):
    """Elementwise.backward without the sum back to the inputs' shapes."""
    n = len(node.edges)
    return list(cls.vjp(F, grads, saved[n], *saved[:n], **node.params))


def spread_backward(cls, F, node, grads, saved):
    """The gradient of a broadcast input taken from one place instead of summed over all."""
    n = len(node.edges)
    out = []
    for r, x in zip(cls.vjp(F, grads, saved[n], *saved[:n], **node.params), saved, strict=False):
        r = r() if callable(r) and not hasattr(r, "shape") else r
        if x is not None and x.shape != r.shape:
            first = (0,) * (len(r.shape) - len(x.shape)) + tuple(
                slice(0, 1) if m == 1 else slice(None) for m in x.shape
            )
            r = F.slice(r, first)
        out.append(r)
    return out


def scaled_in_place(F, g, y, x):
    if isinstance(g, np.ndarray):
        g *= 1 - y * y
        return (g,)
    return (g * (1 - y * y),)


def constant_slope(F, g, y, x):
    # The right number, cut off from its history.
    slope = y._data if isinstance(y, Tensor) else y
    return (g * (Tensor(1 - slope * slope) if isinstance(g, Tensor) else 1 - slope * slope),)


def as_float32(F, g, y, x):
    return (F.astype(F.astype(g * F.cos(x), "float32"), "float64"),)


def widened(F, x):
    y = F.sin(x)
    return F.astype(y, "float64")


_calls = count()


def drifting(F, x):
    return F.exp(x) * (1 + 1e-12 * next(_calls))


def add_one_in_place(F, x):
    y = F.exp(x)
    if isinstance(x, np.ndarray) and x.flags.writeable and x.ndim:
        x += 1e-3
    return y


def matmul_wrong(which):
    right = REGISTRY["matmul"].vjp

    def vjp(F, g, y, x, o):
        if len(x.shape) != 2 or len(o.shape) != 2:
            return right(F, g, y, x, o)
        a = F.matmul(g, F.matrix_transpose(o))
        b = F.matmul(F.matrix_transpose(x), g)
        if which == "untransposed":
            a = F.reshape(F.matrix_transpose(a), x.shape)
        else:
            b = F.reshape(F.matmul(F.matrix_transpose(g), x), o.shape)
        return a, b

    return vjp


def shifted_slices(F, g, y, *x, dim):
    axis = dim % len(g.shape)
    parts, start = [], 1
    for v in x:
        n = v.shape[axis]
        begin = min(start, g.shape[axis] - n)
        parts.append((slice(None),) * axis + (slice(begin, begin + n),))
        start += n
    return tuple(F.slice(g, key) for key in parts)


def overwriting(F, g, y, index, weight, *, padding_idx):
    # Written, not added: of a row used twice, one gradient is lost.
    zeros = F.full(weight.shape, 0, g.dtype)
    return None, lambda: F.put(zeros, ("array",), g, index)


MUTANTS = [
    Mutant("sign", "negative", {"vjp": lambda F, g, y, x: (g,)}, ("gradient", "chain rule")),
    Mutant("sign of the second input", "subtract", {"vjp": lambda F, g, y, x, o: (g, g)},
           ("gradient",)),
    Mutant("lost factor 2", "square", {"vjp": lambda F, g, y, x: (g * x,)},
           ("gradient", "chain rule")),
    Mutant("lost g", "exp", {"vjp": lambda F, g, y, x: (y,)}, ("gradient",)),
    Mutant("lost inner derivative", "sigmoid", {"vjp": lambda F, g, y, x: (g * y,)},
           ("gradient", "chain rule")),
    Mutant("lost term", "silu",
           {"vjp": lambda F, g, y, x: (g * F.sigmoid(x),), "saves": ("x",)},
           ("gradient", "chain rule")),
    Mutant("swapped inputs", "multiply", {"vjp": lambda F, g, y, x, o: (g * x, g * o),
                                          "saves": ("x", "o")}, ("gradient",)),
    Mutant("missing un-broadcast", "multiply", {"backward": classmethod(plain_backward),
           "vjp": lambda F, g, y, x, o: (g * o, g * x), "saves": ("x", "o")},
           ("gradient", "broadcasting")),
    Mutant("one place instead of the sum", "multiply", {"backward": classmethod(spread_backward),
           "vjp": lambda F, g, y, x, o: (g * o, g * x), "saves": ("x", "o")},
           ("gradient", "broadcasting")),
    Mutant("wrong axis", "cumsum",
           {"vjp": lambda F, g, y, x, *, dim, dtype:
            (F.cumulative_sum(g, 0) if g.shape else g,)},
           ("gradient",)),
    Mutant("running the wrong way", "cumsum",
           {"vjp": lambda F, g, y, x, *, dim, dtype:
            (F.cumulative_sum(g, dim % len(g.shape)) if g.shape else g,)}, ("gradient",)),
    Mutant("transposed back the same way", "permute",
           {"vjp": lambda F, g, y, x, *, dims:
            (F.reshape(F.permute_dims(g, tuple(d % len(dims) for d in dims)), x.shape),)},
           ("gradient",)),
    Mutant("untransposed left factor", "matmul", {"vjp": matmul_wrong("untransposed"),
           "saves": ("x", "o")}, ("gradient",)),
    Mutant("transposed right factor", "matmul", {"vjp": matmul_wrong("transposed"),
           "saves": ("x", "o")}, ("gradient",)),
    Mutant("off-by-one slices", "cat", {"vjp": shifted_slices}, ("gradient",)),
    Mutant("detached second derivative", "tanh", {"vjp": constant_slope}, ("gradient2",)),
    Mutant("wrong kink", "abs",
           {"vjp": lambda F, g, y, x: (g / F.sign(x),), "edges": (0.0,)}, ("edges",)),
    Mutant("gradient beyond the kink", "relu",
           {"vjp": lambda F, g, y, x: (g * F.astype(F.greater(x, -1.0), g.dtype),),
            "saves": ("x",)}, ("gradient", "chain rule")),
    Mutant("forgotten 1/n", "mean",
           {"vjp": lambda F, g, y, x, *, dim, keepdim, dtype:
            (F.broadcast_to(g if keepdim else F.keep(g, dim, x.shape), x.shape),)},
           ("gradient", "chain rule")),
    Mutant("wrong mask", "where",
           {"vjp": lambda F, g, y, c, x, o: (None, F.where(c, F.zeros_like(g), g),
                                             F.where(c, g, F.zeros_like(g)))}, ("gradient",)),
    Mutant("scale of the dropped forgotten", "masked_scale",
           {"vjp": lambda F, g, y, x, mask, *, p: (F.where(mask, g, F.zeros_like(g)), None),
            "samples": None}, ("gradient", "chain rule")),
    Mutant("repeats overwrite", "embedding", {"vjp": overwriting, "samples": None},
           ("gradient",)),
    Mutant("saves too little", "log", {"saves": ()}, ("gradient", "saved values")),
    Mutant("saves too much", "sigmoid", {"saves": ("x", "y")}, ("saves no more",)),
    Mutant("g changed in place", "tanh", {"vjp": scaled_in_place}, ("purity",)),
    Mutant("input changed in place", "exp", {"forward": add_one_in_place, "saves": ("y",)},
           ("purity",)),
    Mutant("returns an alias", "relu",
           {"forward": lambda F, x: F.reshape(x, x.shape), "domain": (0.1, 3.0)}, ("aliasing",)),
    Mutant("gradient through float32", "sin", {"vjp": as_float32}, ("chain rule",)),
    Mutant("wrong dtype out", "sin", {"forward": widened}, ("float32",)),
    Mutant("overflow at the edge", "softplus",
           {"forward": lambda F, x, *, beta, threshold: F.log(1 + F.exp(beta * x)) / beta},
           ("edges",)),
    Mutant("state kept between calls", "exp", {"forward": drifting, "saves": ("y",)}, ("purity",)),
    Mutant("a param forgotten in the backward", "leaky_relu",
           {"vjp": lambda F, g, y, x, *, negative_slope:
            (F.where(F.greater(x, 0), g, 0.01 * g),)}, ("gradient", "chain rule")),
    Mutant("wrong shape rule", "sum", {"shape": staticmethod(lambda shapes, params: ())},
           ("wrong shapes",)),
]  # fmt: skip
