"""Single entries worked for a page: for cells of a picture the numbers of formula and gradient.

A cell of a preview stands for one entry, or for a block of them; of a block the entry is worked
whose gradient weighs most. Only numbers are kept; formulas are put together where they are shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.explain.explanation import again
from chainrule.explain.explanation.data import SIDE, plane_axes, plane_of
from chainrule.explain.explanation.entries import Place, contributions
from chainrule.explain.explanation.formulas import entry_values, evaluated, tree_of, written
from chainrule.explain.explanation.graph import Array, Step, Use
from chainrule.explain.worksheet.syntax import Expression, names_in
from chainrule.ops.convolution import convolution_plan
from chainrule.ops.op import Elementwise

if TYPE_CHECKING:
    from chainrule.explain.explanation.explanation import Explanation

WORK = 40_000_000  # numbers that may be read for all cells of a page
CELLS = SIDE * SIDE
TERMS = 4  # terms of a sum that are kept
_LOOPS = 40  # a term found in a loop costs about as much as so many numbers read at once


def cells(explanation: Explanation) -> dict[str, Any]:
    """By id of a step `{"template", "cells"}`.

    `template`: the formula in LaTeX with holes ⟨0⟩, ⟨1⟩ … where the numbers of an entry go, or
    None. A cell: `[row, column, place, value, gradient, forward, backward]`. `forward` is None, the
    numbers for the holes, or a sum; `backward`, the terms upstream × local, is None or a sum.
    A sum: `{"terms": [[factor, factor, step], …], "count", "rest", "plus"}`: the largest terms, how
    many there are, the sum of the others, what is added to it.
    """
    return cells_of(explanation.steps)


def cells_of(
    steps: Sequence[Step], side: int = SIDE, most: int = CELLS, work: int = WORK
) -> dict[str, Any]:
    """The cells of some steps, for previews of `side` rows and columns. `most`: so many of each,
    those with the largest gradient; `work`: numbers that may be read for all of them."""
    share = work // max(len(steps), 1)
    jacobians = again.Jacobians()
    out = {}
    for step in steps:
        result = step.outputs[0]
        if result.value is None or result.value.dtype.kind not in "fiu" or not result.value.size:
            continue
        out[step.id] = _Worker(step, share, jacobians).found(side, most)
    return out


class _Worker:
    """Works the cells of one step."""

    def __init__(self, step: Step, share: int, jacobians: again.Jacobians) -> None:
        self.step = step
        self.share = share
        self.result = step.outputs[0]
        self.tree = tree_of(step) if step.kind == "operation" else None
        self.locals: dict[int, list[Array | None]] = {}
        self.jacobians = jacobians

    def found(self, side: int, most: int) -> dict[str, Any]:
        template, holes = self._template()
        cost = sum(map(_cost, self.result.uses))
        backward = min(most, max(1, self.share // max(cost, 1)))
        worked: list[list[Any]] = []
        value, gradient = self.result.value, self.result.gradient
        assert value is not None
        for row, column, place in _places(value, gradient, side)[:most]:
            back = self._backward(place) if len(worked) < backward else None
            forward: Any = self._put_in(place, holes) if template else self._product(place)
            worked.append([
                row, column, list(place), _short(value[place]),
                None if gradient is None else _short(gradient[place]), forward, back,
            ])  # fmt: skip
        return {"template": template, "cells": worked}

    # ---- the value -----------------------------------------------------------------------------

    def _template(self) -> tuple[str | None, list[str]]:
        if self.tree is None:
            return None, []
        holes = _ordered(self.tree, [x.name for x in self.step.inputs])
        return written(self.tree, {name: f"⟨{k}⟩" for k, name in enumerate(holes)}).latex, holes

    def _put_in(self, place: Place, holes: list[str]) -> list[Any] | None:
        values = entry_values(self.step, place)
        assert self.tree is not None and self.result.value is not None
        found = None if values is None else evaluated(self.tree, values)
        if values is None or found is None:
            return None
        if not np.isclose(found, self.result.value[place], 1e-3, 1e-6, equal_nan=True):
            return None
        return [_short(values[name]) for name in holes]

    def _product(self, place: Place) -> dict[str, Any] | None:
        """The terms of a matrix product or a convolution."""
        step = self.step
        arrays = [x.value for x in step.inputs]
        if step.kind != "operation" or not all(isinstance(a, np.ndarray) for a in arrays[:2]):
            return None
        bias = arrays[2] if len(arrays) > 2 and isinstance(arrays[2], np.ndarray) else None
        if step.op_name == "linear":
            a, b = arrays[0][place[:-1]], arrays[1][place[-1]]
            return _sum(a, b, None if bias is None else bias[place[-1]])
        if step.op_name == "matmul" and arrays[0].ndim == arrays[1].ndim == 2:
            return _sum(arrays[0][place[0]], arrays[1][:, place[1]], None)
        if step.op_name in ("conv1d", "conv2d", "conv3d"):
            pair = _window(step, arrays[0], arrays[1], place)
            at = -1 - (arrays[1].ndim - 2)
            return None if pair is None else _sum(*pair, None if bias is None else bias[place[at]])
        return None

    # ---- the gradient --------------------------------------------------------------------------

    def _backward(self, place: Place) -> dict[str, Any] | None:
        terms: list[tuple[float, float, str]] = []
        count, total = 0, 0.0
        for use in self.result.uses:
            local = self._slopes(use)
            upstream = use.step.outputs[0].gradient
            if local is not None and upstream is not None:
                terms.append((float(upstream[place]), float(local[place]), use.step.id))
                count, total = count + 1, total + terms[-1][0] * terms[-1][1]
                continue
            try:
                found = contributions(use.step, use.input, place, self.jacobians)
            except again.CannotRepeat:
                return None
            for each in found:
                parts = each.largest(TERMS)
                terms += [(part.upstream, part.local, use.step.id) for part in parts]
                count, total = count + len(each), total + each.total
        if not count:
            return None
        kept = sorted(terms, key=lambda term: -abs(term[0] * term[1]))[:TERMS]
        rest = total - sum(a * b for a, b, _ in kept) if count > len(kept) else 0.0
        return {
            "terms": [[_short(a), _short(b), name] for a, b, name in kept],
            "count": count, "rest": _short(rest), "plus": None,
        }  # fmt: skip

    def _slopes(self, use: Use) -> Array | None:
        """The local derivatives of an elementwise use of the same shape, all at once."""
        step, op = use.step, use.step.known_op
        if op is None or not issubclass(op, Elementwise) or (
            step.outputs[0].shape != self.result.shape
        ):  # fmt: skip
            return None
        if id(step) not in self.locals:
            try:
                self.locals[id(step)] = again.local(step, again.values(step))
            except again.CannotRepeat:
                self.locals[id(step)] = [None] * len(step.inputs)
        return self.locals[id(step)][use.input]


# ---- which entries ------------------------------------------------------------------------------


def _places(value: Array, gradient: Array | None, side: int) -> list[tuple[int, int, Place]]:
    """Row and column of each cell of the preview and the entry that it stands for, those with the
    largest gradient first."""
    axes = plane_axes(value.shape)
    weight = np.abs(plane_of(value if gradient is None else gradient)).astype(np.float64)
    plane = np.nan_to_num(weight, nan=np.inf)
    rows, columns = _blocks(plane.shape[0], side), _blocks(plane.shape[1], side)
    out = []
    for r, (top, bottom) in enumerate(rows):
        for c, (left, right) in enumerate(columns):
            block = plane[top:bottom, left:right]
            i, j = divmod(int(block.argmax()), right - left)
            at = dict(zip(axes[::-1], (left + j, top + i)))
            place = tuple(at.get(axis, 0) for axis in range(value.ndim))
            out.append((float(block[i, j]), (r, c, place)))
    return [found for _, found in sorted(out, key=lambda each: -each[0])]


def _blocks(n: int, side: int) -> list[tuple[int, int]]:
    """First and last row of each row of a preview."""
    if n <= side:
        return [(i, i + 1) for i in range(n)]
    starts = [i * n // side for i in range(side)]
    return list(zip(starts, [*starts[1:], n], strict=True))


def _cost(use: Use) -> int:
    """About how many numbers are read to work one entry of a value through this use."""
    step, op = use.step, use.step.known_op
    size = sum(int(np.prod(out.shape)) for out in step.outputs)
    if op is not None and issubclass(op, Elementwise):
        same = step.outputs[0].shape == step.inputs[use.input].shape
        return 1 if same else size
    if step.op_name.startswith("conv") and use.input:
        return _LOOPS * size // max(step.outputs[0].shape[1], 1)
    if step.op_name in ("linear", "matmul", "conv1d", "conv2d", "conv3d"):
        return _LOOPS * 100
    return 2000 + 8 * size


# ---- sums ----------------------------------------------------------------------------------------


def _sum(a: Array, b: Array, plus: Any) -> dict[str, Any]:
    """Σ a·b: its largest terms and the rest; `plus` is added to it."""
    x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    products = x * y
    order = sorted(np.argsort(-np.abs(products), kind="stable")[:TERMS].tolist())
    rest = float(products.sum()) - float(products[order].sum()) if x.size > TERMS else 0.0
    return {
        "terms": [[_short(x[i]), _short(y[i]), ""] for i in order],
        "count": int(x.size), "rest": _short(rest), "plus": None if plus is None else _short(plus),
    }  # fmt: skip


def _window(step: Step, x: Array, w: Array, place: Place) -> tuple[Array, Array] | None:
    """The entries under the window of one result entry, and the kernel's."""
    p, n = step.params, w.ndim - 2
    if isinstance(p.get("padding_mode"), str) and p["padding_mode"] != "zeros":
        return None
    geometry, _ = convolution_plan(
        x.shape, w.shape, None, p["stride"], p["padding"], p["dilation"], p["groups"]
    )
    kernel = w[place[-1 - n]]
    first = place[-1 - n] // (w.shape[0] // p["groups"]) * w.shape[1]
    index, inside = [], []
    for axis, at in enumerate(place[-n:]):
        low, step_by = geometry["padding"][axis][0], geometry["dilation"][axis]
        there = at * geometry["stride"][axis] - low + np.arange(w.shape[2 + axis]) * step_by
        good = (there >= 0) & (there < x.shape[-n + axis])
        index.append(there[good])
        inside.append(np.flatnonzero(good))
    lead = place[: x.ndim - n - 1]
    channels = x[lead][first : first + w.shape[1]]
    own = np.ix_(np.arange(w.shape[1]), *index)
    return channels[own], kernel[np.ix_(np.arange(w.shape[1]), *inside)]


def _ordered(tree: Expression, names: list[str]) -> list[str]:
    used = set(names_in(tree))
    return [name for name in names if name in used]


def _short(value: Any) -> Any:
    """A JSON number of five digits, what is not finite as text."""
    x = float(value)
    if not math.isfinite(x):
        return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"
    return float(f"{x:.5g}")
