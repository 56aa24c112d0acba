"""Boxes drawn over each other, bins with the points that they read, boxes struck out: made from
real calls, with the gradients as arrows that say where a step of descent would pull an edge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.explain.cards.pictures.grids import short
from chainrule.explain.figures import canvas
from chainrule.explain.report.markup import Html, el
from chainrule.graph import Tensor
from chainrule.ops import boxes as operations
from chainrule.ops.regions import roi_align, roi_pool
from chainrule.ops.suppression import NMSKeep

_UNIT = 34.0  # one unit of the boxes
_LEFT, _TOP = 26.0, 58.0
_STYLE = (
    ".one{fill:var(--c0);fill-opacity:.14;stroke:var(--c0);stroke-width:2}"
    ".two{fill:var(--c1);fill-opacity:.14;stroke:var(--c1);stroke-width:2}"
    ".both{fill:var(--ink);fill-opacity:.22}"
    ".edge{fill:none;stroke:var(--soft);stroke-dasharray:5 4}"
    ".cell{fill:none;stroke:var(--rule)}.bin{fill:none;stroke:var(--c0)}"
    ".best{fill:var(--c1);fill-opacity:.3}.out{fill:none;stroke:var(--soft);stroke-width:1.4;"
    "stroke-dasharray:4 4}"
    ".pull{fill:none;stroke:var(--ink);stroke-width:1.6;marker-end:url(#tip)}"
)
Corners = Sequence[float]


def _x(value: float) -> float:
    return _LEFT + _UNIT * value


def _y(value: float) -> float:
    return _TOP + _UNIT * value


def _box(box: Corners, kind: str) -> Html:
    x1, y1, x2, y2 = (float(v) for v in box)
    return el("rect", x=_x(x1), y=_y(y1), width=_UNIT * (x2 - x1), height=_UNIT * (y2 - y1), rx=2,
              class_=kind)  # fmt: skip


def _word(text: str, x: float, y: float, head: bool = False) -> Html:
    return el("text", text, x=x, y=y, class_="head" if head else None)


def _label(text: str, box: Corners) -> Html:
    return _word(text, _x(float(box[0])) + 5, _y(float(box[1])) + 15, True)


def _film(name: str, wide: float, high: float, lines: list[str], *parts: Html) -> str:
    """The parts above the lines of text."""
    bottom = _y(high) + 20
    texts = [_word(line, 18, bottom + 18 * i) for i, line in enumerate(lines)]
    width = max(_x(wide) + 18, 36 + 6.2 * max(map(len, [*lines, name + "    "])))
    tip = el("marker", el("path", d="M0,0L7,3.5L0,7z"), id="tip", markerWidth=7, markerHeight=7,
             refX=6, refY=3.5, orient="auto")  # fmt: skip
    return canvas(name, width, bottom + 18 * len(lines), el("style", Html(_STYLE)),
                  el("defs", tip), *parts, *texts)  # fmt: skip


def _pulls(box: Corners, gradient: np.ndarray) -> list[Html]:
    """From the middle of each edge against its gradient; the largest is one unit long."""
    x1, y1, x2, y2 = (float(v) for v in box)
    middles = ((x1, (y1 + y2) / 2), ((x1 + x2) / 2, y1), (x2, (y1 + y2) / 2), ((x1 + x2) / 2, y2))
    longest = np.abs(gradient).max() or 1.0
    out = []
    for k, (x, y) in enumerate(middles):
        way = -gradient[k] / longest
        if abs(way) < 0.02:
            continue
        far = (x + way, y) if k % 2 == 0 else (x, y + way)
        path = f"M{_x(x):.1f},{_y(y):.1f}L{_x(far[0]):.1f},{_y(far[1]):.1f}"
        out.append(el("path", d=path, class_="pull"))
    return out


def _told(numbers: Any) -> str:
    return ", ".join(short(float(v)) for v in np.ravel(numbers))


# ---- overlap --------------------------------------------------------------------------------


def _overlap(name: str, apart: bool) -> str:
    a = (0.0, 0.6, 2.2, 2.6) if apart else (0.0, 0.4, 4.0, 3.0)
    b = (3.4, 0.0, 5.4, 1.6) if apart else (2.0, 1.2, 5.4, 3.8)
    first = Tensor(np.array([a]), requires_grad=True)
    kind = operations.GeneralizedBoxIoU if apart else operations.BoxIoU
    y = kind.function(first, Tensor(np.array([b])))
    (1.0 - y).sum().backward()
    assert first.grad is not None
    gradient = first.grad.numpy()[0]
    shared = (max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
    parts = [_box(a, "one"), _box(b, "two"), _label("a", a), _label("b", b)]
    if apart:
        around = (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
        parts.insert(0, _box(around, "edge"))
    else:
        parts += [_box(shared, "both"),
                  _word("I", _x(shared[2]) - 14, _y(shared[3]) - 6, True)]  # fmt: skip
    lines = [f"y = {_told(y.detach().numpy())}", f"∂(1 − y)/∂a = ({_told(gradient)})"]
    return _film(name, 5.4, 3.8 if not apart else 2.8, lines, *parts, *_pulls(a, gradient))


# ---- coding, clipping -----------------------------------------------------------------------


def _coding(name: str, decode: bool) -> str:
    proposal, reference = (0.6, 1.0, 3.6, 3.4), (1.4, 0.4, 5.0, 2.6)
    p, r = (Tensor(np.array([box])) for box in (proposal, reference))
    codes = operations.BoxEncode.function(r, p)
    found = operations.BoxDecode.function(codes, p).numpy()[0]
    centres = [((q[0] + q[2]) / 2, (q[1] + q[3]) / 2) for q in (proposal, reference)]
    (x, y), (u, v) = centres
    path = f"M{_x(x):.1f},{_y(y):.1f}L{_x(u):.1f},{_y(v):.1f}"
    parts = [_box(proposal, "out"), _box(found, "two"), el("path", d=path, class_="pull")]
    parts += [el("circle", cx=_x(a), cy=_y(b), r=3, class_="c0 dot") for a, b in centres]
    head = "t" if not decode else "c"
    lines = [f"{head} = ({_told(codes.numpy())})", f"y = ({_told(found)})"]
    return _film(name, 5.2, 3.5, lines if decode else lines[:1], *parts,
                 _label("p", (proposal[0], proposal[3] - 0.7)), _label("r", reference))  # fmt: skip


def _clip(name: str) -> str:
    size, box = (3, 4), (2.2, 1.4, 5.2, 2.4)
    b = Tensor(np.array([box]), requires_grad=True)
    y = operations.ClipBoxesToImage.function(b, size)
    y.sum().backward()
    assert b.grad is not None
    kept = y.detach().numpy()[0]
    lines = [f"y = ({_told(kept)})", f"∂(Σy)/∂b = ({_told(b.grad.numpy())})"]
    parts = [_box((0, 0, size[1], size[0]), "cell"), _box(box, "out"), _box(kept, "one")]
    return _film(name, 5.3, 3.1, lines, *parts)


# ---- regions --------------------------------------------------------------------------------


def _map(rows: int, columns: int) -> np.ndarray:
    return (np.arange(rows * columns) * 7 % 10).astype(float).reshape(rows, columns)


def _cells(x: np.ndarray) -> list[Html]:
    out = []
    for (i, j), value in np.ndenumerate(x):
        out.append(_box((j, i, j + 1, i + 1), "cell"))
        out.append(el("text", short(value), x=_x(j + 0.5), y=_y(i + 0.5) + 4,
                      text_anchor="middle"))  # fmt: skip
    return out


def _align(name: str, scales: Sequence[float]) -> str:
    """Bins and points of a box; the point in the thick bin reads its four neighbours."""
    x, box = _map(4, 6), (1.1, 0.6, 4.7, 3.4)
    boxes = Tensor(np.array([[0.0, *box]]))
    y = roi_align(Tensor(x[None, None]), boxes, 2, 1.0, 2, True).numpy()[0, 0]
    parts = [*_cells(x), _box(box, "one")]
    wide, high = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    for i in range(2):
        for j in range(2):
            left, up = box[0] + j * wide, box[1] + i * high
            parts.append(_box((left, up, left + wide, up + high), "bin"))
            for k in range(4):
                u, v = left + wide * (0.25 + 0.5 * (k % 2)), up + high * (0.25 + 0.5 * (k // 2))
                parts.append(el("circle", cx=_x(u), cy=_y(v), r=3, class_="c0 dot"))
    u, v = box[0] + wide * 0.75, box[1] + high * 0.75
    for a in (np.floor(u - 0.5), np.floor(u - 0.5) + 1):
        for b in (np.floor(v - 0.5), np.floor(v - 0.5) + 1):
            path = f"M{_x(u):.1f},{_y(v):.1f}L{_x(a + 0.5):.1f},{_y(b + 0.5):.1f}"
            parts.append(el("path", d=path, class_="edge"))
    lines = [f"y = ({_told(y[0])}; {_told(y[1])})"]
    if len(scales) > 1:
        lines.append("√(w·h) → ℓ:  " + ", ".join(f"x{k}: ×{s:g}" for k, s in enumerate(scales)))
    return _film(name, 6, 4, lines, *parts)


def _pool(name: str) -> str:
    x, box = _map(4, 6), (0.8, 0.2, 4.3, 2.9)
    rounded = np.floor(np.array(box) + 0.5)
    feature = Tensor(x[None, None], requires_grad=True)
    y = roi_pool(feature, Tensor(np.array([[0.0, *box]])), 2)
    y.sum().backward()
    assert feature.grad is not None
    parts = _cells(x)
    for i, j in np.argwhere(feature.grad.numpy()[0, 0] > 0):
        parts.append(_box((j, i, j + 1, i + 1), "best"))
    whole = (rounded[0], rounded[1], rounded[2] + 1, rounded[3] + 1)
    parts += [_box(box, "out"), _box(whole, "one")]
    found = y.detach().numpy()[0, 0]
    return _film(name, 6, 4, [f"y = ({_told(found[0])}; {_told(found[1])})"], *parts)


# ---- suppression ----------------------------------------------------------------------------


def _suppressed(name: str) -> str:
    boxes = np.array([[0.2, 0.4, 2.6, 3.0], [0.6, 0.2, 2.9, 2.7], [0.0, 0.9, 2.3, 3.4],
                      [3.6, 1.0, 5.6, 2.6], [3.9, 1.3, 6.0, 3.0]])  # fmt: skip
    scores = np.array([0.9, 0.8, 0.6, 0.7, 0.3])
    kept = NMSKeep.function(Tensor(boxes), Tensor(scores), iou_threshold=0.4).numpy()
    parts = []
    for box, stays in zip(boxes, kept, strict=True):
        parts.append(_box(box, "one" if stays else "out"))
    middle = (_x(3.1), _y(1.7))
    for score, box, stays in zip(scores, boxes, kept, strict=True):
        # What stays is written within, what goes at the corner that lies farthest out.
        left = _x(box[0]) + 6 if stays else _x(box[2]) - 22
        if not stays and _x(box[2]) < middle[0] and _y(box[3]) > middle[1] + 50:
            left = _x(box[0]) + 6
        y = _y(box[1]) + 15 if stays else _y(box[3]) - 4
        if not stays and _y(box[1]) < _y(0.3):
            y = _y(box[1]) + 12
        parts.append(_word(short(score), left, y, bool(stays)))
        if not stays:
            parts.append(el("path", d=f"M{left - 2},{y - 4}h22", class_="line c1"))
    text = ", ".join("✓" if stays else "×" for stays in kept)
    return _film(name, 6, 3.6, [f"y = ({text})"], *parts)


KINDS: dict[str, Callable[[str], str]] = {
    "overlap": lambda name: _overlap(name, False),
    "around": lambda name: _overlap(name, True),
    "encode": lambda name: _coding(name, False),
    "decode": lambda name: _coding(name, True),
    "clip": _clip,
    "align": lambda name: _align(name, (1.0,)),
    "levels": lambda name: _align(name, (1.0, 0.5)),
    "pool": _pool,
    "suppressed": _suppressed,
}


def boxes(name: str, kind: str) -> str:
    """The picture of a kind, under the name of an operation."""
    return KINDS[kind](name)
