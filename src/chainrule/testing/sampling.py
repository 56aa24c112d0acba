"""Inputs for checks, drawn from an operation's own fields: domain, samples, params.

A sample is written `(shape, …)` or `((shape, …), {params})`. In the place of a shape may stand an
array (indices, targets, masks: taken as it is) or None (an optional input left out).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any
from zlib import crc32

import numpy as np

from chainrule.base import constraints
from chainrule.base.dtypes import float64
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.ops.arrays.index import HOLE
from chainrule.ops.dispatch import View
from chainrule.ops.op import REGISTRY, Elementwise, Op

# Shapes of the inputs of elementwise operations: equal, broadcast both ways, 0-d.
_ONE: list[Any] = [((3, 4),), ((),), ((2, 1, 3),)]
_TWO: list[Any] = [
    ((3, 4), (3, 4)), ((3, 4), (4,)), ((3, 1), (1, 4)), ((), (2, 3)), ((2, 3), ()),
    ((2, 1, 3), (4, 1)), ((), ()),
]  # fmt: skip
_THREE: list[Any] = [
    ((3, 4), (3, 4), (3, 4)),
    ((4,), (3, 1), (3, 4)),
    ((3, 4), (), ()),
    ((3, 1), (4,), ()),
]

# Shapes for operations of one tensor that take an axis.
_ALONG: list[Any] = [((3, 4),), ((2, 3, 2),), ((),)]


@dataclass(frozen=True)
class Sample:
    """Inputs (arrays; None where one is left out) and valid params of one call; `drawn`: the
    places of the inputs that hold numbers drawn from their domain."""

    inputs: tuple[np.ndarray | None, ...]
    params: dict[str, Any] = field(default_factory=dict)
    drawn: tuple[int, ...] = ()

    def differentiable(self, op: type[Op]) -> list[int]:
        """The places of the inputs that can have a gradient."""
        names = op.per_input(op.inputs, len(self.inputs))
        return [
            i
            for i, (x, name) in enumerate(zip(self.inputs, names, strict=True))
            if x is not None and x.dtype.kind == "f" and name not in op.integers
        ]

    def replace(self, i: int, x: np.ndarray) -> Sample:
        """The sample with another array as input `i`."""
        return Sample((*self.inputs[:i], x, *self.inputs[i + 1 :]), self.params, self.drawn)

    def describe(self, op: type[Op]) -> str:
        """`x float64 (2, 3), o float64 (3,); dim=1`."""
        names = op.per_input(op.inputs, len(self.inputs))
        words = [
            f"{name} {'None' if x is None else f'{x.dtype} {x.shape}'}"
            for name, x in zip(names, self.inputs, strict=True)
        ]
        return ", ".join(words) + "".join(f"; {k}={v!r}" for k, v in self.params.items())


def samples_of(op: type[Op], samples: Sequence[Any] | None = None) -> list[Sample]:
    """The samples of an operation: those given, its own, or ones derived from its fields.

    Errors: ArgumentError for an operation whose inputs cannot be derived and are not given.
    """
    if samples is None:
        samples = op.samples or _indexed(op) or _derived(op)
    samples = list(samples() if callable(samples) else samples)
    if not samples:
        raise ArgumentError(
            t(
                "{op} has no samples to be tested with: give it `samples`, tuples of "
                "(shapes) or ((shapes), {{params}}).",
                op=op.name,
            )
        )
    return [_drawn(op, entry, number) for number, entry in enumerate(samples)]


def _drawn(op: type[Op], entry: Any, number: int) -> Sample:
    if isinstance(entry, Sample):
        return entry
    given: dict[str, Any] = {}
    shapes: Any = entry
    if len(entry) == 2 and isinstance(entry[1], dict):
        shapes, given = entry
    rng = np.random.default_rng([crc32(op.name.encode()), number])
    names = op.per_input(op.inputs, len(shapes))
    inputs = tuple(draw(op, name, s, rng) for name, s in zip(names, shapes, strict=True))
    drawn = tuple(
        i for i, s in enumerate(shapes) if s is not None and not isinstance(s, np.ndarray)
    )
    return Sample(inputs, op.validate(dict(given)), drawn)


def more_samples(op: type[Op], samples: list[Sample], least: int) -> list[Sample]:
    """The samples, and copies with other numbers until there are `least`, if any were drawn."""
    out = list(samples)
    again = [sample for sample in samples if sample.drawn]
    for number in range(least - len(samples) if again else 0):
        sample = again[number % len(again)]
        rng = np.random.default_rng([crc32(op.name.encode()), len(samples) + number])
        names = op.per_input(op.inputs, len(sample.inputs))
        inputs = list(sample.inputs)
        for i in sample.drawn:
            inputs[i] = draw(op, names[i], np.asarray(inputs[i]).shape, rng)
        out.append(Sample(tuple(inputs), sample.params, sample.drawn))
    return out


def draw(op: type[Op], name: str, shape: Any, rng: np.random.Generator) -> Any:
    """Numbers from the domain of input `name`; an array or None stays what it is."""
    if shape is None or isinstance(shape, np.ndarray):
        return shape
    if name in op.integers:
        return rng.random(shape) < 0.5 if issubclass(op, Elementwise) else rng.integers(0, 2, shape)
    low, high = op.domains.get(name, op.domain)
    if isinstance(low, int) and isinstance(high, int):
        return rng.integers(low, high, shape)
    x = np.asarray(rng.uniform(low, high, shape))
    # Equal entries and zeros are what comparisons are about.
    return x if op.differentiable else np.round(2 * x) / 2


def _indexed(op: type[Op]) -> Any:
    names = (c.name for c in op.__mro__ if issubclass(c, Op))
    return next((_WITH_INDICES[name] for name in names if name in _WITH_INDICES), None)


# ---- samples derived from the fields --------------------------------------------------------


def _derived(op: type[Op]) -> list[Any]:
    if issubclass(op, Elementwise):
        n = len(op.inputs)
        shapes: list[Any] = {1: _ONE, 2: _TWO, 3: _THREE}.get(n, [((3, 4),) * n])
    elif len(op.inputs) == 1 and not op.variadic:
        shapes = _ALONG
    else:
        return []
    choices = _param_choices(op)
    if choices is None:
        return []
    first, *others = choices
    found = [(s, first) for s in shapes]
    return found + [(s, params) for params in others for s in shapes if _fits(params, s[0])]


def _fits(params: dict[str, Any], shape: tuple[int, ...]) -> bool:
    dims = params.get("dim")
    return not isinstance(dims, tuple) or len(dims) <= len(shape)


def _param_choices(op: type[Op]) -> list[dict[str, Any]] | None:
    """The defaults, then every choice of one param that the constraints suggest."""
    choices = {name: _values(name, constraint) for name, constraint in op.params.items()}
    base = {}
    for name, constraint in op.params.items():
        if constraint.default is constraints.REQUIRED:
            if not choices[name]:
                return None
            base[name] = choices[name][0]
        else:
            base[name] = constraint.default
    out = [base]
    for name, values in choices.items():
        out += [base | {name: v} for v in values if not same(v, base[name])]
    several = [n for n in choices if len(choices[n]) > 1]
    if len(several) > 1:
        # Params together, too: what one does may depend on another.
        pairs = product(*(choices[n][-2:] for n in several))
        out += [base | dict(zip(several, pair, strict=True)) for pair in islice(pairs, 8)]
    return out


def same(a: Any, b: Any) -> bool:
    """Equal, and of one type: 1, 1.0 and True are three params."""
    return type(a) is type(b) and a == b


def _values(name: str, constraint: constraints.Constraint) -> list[Any]:
    if isinstance(constraint, constraints.Optional):
        return [None, *_values(name, constraint.inner)]
    if constraint.samples:
        return list(constraint.samples)
    if isinstance(constraint, constraints.DTypeOf):
        return [float64]
    if name in ("dim", "dims"):
        return [(0,), (-1,), (0, 1)] if isinstance(constraint, constraints.Ints) else [0, -1]
    if isinstance(constraint, constraints.Number) and constraint.default not in (None, 0):
        default = constraint.default
        return [] if default is constraints.REQUIRED else [default]
    return []


# ---- operations on indices and masks --------------------------------------------------------


def _ints(values: Any) -> np.ndarray:
    return np.array(values, np.int64)


_REPEATED = _ints([2, 0, 2, 1])
_GRID = _ints([[0, 2, 1, 0], [1, 1, 0, 2]])
_MASK = np.array([[True, False, True, False], [False, False, True, True], [True, True, True, True]])
_WHOLE = slice(None)

_WITH_INDICES: dict[str, Any] = {
    "index": (
        (((3, 4), _REPEATED), {"key": (HOLE,)}),
        (((2, 3, 4), _REPEATED), {"key": (_WHOLE, HOLE)}),
        (((3, 4), _REPEATED, _ints([3, 3, 3, 0])), {"key": (HOLE, HOLE)}),
        (((3, 2, 4), _ints([0, 2]), _ints([[1], [1]])), {"key": (HOLE, _WHOLE, HOLE)}),
    ),
    "index_adjoint": (
        (((4, 4), _REPEATED), {"key": (HOLE,), "size": (3, 4)}),
        (((2, 4, 4), _REPEATED), {"key": (_WHOLE, HOLE), "size": (2, 3, 4)}),
    ),
    "index_put": (
        (((3, 4), (2, 4), _ints([2, 0])), {"key": (HOLE,), "accumulate": False}),
        (((3, 4), (), _ints([2, 0])), {"key": (HOLE,), "accumulate": False}),
        (((3, 4), (4, 4), _REPEATED), {"key": (HOLE,), "accumulate": True}),
        (((3, 4), (4,), _REPEATED), {"key": (HOLE,), "accumulate": True}),
    ),
    "take_along_dim": (
        (((3, 4), _GRID), {"dim": 0}),
        (((2, 3), _GRID), {"dim": 1}),
    ),
    "put_along_dim_add": (
        (((2, 4), _GRID), {"dim": 0, "size": 3}),
        (((2, 4), _GRID), {"dim": 1, "size": 3}),
    ),
    "gather": (
        (((3, 4), _GRID), {"dim": 0}),
        (((5, 3), _GRID), {"dim": 1}),
        (((3,), _REPEATED), {"dim": -1}),
    ),
    "scatter_add": (
        (((3, 4), _GRID, (2, 4)), {"dim": 0}),
        (((3, 5), _GRID, (2, 4)), {"dim": 1}),
    ),
    "index_select": (
        (((3, 4), _REPEATED), {"dim": 0}),
        (((4, 3), _REPEATED), {"dim": -1}),
    ),
    "masked_fill": ((((3, 4), _MASK), {"value": 0.5}), (((2, 3, 4), _MASK), {"value": -1.0})),
    "masked_scale": ((((3, 4), _MASK), {"p": 0.25}), (((3, 4), _MASK), {})),
    "embedding": (
        ((_REPEATED, (3, 4)), {}),
        ((_ints([[2, 0], [0, 2]]), (3, 2)), {"padding_idx": 1}),
        ((_ints(1), (3, 2)), {}),
    ),
    "nll_loss": (
        (((4, 3), _REPEATED, None), {}),
        (((4, 3), _REPEATED, (3,)), {"reduction": "sum"}),
        (((4, 3), _REPEATED, np.array([0.5, 1.0, 2.0])), {"reduction": "none"}),
        (((2, 3, 2), _ints([[0, 2], [1, 1]]), np.array([0.5, 1.0, 2.0])), {"ignore_index": 1}),
        (((3,), _ints(2), None), {}),
    ),
    "softmax_cross_entropy": (
        (((4, 3), _REPEATED), {}),
        (((4, 3), _REPEATED), {"reduction": "sum", "ignore_index": 0}),
        (((2, 3, 2), _ints([[0, 2], [1, 1]])), {"reduction": "none"}),
        (((3,), _ints(2)), {}),
    ),
    "max_unpool": (
        (((1, 2, 2, 2), _ints([[[[0, 3], [9, 10]], [[5, 2], [8, 15]]]])), {"size": (4, 4)}),
        (((2, 3), _ints([[0, 2, 5], [1, 3, 4]])), {"size": (6,)}),
    ),
    "cast": ((((3, 4),), {"dtype": "float64"}), (((3, 4),), {"dtype": "float32"})),
    "view_write": lambda: (
        (((3, 4), (2, 4)), {"view": (View(REGISTRY["slice"]), {"key": (slice(1, 3),)})}),
        (((3, 4), (4, 3)), {"view": (View(REGISTRY["permute"]), {"dims": (1, 0)})}),
        (((3, 4), (2, 6)), {"view": (View(REGISTRY["reshape"]), {"shape": (2, 6)})}),
    ),
}
