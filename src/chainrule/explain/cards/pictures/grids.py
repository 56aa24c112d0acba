"""Small tensors written out: what goes in, what comes out, and the gradients that go back."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.explain.cards.entries import Entry
from chainrule.explain.cards.sheet import Sheet
from chainrule.explain.figures import canvas
from chainrule.explain.report.markup import Html, el
from chainrule.graph import Tensor
from chainrule.ops.op import Op

_CELL, _ROW, _GAP = 46.0, 22.0, 8.0
_MOST = 8  # rows and columns of a grid; a larger tensor is a box with its shape
STYLE = (
    ".cell{fill:none;stroke:var(--rule)}.box{fill:none;stroke:var(--soft)}"
    ".back text{fill:var(--c1)}.back .cell{stroke:var(--c1);stroke-opacity:.4}"
    ".flow{fill:none;stroke:var(--soft);marker-end:url(#tip)}"
)


class Run:
    """One small call of a thing: its tensors, its results, and the gradients for g = 1, 2, 3, …"""

    def __init__(self, entry: Entry, sheet: Sheet) -> None:
        arguments = sheet.example or default_example(entry.op)
        self.tensors: list[Tensor] = []
        self.integers = entry.op.integers if entry.op is not None else ()
        call = [self._lift(a) for a in arguments]
        function = entry.target
        if entry.op is not None and entry.op.variadic:
            call = [call]
        options = {k: self._lift(v) if isinstance(v, list) else v for k, v in sheet.options.items()}
        self.value = function(*call, **options)
        results = self.value if isinstance(self.value, tuple | list) else (self.value,)
        self.results = [r for r in results if isinstance(r, Tensor)]
        self.given = [
            Tensor(np.arange(1.0, r.numel() + 1).reshape(r.shape)) for r in self.results
            if r.requires_grad
        ]  # fmt: skip
        if self.given:
            total = sum(
                (r * g).sum()
                for r, g in zip([r for r in self.results if r.requires_grad], self.given,
                                strict=True)
            )  # fmt: skip
            total.backward()  # type: ignore[union-attr]

    def _lift(self, value: Any) -> Any:
        """Lists as tensors; floats among them get a gradient. Tuples hold several arguments."""
        if isinstance(value, list):
            array = np.array(value)
            tensor = Tensor(array, requires_grad=array.dtype.kind == "f")
            self.tensors.append(tensor)
            return tensor
        if isinstance(value, tuple) and any(isinstance(v, list) for v in value):
            return tuple(self._lift(v) for v in value)
        return value


def default_example(op: type[Op] | None) -> tuple[Any, ...]:
    """Arguments that most operations take: a 2 × 3 matrix for each input."""
    if op is None:
        return ()
    first, second = [[1.0, 2.0, 3.0], [6.0, 5.0, 4.0]], [[2.0, 0.0, 1.0], [1.0, 3.0, 2.0]]
    count = len([n for n in op.inputs if n not in op.optional])
    return (first, second)[:count] if not op.variadic else (first, second)


def grids(entry: Entry, sheet: Sheet, name: str) -> str:
    """Inputs above, results below; gradients in colour beside each. Titled `name`."""
    run = Run(entry, sheet)
    parts: list[Html] = [el("style", Html(STYLE))]
    if not run.results:
        return _answer(name, run, parts)
    top, width = 52.0, 380.0
    rows: list[tuple[str, Any, Any]] = []
    for i, x in enumerate(run.tensors):
        rows.append((f"x{i + 1}" if len(run.tensors) > 1 else "x", x, x.grad))
    given = iter(run.given)
    for i, y in enumerate(run.results):
        label = f"y{i + 1}" if len(run.results) > 1 else "y"
        rows.append((label, y, next(given) if y.requires_grad else None))
    for i, (label, value, back) in enumerate(rows):
        if i == len(run.tensors):
            parts.append(el("text", f"↓ {entry.name}", x=18, y=top + 12, class_="head"))
            top += 26
        array = value.detach().numpy()
        parts.append(el("text", label, x=18, y=top + 15, class_="head"))
        grid, w, h = _grid(array, 44, top)
        parts.append(grid)
        right = 44 + w
        if back is not None:
            label = "∂L/∂x" if i < len(run.tensors) else "g"
            parts.append(el("g", el("text", label, x=right + 18, y=top + 15), class_="back"))
            grid, w2, _ = _grid(back.to_dense().numpy(), right + 66, top)
            parts.append(el("g", grid, class_="back"))
            right += 66 + w2
        width = max(width, right + 18)
        top += h + 10
    return canvas(name, width, top + 8, *parts)


def _answer(name: str, run: Run, parts: list[Html]) -> str:
    """A result that is no tensor."""
    text = " ".join(str(run.value).split())
    text = text if len(text) <= 70 else text[:69] + "…"
    parts.append(el("text", f"{name}  →  {text}", x=18, y=62, class_="head"))
    return canvas(name, max(380.0, 60 + 8.0 * (len(text) + len(name))), 84, *parts)


def _grid(array: np.ndarray, x: float, y: float) -> tuple[Html, float, float]:
    """The numbers of a tensor in cells; slices of more than two axes below each other."""
    if not array.size or array.shape[-1:] > (_MOST,) or array.size > _MOST * _MOST:
        text = f"{array.dtype} {tuple(array.shape)}"
        wide = 7.0 * len(text) + 16
        box = el("rect", x=x, y=y, width=wide, height=_ROW, rx=4, class_="box")
        return el("g", box, el("text", text, x=x + 8, y=y + 15)), wide, _ROW
    flat = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
    slices = array.shape[-2] if array.ndim > 2 else len(flat)
    parts = []
    bottom = y
    for i, row in enumerate(flat):
        if i and i % slices == 0:
            bottom += _GAP
        for j, value in enumerate(row):
            left = x + j * _CELL
            parts.append(el("rect", x=left, y=bottom, width=_CELL, height=_ROW, class_="cell"))
            parts.append(
                el("text", short(value), x=left + _CELL / 2, y=bottom + 15, text_anchor="middle")
            )
        bottom += _ROW
    return el("g", parts), flat.shape[1] * _CELL, bottom - y


def short(value: Any) -> str:
    """A number as a cell shows it."""
    if isinstance(value, bool | np.bool_):
        return "T" if value else "F"
    if isinstance(value, np.integer | int):
        return str(value).replace("-", "−")
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    if abs(value) < 1:
        text = f"{value:.3f}".rstrip("0").rstrip(".")
        return "0" if text in ("-0", "0") else text.replace("-", "−")
    return f"{value:.3g}".replace("-", "−").replace("e+0", "e")


def flow(name: str, detail: str) -> str:
    """Boxes one below the other: `what goes in | layer | … | what comes out`."""
    boxes = [part.strip() for part in detail.split("|")]
    parts: list[Html] = [
        el("style", Html(STYLE)),
        el("defs", el("marker", el("path", d="M0,0L8,4L0,8z"), id="tip", markerWidth=8,
                      markerHeight=8, refX=7, refY=4, orient="auto")),
    ]  # fmt: skip
    wide = max(200.0, 10.0 * len(name), *(7.4 * len(box) + 24 for box in boxes))
    middle = 18 + wide / 2
    for i, box in enumerate(boxes):
        y = 48 + 44 * i
        is_shape = i in (0, len(boxes) - 1) or box.startswith("(")
        if not is_shape:
            parts.append(el("rect", x=18, y=y, width=wide, height=28, rx=7, class_="box"))
        parts.append(
            el("text", box, x=middle, y=y + 18, text_anchor="middle",
               class_=None if is_shape else "head")
        )  # fmt: skip
        if i:
            parts.append(el("path", d=f"M{middle},{y - 15}L{middle},{y - 2}", class_="flow"))
    return canvas(name, wide + 36, 48 + 44 * len(boxes), *parts)
