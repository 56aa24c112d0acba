"""Joining and splitting by rows, columns and depth, under the names that NumPy gave them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.shapes import normalize_axis
from chainrule.base.text import t
from chainrule.graph.convert import array_of
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply
from chainrule.ops.op import REGISTRY
from chainrule.ops.register import FUNCTIONS, function
from chainrule.ops.views import narrow, split

# ---- at least so many axes ------------------------------------------------------------------


def _each(tensors: tuple[Any, ...], lift: Any) -> Any:
    """`lift` of the one tensor that was given, or of all of them."""
    if len(tensors) == 1:
        one = tensors[0]
        return tuple(map(lift, one)) if isinstance(one, tuple | list) else lift(one)
    return tuple(map(lift, tensors))


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else Tensor(array_of(x))


def _one(x: Any) -> Tensor:
    x = _tensor(x)
    return x if x.ndim else x.reshape(1)


def _two(x: Any) -> Tensor:
    x = _tensor(x)
    return x if x.ndim > 1 else x.reshape(1, -1)


def _three(x: Any) -> Tensor:
    x = _two(x)
    return x if x.ndim > 2 else x.unsqueeze(-1)


@function()
def atleast_1d(*tensors: Any) -> Any:
    """Tensors with at least one axis; several give a tuple."""
    return _each(tensors, _one)


@function()
def atleast_2d(*tensors: Any) -> Any:
    """Tensors with at least two axes, new ones in front: (n) → (1, n)."""
    return _each(tensors, _two)


@function()
def atleast_3d(*tensors: Any) -> Any:
    """Tensors with at least three axes: (n) → (1, n, 1), (m, n) → (m, n, 1)."""
    return _each(tensors, _three)


# ---- joining --------------------------------------------------------------------------------


def _join(name: str, tensors: Sequence[Tensor], dim: int) -> Tensor:
    if not isinstance(tensors, tuple | list) or not tensors:
        raise ArgumentError(t("{name} needs a list of tensors, at least one.", name=name))
    return apply(REGISTRY["cat"], *tensors, dim=dim)


@function()
def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined side by side: along axis 1, vectors along axis 0."""
    parts = [_one(x) for x in tensors]
    return _join("hstack", parts, 0 if parts and parts[0].ndim == 1 else 1)


@function()
def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined one below the other: along axis 0, vectors as rows."""
    return _join("vstack", [_two(x) for x in tensors], 0)


@function()
def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined in depth: along axis 2."""
    return _join("dstack", [_three(x) for x in tensors], 2)


@function()
def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along axis 1, vectors as columns."""
    return _join("column_stack", [x.reshape(-1, 1) if x.ndim < 2 else x for x in tensors], 1)


# ---- splitting ------------------------------------------------------------------------------


def _either(name: str, *choices: Any) -> Any:
    given = [v for v in choices if v is not None]
    if len(given) != 1:
        raise ArgumentError(t("{name} takes either indices or sections.", name=name))
    return given[0]


@function("tensor_split")
def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: int = 0, *, indices: Any = None,
    sections: Any = None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Views of parts along `dim`: so many nearly equal ones, or cut before the indices listed."""
    cuts = _either("tensor_split", indices_or_sections, indices, sections)
    if not input.ndim:
        raise ShapeError(t("{name} needs at least {n} axes, got shape {x}.",
                           name="tensor_split", n=1, x=input.shape))  # fmt: skip
    n = input.shape[normalize_axis(dim, input.ndim)]
    if isinstance(cuts, Tensor):
        cuts = cuts.tolist()
    if isinstance(cuts, int):
        if cuts < 1:
            raise ArgumentError(t("tensor_split: sections must be ≥ 1, got {n}.", n=cuts))
        small, larger = divmod(n, cuts)
        sizes = [small + 1] * larger + [small] * (cuts - larger)
        return split(input, sizes, dim)
    bounds = [0, *(slice(0, c).indices(n)[1] for c in cuts), n]
    return tuple(
        narrow(input, dim, a, max(b - a, 0)) for a, b in zip(bounds, bounds[1:], strict=False)
    )


@function("split_with_sizes")
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> Any:
    """Views of consecutive parts along `dim`, of the sizes listed."""
    return split(input, list(split_sizes), dim)


def _cut(name: str, x: Tensor, cuts: Any, dim: int, least: int) -> tuple[Tensor, ...]:
    if x.ndim < least:
        raise ShapeError(
            t("{name} needs at least {n} axes, got shape {x}.", name=name, n=least, x=x.shape)
        )
    if isinstance(cuts, int) and (cuts < 1 or x.shape[dim] % cuts):
        raise ArgumentError(
            t(
                "{name}: {n} entries along axis {axis} do not make {k} equal parts.",
                name=name,
                n=x.shape[dim],
                axis=dim,
                k=cuts,
            )
        )
    return tensor_split(x, cuts, dim)


@function("hsplit")
def hsplit(
    input: Tensor, indices_or_sections: Any = None, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """Equal parts, or cuts, along axis 1 (of vectors: axis 0)."""
    cuts = _either("hsplit", indices_or_sections, indices, sections)
    return _cut("hsplit", input, cuts, 0 if input.ndim == 1 else 1, 1)


@function("vsplit")
def vsplit(
    input: Tensor, indices_or_sections: Any = None, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """Equal parts, or cuts, along axis 0."""
    cuts = _either("vsplit", indices_or_sections, indices, sections)
    return _cut("vsplit", input, cuts, 0, 2)


@function("dsplit")
def dsplit(
    input: Tensor, indices_or_sections: Any = None, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """Equal parts, or cuts, along axis 2."""
    cuts = _either("dsplit", indices_or_sections, indices, sections)
    return _cut("dsplit", input, cuts, 2, 3)


FUNCTIONS.update(row_stack=vstack)
