"""An explanation as plain data, ready for JSON. The form is described in the README beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.base.text import language, speaking, t
from chainrule.explain.explanation.formulas import Formula, derivative_of, formula, name_of
from chainrule.explain.explanation.graph import Array, Input, Step
from chainrule.explain.explanation.lines import Style, lines_of, put_in
from chainrule.explain.explanation.paths import norm_of
from chainrule.explain.explanation.render_text import code_of, title
from chainrule.explain.explanation.unfold import is_composite

if TYPE_CHECKING:
    from chainrule.explain.explanation.explanation import Explanation
    from chainrule.explain.explanation.verify import Checked
    from chainrule.explain.updates.explanation import UpdateExplanation

ALL = 64  # arrays of at most so many numbers are given whole
SIDE = 16  # rows and columns of a preview, at most
DEEP = 1 << 16  # steps with larger results are not computed again for their lines


def to_dict(explanation: Explanation, wanted: str | None = None) -> dict[str, Any]:
    """The whole explanation; texts in the `wanted` language, or the one in use."""
    with speaking(wanted):
        return _whole(explanation)


def _whole(explanation: Explanation) -> dict[str, Any]:
    out = explanation.output.outputs[explanation.graph.roots[0][1]]
    steps = explanation.steps
    return {
        "format": "chainrule.explanation",
        "schema": 1,
        "language": language(),
        "title": title(explanation, Style()),
        "output": explanation.output.id,
        "value": None if out.value is None or out.value.size > ALL else _plain(out.value),
        "level": explanation.level,
        "nodes": [node(step, explanation.checked) for step in steps],
        "edges": [edge for step in steps for edge in edges(step)],
        "modules": _modules(explanation),
        "play": play(steps, explanation.update),
        "checked": _checked(explanation),
    }


# ---- nodes -------------------------------------------------------------------------------------


class Detail(NamedTuple):
    """How much is said of a node. `side`: rows and columns of its previews, at most; `lines`:
    whether the worked lines are written."""

    side: int = SIDE
    lines: bool = True


WHOLE = Detail()


def node(step: Step, checked: Checked | None = None, detail: Detail = WHOLE) -> dict[str, Any]:
    """One step, in the form that the README describes."""
    op, operation = step.known_op, step.kind == "operation"
    found = None if checked is None else checked.checks.get(step.id)
    summary = None
    if op is not None:
        summary = op.card.zh if language() == "zh" else op.card.en
    return {
        "id": step.id,
        "kind": step.kind,
        "op": step.op_name or None,
        "title": (step.op_name if operation else step.title) or step.id,
        "name": step.name,
        "summary": summary,
        "composite": is_composite(step),
        "parent": None if step.parent is None else dict(zip(("id", "op"), step.parent)),
        "inside": step.inside,
        "params": _params(step),
        "formula": formula(step)._asdict() if operation else None,
        "derivatives": [
            {"input": x.name, **derivative_of(step, i)._asdict()}
            for i, x in enumerate(step.inputs)
            if x.gradient is not None
        ],
        "numbers": _numbers(step),
        "module": step.path,
        "module_type": step.module_type,
        "source": None if step.source is None else {**step.source._asdict(), "code": code_of(step)},
        "inputs": [_input(x) for x in step.inputs],
        "outputs": [_output(step, k, detail.side) for k in range(len(step.outputs))],
        "lines": _lines(step) if detail.lines else [],
        "gradient_norm": _norm(step.outputs[0].gradient),
        "check": None
        if found is None
        else {"status": found.status, "error": number(found.error), "text": found.text},
    }


def _params(step: Step) -> dict[str, str]:
    defaults = {} if step.known_op is None else step.known_op.defaults
    nothing = object()
    return {k: str(v) for k, v in step.params.items() if v != defaults.get(k, nothing)}


def _numbers(step: Step) -> dict[str, Any] | None:
    line = put_in(step, Style()) if step.kind == "operation" else None
    if line is None:
        return None
    return {**Formula(line.text, line.latex)._asdict(), "entry": list(line.numbers["place"])}


def _input(x: Input) -> dict[str, Any]:
    return {
        "name": x.name,
        "from": None if x.source is None else x.source.id,
        "output": x.output,
        "shape": None if x.shape is None else list(x.shape),
        "dtype": None if x.dtype is None else str(x.dtype),
        "gradient": x.gradient is not None,
    }


def _output(step: Step, k: int, side: int) -> dict[str, Any]:
    out = step.outputs[k]
    return {
        "name": name_of(step, k),
        "shape": list(out.shape),
        "dtype": None if out.dtype is None else str(out.dtype),
        "value": picture(out.value, side),
        "gradient": picture(out.gradient, side),
    }


def _lines(step: Step) -> list[dict[str, str]]:
    size = max(math.prod(o.shape) for o in step.outputs)
    return [
        {"kind": line.kind, "text": line.text, "latex": line.latex}
        for line in lines_of(step, Style(), deep=size <= DEEP)
    ]


# ---- arrays ------------------------------------------------------------------------------------


def picture(array: Array | None, side: int = SIDE) -> dict[str, Any] | None:
    """Statistics, all numbers if there are few, and a small preview of an array."""
    if array is None:
        return None
    return {
        "statistics": statistics(array),
        "all": _plain(array) if array.size <= ALL else None,
        "preview": preview(array, side),
    }


def statistics(array: Array) -> dict[str, Any]:
    x = array.astype(np.float64)
    finite = np.isfinite(x)
    good = x if finite.all() else x[finite]
    some = bool(good.size)
    return {
        "count": int(array.size),
        "mean": number(good.mean()) if some else None,
        "std": number(good.std()) if some else None,
        "min": number(good.min()) if some else None,
        "max": number(good.max()) if some else None,
        "norm": number(math.sqrt(float((good * good).sum()))) if some else None,
        "zeros": int((x == 0).sum()),
        "not_finite": int(array.size - good.size),
    }


def plane_axes(shape: Sequence[int]) -> tuple[int, ...]:
    """The axes that a preview shows: the last two, of more than two the last two with more than one
    entry, so that a 1 × 1 kernel [out, in, 1, 1] is the matrix that it is."""
    axes = tuple(range(len(shape)))
    if len(axes) <= 2:
        return axes
    wide = tuple(axis for axis in axes if shape[axis] != 1)[-2:]
    return wide if len(wide) == 2 or not set(wide) <= set(axes[-2:]) else axes[-2:]


def plane_of(array: Array) -> Array:
    """The numbers that a preview shows, before they are averaged: a matrix."""
    if not array.size:
        return np.zeros((0, 0))
    axes = plane_axes(array.shape)
    return np.atleast_2d(array[tuple(slice(None) if a in axes else 0 for a in range(array.ndim))])


def preview(array: Array, side: int = SIDE) -> dict[str, Any]:
    """At most `side` × `side` numbers of one plane, averaged over blocks."""
    axes = plane_axes(array.shape)
    text = ", ".join(":" if axis in axes else "0" for axis in range(array.ndim))
    plane = plane_of(array).astype(np.float64)
    small = _shrunk(_shrunk(plane, 0, side), 1, side)
    return {
        "rows": small.shape[0],
        "columns": small.shape[1],
        "data": [[number(v) for v in row] for row in small],
        "slice": f"[{text}]",
    }


def _shrunk(plane: Array, axis: int, side: int) -> Array:
    n = plane.shape[axis]
    if n <= side:
        return plane
    starts = np.arange(side) * n // side
    counts = np.diff([*starts, n])
    with np.errstate(all="ignore"):
        sums = np.add.reduceat(plane, starts, axis)
        return sums / (counts[:, None] if axis == 0 else counts)


def _plain(array: Array) -> Any:
    return [_plain(row) for row in array] if array.ndim else number(array.item())


def number(value: Any) -> Any:
    """A JSON number of at most 7 digits; what is not finite as text."""
    if value is None or isinstance(value, bool | int):
        return value
    x = float(value)
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "Infinity" if x > 0 else "-Infinity"
    return float(f"{x:.7g}")


def _norm(array: Array | None) -> Any:
    return None if array is None else number(norm_of(array))


# ---- edges, modules, film ------------------------------------------------------------------------


def edges(step: Step) -> list[dict[str, Any]]:
    """What comes into a step, and the gradients that go back there."""
    out = []
    for i, x in enumerate(step.inputs):
        if x.source is None:
            continue
        whole = x.source.outputs[x.output].gradient
        share = None
        if x.gradient is not None and whole is not None:
            g, total = x.gradient.astype(np.float64), whole.astype(np.float64)
            square = float((total * total).sum())
            share = float((g * total).sum()) / square if square else None
        out.append(
            {
                "from": x.source.id,
                "output": x.output,
                "to": step.id,
                "input": i,
                "shape": None if x.shape is None else list(x.shape),
                "gradient_norm": _norm(x.gradient),
                "share": number(share),
            }
        )
    return out


def _modules(explanation: Explanation) -> dict[str, Any] | None:
    by_path: dict[str, list[str]] = {}
    for step in explanation.steps:
        if step.path is not None:
            by_path.setdefault(step.path, []).append(step.id)
    if not by_path:
        return None
    root: dict[str, Any] = {"path": "", "name": "", "type": None, "nodes": [], "children": []}
    for path, ids in by_path.items():
        here = root
        for k, name in enumerate(path.split(".") if path else ()):
            whole = ".".join(path.split(".")[: k + 1])
            found = next((c for c in here["children"] if c["path"] == whole), None)
            if found is None:
                found = {"path": whole, "name": name, "type": None, "nodes": [], "children": []}
                here["children"].append(found)
            here = found
        here["nodes"] += ids
    _name_types(root, explanation)
    return root


def _name_types(tree: dict[str, Any], explanation: Explanation) -> None:
    module = explanation.names.module_at(tree["path"])
    tree["type"] = None if module is None else type(module).__name__
    for child in tree["children"]:
        _name_types(child, explanation)


def play(
    steps: Sequence[Step], update: UpdateExplanation | None = None
) -> list[dict[str, str]]:  # fmt: skip
    """The film of some steps; `update`: what an optimiser does at its end."""
    operations = [s for s in steps if s.kind == "operation"]
    leaves = [s for s in steps if s.kind == "parameter" and s.outputs[0].gradient is not None]
    touched = [s for s in operations if any(o.gradient is not None for o in s.outputs)]
    out = [{"phase": "forward", "node": s.id, "text": formula(s).text} for s in operations]
    for s in [*reversed(touched), *leaves]:
        name = name_of(s)
        size = _norm(s.outputs[0].gradient)
        text = f"‖∂L/∂{name}‖ = {size}" if size is not None else f"∂L/∂{name}"
        out.append({"phase": "backward", "node": s.id, "text": text})
    for s in leaves:
        text = update.sentence(s.tensor) if update is not None else ""
        text = text or t("{name} ← {name} − learning rate · ∂L/∂{name}", name=name_of(s))
        out.append({"phase": "update", "node": s.id, "text": text})
    return out


def _checked(explanation: Explanation) -> dict[str, Any] | None:
    checked = explanation.checked
    if checked is None:
        return None
    names = ("right", "wrong", "kink", "rule", "unknown")
    return {**{n: checked.count(n) for n in names}, "worst": number(checked.worst)}
