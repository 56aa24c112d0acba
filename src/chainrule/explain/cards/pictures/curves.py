"""Function and slope of elementwise operations; gates with numbers on their edges."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.explain.cards.entries import Entry
from chainrule.explain.cards.sheet import Sheet
from chainrule.explain.figures import Lines, canvas, drawing
from chainrule.explain.report.markup import Html, el
from chainrule.graph import Tensor
from chainrule.ops.op import Op

_POINTS = 321
# Numbers on the edges of a gate: those of the notes' first example come first.
_NUMBERS = (-2.0, 5.0, -4.0)


def slope(op: type[Op], x: np.ndarray, options: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """The values of an operation of one input at x, and its gradient for g = 1."""
    variable = Tensor(x, requires_grad=op.differentiable)
    y = op.function(variable, **options)
    if not op.differentiable:
        return y.numpy().astype(float), None
    y.sum().backward()
    values = y.detach().numpy()
    return values, np.zeros_like(x) if variable.grad is None else variable.grad.numpy()


def curve(entry: Entry, sheet: Sheet) -> str:
    """The function and its derivative over the domain."""
    op = entry.op
    assert op is not None
    low, high = op.domain if op.domain != (-3.0, 3.0) else (-5.0, 5.0)
    # A step away from the round numbers, where kinks and poles are.
    x = np.linspace(low, high, _POINTS)
    with np.errstate(all="ignore"):
        y, dy = slope(op, x if "i" not in _kinds(op) else np.round(x).astype(np.int64),
                      sheet.options)  # fmt: skip
    curves: dict[str, Any] = {entry.name: _broken(y)}
    if dy is not None:
        curves["dy/dx"] = _broken(dy)
    panel = Lines("", curves, x=x, x_name="x", dashed=["dy/dx"])
    return drawing(entry.name, panel)


def _kinds(op: type[Op]) -> str:
    return "i" if op.name.startswith("bitwise") else "f"


def _broken(y: np.ndarray) -> np.ndarray:
    """The values with gaps where they jump far or leave the drawing."""
    y = np.where(np.isfinite(y), y, np.nan).astype(float)
    y[np.abs(y) > 30] = np.nan
    jump = np.abs(np.diff(y, prepend=y[0])) > max(0.4, 0.25 * np.nanmax(np.abs(y), initial=0.0))
    return np.where(jump, np.nan, y)


def gate(entry: Entry, sheet: Sheet) -> str:
    """Numbers going in and out, and the gradients that come back for g = 1."""
    op = entry.op
    assert op is not None
    names = [n for n in op.inputs if n not in op.optional]
    values = _numbers(op, names)
    inputs = [
        Tensor(np.array(v), requires_grad=op.differentiable and isinstance(v, float))
        for v in values
    ]
    y = op.function(*inputs, **sheet.options)
    if y.requires_grad:
        y.backward()
    parts: list[Html] = []
    middle = 66 + 26 * (len(names) - 1)
    for i, (name, x, value) in enumerate(zip(names, inputs, values, strict=True)):
        height = 66 + 52 * i
        parts.append(el("line", x1=86, y1=height, x2=206, y2=middle, class_="axis"))
        parts.append(el("text", name, x=20, y=height + 4, class_="head"))
        parts.append(_number(value, 80, height - 6, ""))
        if x.requires_grad:
            back = 0.0 if x.grad is None else float(x.grad.numpy())
            parts.append(_number(back, 80, height + 12, "c1"))
    parts.append(el("line", x1=206, y1=middle, x2=392, y2=middle, class_="axis"))
    parts.append(el("rect", x=186, y=middle - 18, width=120, height=36, rx=8, class_="box"))
    parts.append(el("text", op.name, x=246, y=middle + 4, text_anchor="middle", class_="head"))
    parts.append(_number(y.detach().numpy().item(), 330, middle - 6, ""))
    if y.requires_grad:
        parts.append(_number(1.0, 330, middle + 14, "c1"))
    style = el("style", Html(".box{fill:var(--paper);stroke:var(--soft)}.c1 text{fill:var(--c1)}"))
    return canvas(entry.name, 420, 66 + 52 * len(names) - 6, style, *parts)


def _numbers(op: type[Op], names: list[str]) -> list[Any]:
    out: list[Any] = []
    for i, name in enumerate(names):
        low, high = op.domains.get(name, op.domain)
        if name == "condition":
            out.append(True)
        elif op.name.startswith("bitwise"):
            out.append((6, 3)[i])
        else:
            number = _NUMBERS[i % 3]
            inside = low <= number <= high or op.domain == (-3.0, 3.0) and name not in op.domains
            out.append(number if inside else round(low + (high - low) * (0.6, 0.3, 0.4)[i], 2))
    return out


def _number(value: Any, x: float, y: float, colour: str) -> Html:
    text = str(value) if isinstance(value, bool) else f"{value:.4g}".replace("-", "−")
    return el("g", el("text", text, x=x + 10, y=y), class_=colour or None)
