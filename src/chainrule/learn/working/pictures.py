"""Pictures of a working, as SVG: curves, regions with points, bars, trees, small multiples.

Each picture has a title (`Words` or a plain string), a size and `svg()`, which is complete in
itself and readable on light and dark pages.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from chainrule.learn.working.words import Words, number, say

# Told apart with any of the usual colour deficiencies.
COLOURS = (
    "#0072b2", "#d55e00", "#00a078", "#b65aa0", "#b08a00", "#5b6273", "#6a5acd", "#8d5a33",
    "#2a9fd6", "#c23b55",
)  # fmt: skip
_INK, _RULE = "#808794", "#8d94a255"
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 10.0, 26.0, 30.0
_FONT = "11px system-ui,'Noto Sans CJK SC',sans-serif"


def colour(index: int) -> str:
    """The colour of a class, cluster or curve."""
    return COLOURS[index % len(COLOURS)]


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _text(x: float, y: float, text: str, anchor: str = "start", style: str = "") -> str:
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" fill="{_INK}" '
        f'style="font:{_FONT};{style}">{escape(text)}</text>'
    )


class Picture(ABC):
    """A drawing with a title; `width` and `height` in pixels."""

    title: Words | str
    width: float
    height: float

    @abstractmethod
    def draw(self) -> str:
        """The elements inside the SVG, the upper left corner at (0, 0), without the title."""

    def svg(self) -> str:
        """The whole SVG element."""
        title = say(self.title)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" '
            f'viewBox="0 0 {_n(self.width)} {_n(self.height)}" width="{_n(self.width)}">'
            f"<title>{escape(title)}</title>{self.inside()}</svg>"
        )

    def inside(self) -> str:
        """The title line and the drawing."""
        return _text(4, 15, say(self.title), style="font-weight:600;font-size:12px") + self.draw()


class _Frame:
    """Axes of a panel: maps numbers to pixels and draws frame, ticks and labels."""

    def __init__(
        self,
        picture: Picture,
        x: tuple[float, float],
        y: tuple[float, float],
        log: bool = False,
    ) -> None:
        self.left, self.right = _LEFT, picture.width - _RIGHT
        self.top, self.bottom = _TOP, picture.height - _BOTTOM
        self.log = log
        self.x0, self.x1 = _wide(*x)
        self.y0, self.y1 = _wide(*((math.log10(y[0]), math.log10(y[1])) if log else y))

    def x(self, value: Any) -> Any:
        return self.left + (value - self.x0) / (self.x1 - self.x0) * (self.right - self.left)

    def y(self, value: Any) -> Any:
        value = np.log10(value) if self.log else value
        return self.bottom - (value - self.y0) / (self.y1 - self.y0) * (self.bottom - self.top)

    def axes(self, x_label: str = "", y_label: str = "") -> str:
        out = [
            f'<rect x="{_n(self.left)}" y="{_n(self.top)}" width="{_n(self.right - self.left)}" '
            f'height="{_n(self.bottom - self.top)}" fill="none" stroke="{_RULE}"/>'
        ]
        for value in _ticks(self.x0, self.x1):
            out.append(_text(self.x(value), self.bottom + 13, number(value, 3), "middle"))
        for value in _ticks(self.y0, self.y1):
            place = self.bottom - (value - self.y0) / (self.y1 - self.y0) * (self.bottom - self.top)
            shown = 10.0**value if self.log else value
            out.append(_text(self.left - 4, place + 4, number(shown, 3), "end"))
            out.append(
                f'<path d="M{_n(self.left)} {_n(place)}H{_n(self.right)}" stroke="{_RULE}"/>'
            )
        middle = (self.left + self.right) / 2
        out.append(_text(middle, self.bottom + 26, x_label, "middle") if x_label else "")
        out.append(_text(self.left + 4, self.top + 12, y_label) if y_label else "")
        return "".join(out)

    def line(self, xs: Any, ys: Any, stroke: str, extra: str = "") -> str:
        points = " ".join(f"{_n(a)},{_n(b)}" for a, b in zip(self.x(xs), self.y(ys)))
        return (
            f'<polyline points="{points}" fill="none" stroke="{stroke}" stroke-width="1.6" '
            f'stroke-linejoin="round"{extra}/>'
        )


def _wide(low: float, high: float) -> tuple[float, float]:
    """A range that is not empty."""
    if not math.isfinite(low) or not math.isfinite(high):
        return 0.0, 1.0
    if high > low:
        return low, high
    room = abs(low) * 0.1 or 0.5
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers in a range."""
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) for k in range(first, int(math.floor(high / step + 1e-9)) + 1)]


def _range(values: Any, room: float = 0.05) -> tuple[float, float]:
    array = np.asarray(values, np.float64).ravel()
    array = array[np.isfinite(array)]
    if not len(array):
        return 0.0, 1.0
    low, high = float(array.min()), float(array.max())
    edge = (high - low) * room
    return low - edge, high + edge


@dataclass
class Curves(Picture):
    """Curves by name: values over 0, 1, 2, … or (x values, y values).

    points: name → (x values, y values), drawn as dots; log: a logarithmic y axis, on which what is
    not above zero is left out.
    """

    title: Words | str
    curves: Mapping[str, Any]
    points: Mapping[str, Any] = field(default_factory=dict)
    x_label: str = ""
    y_label: str = ""
    log: bool = False
    width: float = 420.0
    height: float = 250.0

    def draw(self) -> str:
        curves = {name: _pair(values) for name, values in self.curves.items()}
        points = {name: _pair(values) for name, values in self.points.items()}
        parts = [*curves.values(), *points.values()]
        kept = [(x[y > 0], y[y > 0]) if self.log else (x, y) for x, y in parts]
        xs = np.concatenate([x for x, _ in kept]) if kept else np.zeros(1)
        ys = np.concatenate([y for _, y in kept]) if kept else np.zeros(1)
        if self.log:
            low, high = (float(ys.min()), float(ys.max())) if len(ys) else (0.1, 1.0)
            frame = _Frame(self, _range(xs, 0.0), (low * 0.9, high * 1.1), log=True)
        else:
            frame = _Frame(self, _range(xs, 0.02), _range(ys))
        out = [frame.axes(self.x_label, self.y_label)]
        for i, (x, y) in enumerate(kept[: len(curves)]):
            good = np.isfinite(x) & np.isfinite(y)
            out.append(frame.line(x[good], y[good], colour(i)))
        for i, (x, y) in enumerate(kept[len(curves) :], len(curves)):
            good = np.isfinite(x) & np.isfinite(y)
            out += [_dot(frame, a, b, colour(i)) for a, b in zip(x[good], y[good])]
        names = [*curves, *points]
        if len(names) > 1:
            out += [
                f'<circle cx="{_n(self.width - 104)}" cy="{_n(_TOP + 11 + 14 * i)}" r="4" '
                f'fill="{colour(i)}"/>' + _text(self.width - 96, _TOP + 15 + 14 * i, name)
                for i, name in enumerate(names[:8])
            ]
        return "".join(out)


def _pair(values: Any) -> tuple[Any, Any]:
    if isinstance(values, tuple) and len(values) == 2:
        return np.asarray(values[0], np.float64), np.asarray(values[1], np.float64)
    y = np.asarray(values, np.float64)
    return np.arange(len(y), dtype=np.float64), y


def _dot(frame: _Frame, x: float, y: float, fill: str, radius: float = 2.6, ring: str = "") -> str:
    edge = f' stroke="{ring}" stroke-width="1.4"' if ring else ""
    place = f'cx="{_n(frame.x(x))}" cy="{_n(frame.y(y))}"'
    return f'<circle {place} r="{_n(radius)}" fill="{fill}" fill-opacity=".8"{edge}/>'


def _arrow(frame: _Frame, x: float, y: float, dx: float, dy: float, stroke: str) -> str:
    a, b, c, d = frame.x(x), frame.y(y), frame.x(x + dx), frame.y(y + dy)
    length = math.hypot(c - a, d - b)
    if not 0.5 <= length < 1e4:
        return ""
    u, v, head = (c - a) / length, (d - b) / length, min(6.0, length / 2)
    back = (c - head * u, d - head * v)
    wings = [(back[0] + side * head / 2 * v, back[1] - side * head / 2 * u) for side in (1, -1)]
    corners = " ".join(f"{_n(p)},{_n(q)}" for p, q in ((c, d), *wings))
    shaft = f'x1="{_n(a)}" y1="{_n(b)}" x2="{_n(back[0])}" y2="{_n(back[1])}"'
    return (
        f'<line {shaft} stroke="{stroke}" stroke-width="1.4"/>'
        f'<polygon points="{corners}" fill="{stroke}"/>'
    )


@dataclass
class Regions(Picture):
    """Points in the plane, in front of what a function says at each place.

    Args:
        x: [N, 2]; at most `most` evenly taken points are drawn.
        labels: class index a point, int [N]; None: one colour.
        cells: [rows, columns] over the bounds, the first row at the bottom: int class indices
            (decision regions) or floats (a surface such as a loss, darker where larger).
        bounds: (x low, x high, y low, y high); by default those of the points.
        marked: bool [N], points with a ring (support vectors, medoids).
        paths: name → [M, 2], polylines such as the way of gradient descent or a boundary.
        arrows: name → [M, 4], arrows (x, y, dx, dy) such as forces or directions.
        stars: [K, 2], large points such as centres.
        sizes: [N], relative sizes such as AdaBoost's weights.
    """

    title: Words | str
    x: Any = None
    labels: Any = None
    cells: Any = None
    bounds: tuple[float, float, float, float] | None = None
    marked: Any = None
    paths: Mapping[str, Any] = field(default_factory=dict)
    arrows: Mapping[str, Any] = field(default_factory=dict)
    stars: Any = None
    sizes: Any = None
    x_label: str = ""
    y_label: str = ""
    most: int = 400
    width: float = 300.0
    height: float = 270.0

    @staticmethod
    def grid(
        decide: Callable[[Any], Any], x: Any, room: float = 0.08, count: int = 48
    ) -> tuple[Any, tuple[float, float, float, float]]:
        """(cells, bounds) of `decide`, which takes [M, 2] and gives [M]."""
        x = np.asarray(x, np.float64)
        bounds = (*_wide(*_range(x[:, 0], room)), *_wide(*_range(x[:, 1], room)))
        a = np.linspace(bounds[0], bounds[1], count * 2 + 1)[1::2]
        b = np.linspace(bounds[2], bounds[3], count * 2 + 1)[1::2]
        places = np.stack([axis.ravel() for axis in np.meshgrid(a, b)], axis=1)
        return np.asarray(decide(places)).reshape(count, count), bounds

    def draw(self) -> str:
        x = np.zeros((0, 2)) if self.x is None else np.asarray(self.x, np.float64)
        bounds = self.bounds
        if bounds is None:
            given = [np.asarray(arrows, np.float64) for arrows in self.arrows.values()]
            ends = [arrows[:, :2] + arrows[:, 2:] for arrows in given]
            paths = [np.asarray(path, np.float64) for path in self.paths.values()]
            seen = np.concatenate([x, *paths, *ends])
            bounds = (*_range(seen[:, 0]), *_range(seen[:, 1]))
        frame = _Frame(self, bounds[:2], bounds[2:])
        out = [] if self.cells is None else [_cells(frame, np.asarray(self.cells))]
        out.append(frame.axes(self.x_label, self.y_label))
        for i, (name, path) in enumerate(self.paths.items()):
            path = np.asarray(path, np.float64)
            out.append(frame.line(path[:, 0], path[:, 1], _INK))
            out += [_dot(frame, a, b, _INK, 1.8) for a, b in path[:60]]
            if name:
                out.append(_text(self.width - 8, _TOP + 14 + 14 * i, name, "end"))
        labels = np.zeros(len(x), np.int64) if self.labels is None else np.asarray(self.labels)
        sizes = np.ones(len(x)) if self.sizes is None else np.asarray(self.sizes, np.float64)
        for i in np.unique(np.linspace(0, len(x) - 1, min(len(x), self.most)).astype(np.int64)):
            ring = _INK if self.marked is not None and self.marked[i] else ""
            radius = 2.6 * math.sqrt(max(float(sizes[i]), 0.05))
            out.append(_dot(frame, x[i, 0], x[i, 1], colour(int(labels[i])), radius, ring))
        for i, (name, arrows) in enumerate(self.arrows.items(), start=1):
            rows = np.asarray(arrows, np.float64)
            out += [_arrow(frame, a, b, dx, dy, colour(i)) for a, b, dx, dy in rows]
            if name:
                style = f"fill:{colour(i)}"
                out.append(_text(self.width - 8, _TOP + 14 * i, name, "end", style))
        for i, (a, b) in enumerate(np.zeros((0, 2)) if self.stars is None else self.stars):
            out.append(_dot(frame, a, b, colour(i), 6.5, "#20242c"))
        return "".join(out)


def _cells(frame: _Frame, cells: Any) -> str:
    """The background, with equal neighbours of a row drawn as one rectangle."""
    if cells.dtype.kind == "f":
        finite = cells[np.isfinite(cells)]
        low, high = _wide(*(_range(finite, 0.0)))
        # Twelve steps of one colour read like contour lines.
        shade = np.nan_to_num((cells - low) / (high - low), nan=1.0).clip(0, 1)
        cells = np.minimum((shade * 12).astype(np.int64), 11)
        fills = [f'fill="{COLOURS[0]}" fill-opacity="{0.03 + 0.05 * k:.2f}"' for k in range(12)]
    else:
        cells = cells.astype(np.int64)
        fills = [f'fill="{colour(k)}" fill-opacity=".22"' for k in range(int(cells.max()) + 1)]
    rows, columns = cells.shape
    w, h = (frame.right - frame.left) / columns, (frame.bottom - frame.top) / rows
    out = []
    for i, row in enumerate(cells):
        starts = np.flatnonzero(np.r_[True, row[1:] != row[:-1]])
        ends = np.r_[starts[1:], columns]
        y = frame.bottom - (i + 1) * h
        out += [
            f'<rect x="{_n(frame.left + a * w)}" y="{_n(y)}" width="{_n((b - a) * w)}" '
            f'height="{_n(h)}" {fills[row[a]]}/>'
            for a, b in zip(starts, ends)
        ]
    return f'<g shape-rendering="crispEdges">{"".join(out)}</g>'


@dataclass
class Bars(Picture):
    """Values by name as horizontal bars from zero, at most `most` of them."""

    title: Words | str
    values: Mapping[str, float]
    most: int = 20
    width: float = 420.0
    height: float = 0.0

    def __post_init__(self) -> None:
        self.height = _TOP + 18.0 * min(len(self.values), self.most) + 8

    def draw(self) -> str:
        shown = list(self.values.items())[: self.most]
        low = min(0.0, *(v for _, v in shown)) if shown else 0.0
        high = max(0.0, *(v for _, v in shown)) if shown else 1.0
        left, right = 120.0, self.width - 64
        unit = (right - left) / (_wide(low, high)[1] - _wide(low, high)[0])
        zero = left - low * unit
        out = []
        for i, (name, value) in enumerate(shown):
            y = _TOP + 18.0 * i
            start, length = (
                (zero, value * unit) if value >= 0 else (zero + value * unit, -value * unit)
            )
            out.append(
                f'<rect x="{_n(start)}" y="{_n(y + 3)}" width="{_n(max(length, 0.5))}" '
                f'height="12" rx="2" fill="{colour(0 if value >= 0 else 1)}"/>'
            )
            out.append(_text(left - 6, y + 13, name[:18], "end"))
            out.append(_text(max(start + length, zero) + 5, y + 13, number(value)))
        return "".join(out)


@dataclass
class TreeNode:
    """A box of a drawn tree: its lines of text, its children (with the texts of their edges), and
    the index of its colour (None: grey)."""

    lines: Sequence[str]
    children: Sequence[TreeNode] = ()
    edges: Sequence[str] = ()
    colour: int | None = None


@dataclass
class Tree(Picture):
    """A tree from its root down; what is below `depth` levels is drawn as "…"."""

    title: Words | str
    root: TreeNode
    depth: int = 4
    width: float = 0.0
    height: float = 0.0

    def __post_init__(self) -> None:
        self._lines = self._most_lines(self.root, 0)
        self._box = (116.0, 10 + 13.0 * self._lines)
        leaves, levels = self._size(self.root, 0)
        self.width = max(leaves * (self._box[0] + 10) + 10, 240)
        self.height = _TOP + levels * (self._box[1] + 30)

    def _most_lines(self, node: TreeNode, level: int) -> int:
        below = node.children if level < self.depth else ()
        return max([len(node.lines), *(self._most_lines(child, level + 1) for child in below)])

    def _size(self, node: TreeNode, level: int) -> tuple[int, int]:
        if not node.children or level >= self.depth:
            return 1, 1
        sizes = [self._size(child, level + 1) for child in node.children]
        return sum(a for a, _ in sizes), 1 + max(b for _, b in sizes)

    def draw(self) -> str:
        out: list[str] = []
        self._place(self.root, 0, 5.0, out)
        return "".join(out)

    def _place(
        self, node: TreeNode, level: int, left: float, out: list[str]
    ) -> tuple[float, float]:
        """Draws a subtree from `left` on; gives (centre of its box, right end)."""
        w, h = self._box
        top = _TOP + level * (h + 30)
        right = left
        centres = []
        if node.children and level < self.depth:
            for child in node.children:
                centre, right = self._place(child, level + 1, right, out)
                centres.append(centre)
            middle = (centres[0] + centres[-1]) / 2
        else:
            middle, right = left + w / 2 + 5, left + w + 10
        for i, centre in enumerate(centres):
            out.append(
                f'<path d="M{_n(middle)} {_n(top + h)}L{_n(centre)} {_n(top + h + 30)}" '
                f'stroke="{_INK}" fill="none"/>'
            )
            if i < len(node.edges):
                x = (middle + centre) / 2 + (-6 if centre < middle else 6)
                anchor = "end" if centre < middle else "start"
                out.append(_text(x, top + h + 17, node.edges[i], anchor))
        fill = _INK if node.colour is None else colour(node.colour)
        out.append(
            f'<rect x="{_n(middle - w / 2)}" y="{_n(top)}" width="{_n(w)}" height="{_n(h)}" '
            f'rx="5" fill="{fill}" fill-opacity=".16" stroke="{fill}"/>'
        )
        lines = [*node.lines, "…"] if node.children and level >= self.depth else node.lines
        for i, line in enumerate(lines[: self._lines + 1]):
            out.append(_text(middle, top + 15 + 13 * i, line, "middle"))
        return middle, right


@dataclass
class Multiples(Picture):
    """Pictures side by side, `columns` in a row: the frames of a development."""

    title: Words | str
    pictures: Sequence[Picture]
    columns: int = 3
    width: float = 0.0
    height: float = 0.0

    def __post_init__(self) -> None:
        rows = self._rows()
        self.width = max((sum(p.width for p in row) for row in rows), default=100.0)
        self.height = _TOP + sum(max(p.height for p in row) for row in rows)

    def _rows(self) -> list[Sequence[Picture]]:
        starts = range(0, len(self.pictures), self.columns)
        return [self.pictures[i : i + self.columns] for i in starts]

    def draw(self) -> str:
        out, top = [], _TOP
        for row in self._rows():
            left = 0.0
            for picture in row:
                out.append(f'<g transform="translate({_n(left)} {_n(top)})">{picture.inside()}</g>')
                left += picture.width
            top += max(picture.height for picture in row)
        return "".join(out)
