"""Both levels in one page: the elementary steps of each composite, joined to the steps around it.

The leaves of a composite's elementary graph are the steps that it is computed from, its results are
the composite's own. So the same numbers stand at its border: what goes in and what comes out, and
the gradients the other way. How far the two views are apart is measured there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.errors import AutogradError
from chainrule.base.text import speaking
from chainrule.explain.explanation.cells import WORK, cells_of
from chainrule.explain.explanation.data import Detail, edges, node, number, play
from chainrule.explain.explanation.formulas import name_of
from chainrule.explain.explanation.graph import Array, Step
from chainrule.explain.explanation.paths import norm_of
from chainrule.explain.explanation.unfold import TooManySteps, is_composite, opened

# Steps of one composite, and of all of a page: what has more stays folded. How many more is not
# found out, nor whether both views agree: an LSTM may have a hundred thousand.
LARGEST = 600
MOST = 2400
ROOMY = 300  # with more steps than this on a page their worked lines are left out
SIDE = 8  # rows and columns of their previews
WORKED = 12_000  # cells that are worked for all of them, and at most for each
WORKED_EACH = 48


class Inner(NamedTuple):
    """The elementary steps of `step`. `size`: how many operations; `steps`: they and constants,
    without what the composite is computed from, or nothing where they are too many for a page (then
    `size` is how many there was room for); `results`: the step and the output that each of the
    composite's outputs is. `values`, `gradients`: the largest difference between both views at the
    border, measured by the largest number there."""

    step: Step
    size: int
    steps: list[Step]
    results: dict[int, tuple[Step, int]]
    values: float
    gradients: float


def inner_of(step: Step, most: int = LARGEST) -> Inner | None:
    """The inside of a composite, if it has at most `most` steps; None where it is a single
    operation, was not kept, or gets no gradient."""
    if not is_composite(step) or all(out.gradient is None for out in step.outputs):
        return None
    try:
        found = opened(step, most=most)
    except AutogradError:
        return None
    except TooManySteps:
        return Inner(step, most, [], {}, 0.0, 0.0)
    count = sum(1 for _ in found.graph.operations)
    if count < 2:
        return None
    pairs = list(zip(step.inputs, found.leaves, strict=True))
    size = max([0.0, *(_largest(g) for x, _ in pairs for g in [x.gradient] if g is not None)])
    values, gradients = 0.0, 0.0
    outside = set()
    for x, leaf in pairs:
        if leaf is None or x.source is None:
            continue
        # A gradient that cancels to nothing is measured by the others.
        gradients = max(gradients, _apart(x.gradient, leaf.outputs[0].gradient, size))
        leaf.id, leaf.name = x.source.id, name_of(x.source, x.output)
        outside.add(id(leaf))
    steps = [each for each in found.graph.steps if id(each) not in outside]
    if len(steps) > most:
        return Inner(step, most, [], {}, 0.0, 0.0)
    for k, each in enumerate(steps):
        each.id, each.parent = f"{step.id}.{k}", (step.id, step.op_name)
        each.name = None
        each.path, each.module_type = step.path, step.module_type
    results = {}
    for k, (root, output) in zip(found.results, found.graph.roots, strict=True):
        if id(root) in outside:
            return None
        results[k] = root, output
        own = step.outputs[k].value
        if own is not None:
            values = max(values, _apart(own, root.outputs[output].value, _largest(own)))
        if output == 0:
            root.name = name_of(step, k)
        # The way on, where the gradient comes from.
        root.outputs[output].uses += step.outputs[k].uses
    return Inner(step, count, steps, results, values, gradients)


def _largest(array: Array) -> float:
    x = np.abs(array.astype(np.float64))
    return float(x[np.isfinite(x)].max(initial=0.0))


def _apart(first: Array | None, second: Array | None, size: float) -> float:
    """The largest difference, measured by `size`; what is not there is zero."""
    a = np.zeros(1) if first is None else first.astype(np.float64)
    b = np.zeros(1) if second is None else second.astype(np.float64)
    with np.errstate(all="ignore"):
        far = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    return float(far.max(initial=0.0)) / (size or 1.0)


def inside(steps: Sequence[Step]) -> list[Inner]:
    """The composites among some steps with their elementary ones, as many as a page can hold."""
    out: list[Inner] = []
    room = MOST
    for step in steps:
        found = inner_of(step, max(1, min(room, LARGEST)))
        if found is not None:
            room -= len(found.steps)
            out.append(found)
    return out


# ---- plain data ----------------------------------------------------------------------------------


def to_data(found: Sequence[Inner], language: str) -> dict[str, Any]:
    """By id of the composite: `nodes`, `edges` and `play` as in `to_dict()`. The edges begin at
    steps around the composite and end, to the composite itself, at its results."""
    detail = Detail(SIDE, lines=sum(len(each.steps) for each in found) <= ROOMY)
    with speaking(language):
        return {each.step.id: _data(each, detail) for each in found if each.steps}


def _data(inner: Inner, detail: Detail) -> dict[str, Any]:
    operations = [step for step in inner.steps if step.kind == "operation"]
    return {
        "nodes": [_lean(node(step, None, detail)) for step in inner.steps],
        "edges": [*(edge for step in operations for edge in edges(step)), *_results(inner)],
        "play": play(operations),
    }


def _lean(data: dict[str, Any]) -> dict[str, Any]:
    """Without what the page does not show of a step within another."""
    for out in data["outputs"]:
        for picture in (out["value"], out["gradient"]):
            if picture is not None:
                picture["all"] = None
                rows = picture["preview"]["data"]
                rows[:] = [[_short(x) for x in row] for row in rows]
    return data | {"numbers": None, "source": None, "summary": None}


def _short(value: Any) -> Any:
    """Three digits: for a colour."""
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _results(inner: Inner) -> Iterator[dict[str, Any]]:
    for k, (root, output) in inner.results.items():
        out = inner.step.outputs[k]
        g = out.gradient
        yield {
            "from": root.id, "output": output, "to": inner.step.id, "input": k,
            "shape": list(out.shape), "share": None,
            "gradient_norm": None if g is None else number(norm_of(g)),
        }  # fmt: skip


def agreement(found: Sequence[Inner]) -> dict[str, Any]:
    """By id of the composite: whether its steps are on the page, and if so how many they are and
    how far both views are apart."""
    return {
        each.step.id: {
            "steps": each.size if each.steps else None,
            "here": bool(each.steps),
            "values": number(float(f"{each.values:.2g}")) if each.steps else None,
            "gradients": number(float(f"{each.gradients:.2g}")) if each.steps else None,
        }
        for each in found
    }


def inner_cells(found: Sequence[Inner]) -> dict[str, Any]:
    """Worked entries of the elementary steps, as `cells` has them; fewer the more steps."""
    steps = [step for each in found for step in each.steps]
    each = min(WORKED_EACH, max(2, WORKED // max(len(steps), 1)))
    return cells_of(steps, SIDE, each, WORK // 4)
