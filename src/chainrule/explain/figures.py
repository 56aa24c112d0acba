"""Figures as SVG files: curves, bars and pictures, readable on light and dark pages.

`figure(path, title, Lines(...), Bars(...), Pictures(...))` puts the panels side by side. The file
holds everything it shows and follows the reader's colour scheme by itself.
"""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.explain.report.markup import Child, Html, el
from chainrule.explain.report.pictures import data_uri, diverging, photograph
from chainrule.explain.report.scales import Scale, axis_range, tick_label

Numbers: TypeAlias = NDArray[np.float64]
Curve: TypeAlias = "ArrayLike | tuple[ArrayLike, ArrayLike]"

WIDTH = 440.0  # of one panel
_GAP, _MARGIN = 28.0, 18.0
_PLOT = 230.0  # height of the part with axes
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 14.0, 10.0, 36.0
_ROW, _CHARACTER = 17.0, 6.6  # height of a line of text and width of a wide letter, 11px
# Lighter and darker form of each colour, told apart with any of the usual colour deficiencies.
_COLOURS = (
    ("#0072b2", "#5ab4ec"), ("#d55e00", "#ff9248"), ("#00855f", "#2fd0a0"), ("#a94a92", "#ea9ccd"),
    ("#8a6d00", "#efd445"), ("#2b3040", "#dfe4ee"), ("#6a5acd", "#a99cff"), ("#7d4a28", "#cda67f"),
)  # fmt: skip
_PAGE = {
    "paper": ("#ffffff", "#181e28"),
    "ink": ("#1b2130", "#e9edf4"),
    "soft": ("#596175", "#a3aec2"),
    "rule": ("#dedcd4", "#2c3646"),
}


class Panel(Protocol):
    """One part of a figure, `WIDTH` wide."""

    def height(self) -> float:
        """How much room it needs."""
        ...

    def draw(self) -> Html:
        """Its drawing, the upper left corner at (0, 0)."""
        ...


def figure(path: str | os.PathLike[str], title: str, *panels: Panel, columns: int = 2) -> Path:
    """Writes the panels, `columns` side by side, as one SVG file and returns its path.

    The folder is made if it is not there. Raises ArgumentError without panels.
    """
    svg = drawing(title, *panels, columns=columns)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(svg + "\n", encoding="utf-8")
    return target


def drawing(title: str, *panels: Panel, columns: int = 2) -> Html:
    """The SVG element that `figure` writes. Raises ArgumentError without panels."""
    if not panels:
        raise ArgumentError(t("figure needs at least one panel: Lines, Bars or Pictures."))
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    top, parts = _MARGIN + 26, []
    for row in rows:
        for column, panel in enumerate(row):
            place = f"translate({_n(_MARGIN + column * (WIDTH + _GAP))} {_n(top)})"
            parts.append(el("g", panel.draw(), transform=place))
        top += max(panel.height() for panel in row) + _GAP / 2
    across = min(columns, len(panels))
    width = 2 * _MARGIN + across * WIDTH + (across - 1) * _GAP
    return canvas(title, width, top, parts)


def canvas(title: str, width: float, height: float, *parts: Child) -> Html:
    """An SVG element with paper, title and the colours of both schemes around the parts."""
    return el(
        "svg",
        el("title", title),
        el("style", Html(_style())),
        el("rect", width=_n(width), height=_n(height), rx=12, class_="paper"),
        el("text", title, x=_MARGIN, y=_MARGIN + 8, class_="title"),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_n(width)} {_n(height)}",
        width=_n(width),
        role="img",
        aria_label=title,
    )


def _style() -> str:
    def variables(dark: int) -> str:
        named = [(f"c{i}", pair) for i, pair in enumerate(_COLOURS)] + list(_PAGE.items())
        return "".join(f"--{name}:{pair[dark]};" for name, pair in named)

    series = "".join(f".c{i}{{color:var(--c{i})}}" for i in range(len(_COLOURS)))
    return (
        f"svg{{{variables(0)}color-scheme:light dark}}"
        f"@media (prefers-color-scheme:dark){{svg{{{variables(1)}}}}}"
        f"{series}.paper{{fill:var(--paper)}}"
        "text{fill:var(--soft);font:11px system-ui,-apple-system,'Segoe UI',Roboto,"
        "'Noto Sans CJK SC',sans-serif}"
        ".title{font-size:16px;font-weight:600;fill:var(--ink)}"
        ".head{font-size:12.5px;font-weight:600;fill:var(--ink)}"
        ".axis{stroke:var(--rule)}.guide{stroke:var(--soft);stroke-dasharray:5 4}"
        ".line{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}"
        ".dashed{stroke-dasharray:6 4}.dot,.bar{fill:currentColor}"
        ".cloud{fill:currentColor;fill-opacity:.45}"
        ".level{fill:none;stroke:var(--rule);stroke-width:1.2}"
        "image{image-rendering:pixelated}"
    )


# Curves -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lines:
    """Curves over common or their own x values.

    Args:
        title: what the panel shows.
        curves: name → values over `x`, or (x values, values).
        x: by default 1, 2, 3, …
        log, log_x: logarithmic axes; what is not above zero is left out.
        points: name → (x values, y values), drawn as a cloud.
        levels: (x values, y values) drawn thin and without a name, such as contour lines.
        guides: name → y of a level line.
        dashed: names of curves to be dashed.
    """

    title: str
    curves: Mapping[str, Curve] = field(default_factory=dict)
    x: ArrayLike | None = None
    x_name: str = ""
    y_name: str = ""
    log: bool = False
    log_x: bool = False
    points: Mapping[str, tuple[ArrayLike, ArrayLike]] = field(default_factory=dict)
    levels: Sequence[tuple[ArrayLike, ArrayLike]] = ()
    guides: Mapping[str, float] = field(default_factory=dict)
    dashed: Sequence[str] = ()

    def height(self) -> float:
        return self._head() + _PLOT

    def draw(self) -> Html:
        curves = [self._pair(name, curve) for name, curve in self.curves.items()]
        clouds = [self._pair(name, cloud) for name, cloud in self.points.items()]
        levels = [self._pair("levels", level) for level in self.levels]
        drawn = curves + clouds + levels
        across = _scale([x for x, _ in drawn], self.log_x, _LEFT, WIDTH - _RIGHT, round_ends=False)
        heights = [y for _, y in drawn] + [np.array(list(self.guides.values()))]
        bottom = self._head() + _PLOT - _BOTTOM
        up = _scale(heights, self.log, bottom, self._head() + _TOP)
        names = [*self.points, *self.curves]
        return el(
            "g",
            el("text", self.title, y=12, class_="head"),
            _legend(names, self.dashed) if len(names) > 1 else None,
            _axes(across, up, bottom, self.x_name, self.y_name),
            [el("path", d=_path(x, y, across, up), class_="level") for x, y in levels],
            [_guide(name, up(value), bottom) for name, value in self.guides.items()],
            [_cloud(x, y, across, up, f"c{i % 8}") for i, (x, y) in enumerate(clouds)],
            [
                _curve(x, y, across, up, f"c{i % 8}", name in self.dashed)
                for i, (name, (x, y)) in enumerate(zip(self.curves, curves), start=len(clouds))
            ],
        )

    def _head(self) -> float:
        names = [*self.points, *self.curves]
        return 20 + _ROW * (len(_rows(names)) if len(names) > 1 else 0)

    def _pair(self, name: str, curve: Curve) -> tuple[Numbers, Numbers]:
        if isinstance(curve, tuple) and len(curve) == 2:
            x, y = np.asarray(curve[0], float), np.asarray(curve[1], float)
        else:
            y = np.asarray(curve, float)
            x = np.arange(1.0, y.size + 1) if self.x is None else np.asarray(self.x, float)
        if x.ndim != 1 or x.shape != y.shape:
            raise ShapeError(
                t(
                    "Lines: {name} has values of shape {y} over x of shape {x}; both must be [n].",
                    name=name,
                    x=x.shape,
                    y=y.shape,
                )
            )
        return x, y


def _scale(
    values: Sequence[Numbers], log: bool, start: float, end: float, round_ends: bool = True
) -> Scale:
    flat = np.concatenate([*values, np.zeros(0)]).tolist()
    ends = axis_range(flat, log)
    if ends is None:
        raise ArgumentError(t("A panel needs at least one value that can be drawn."))
    if not round_ends and not log:
        finite = [v for v in flat if math.isfinite(v)]
        if max(finite) > min(finite):
            ends = min(finite), max(finite)
    return Scale(*ends, start, end, log)


def _axes(across: Scale, up: Scale, bottom: float, x_name: str, y_name: str) -> Html:
    parts = []
    for value in up.ticks():
        y = _n(up(value))
        parts.append(el("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, class_="axis"))
        label = tick_label(value)
        parts.append(el("text", label, x=_LEFT - 7, y=y, dy="0.34em", text_anchor="end"))
    for value in across.ticks(8):
        x = _n(across(value))
        parts.append(el("line", x1=x, x2=x, y1=_n(bottom), y2=_n(bottom + 4), class_="axis"))
        parts.append(el("text", tick_label(value), x=x, y=_n(bottom + 17), text_anchor="middle"))
    low = _n(bottom + 32)
    parts.append(el("text", x_name, x=WIDTH - _RIGHT, y=low, text_anchor="end"))
    parts.append(el("text", f"↑ {y_name}", x=4, y=low) if y_name else Html(""))
    return el("g", parts)


def _guide(name: str, y: float | None, bottom: float) -> Html:
    at = _n(y)
    return el(
        "g",
        el("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=at, y2=at, class_="guide"),
        el("text", name, x=WIDTH - _RIGHT, y=_n((y or bottom) - 5), text_anchor="end"),
    )


def _curve(x: Numbers, y: Numbers, across: Scale, up: Scale, colour: str, dashed: bool) -> Html:
    kind = "line dashed" if dashed else "line"
    path = el("path", d=_path(x, y, across, up), class_=kind)
    # Points show where the values are; many of them would hide the curve.
    dots = [
        el("circle", cx=_n(across(a)), cy=_n(up(b)), r=2.6, class_="dot")
        for a, b in zip(x, y) if len(x) <= 25 and up(b) is not None
    ]  # fmt: skip
    return el("g", path, dots, class_=colour)


def _cloud(x: Numbers, y: Numbers, across: Scale, up: Scale, colour: str) -> Html:
    seen = [(across(a), up(b)) for a, b in zip(x, y)]
    dots = [
        el("circle", cx=_n(a), cy=_n(b), r=2.6, class_="cloud")
        for a, b in seen if a is not None and b is not None
    ]  # fmt: skip
    return el("g", dots, class_=colour)


def _path(x: Numbers, y: Numbers, across: Scale, up: Scale) -> str:
    """The drawn points; a value that cannot be drawn breaks the line."""
    out, pen = [], "M"
    for a, b in zip(x, y):
        right, height = across(float(a)), up(float(b))
        if right is None or height is None:
            pen = "M"
            continue
        out.append(f"{pen}{_n(right)},{_n(height)}")
        pen = "L"
    return "".join(out)


def _legend(names: Sequence[str], dashed: Sequence[str]) -> Html:
    parts = []
    for row, members in enumerate(_rows(names)):
        x, y = 0.0, 20 + 11 + _ROW * row
        for index in members:
            kind = "line dashed" if names[index] in dashed else "line"
            swatch = el("line", x1=_n(x), x2=_n(x + 18), y1=y - 4, y2=y - 4, class_=kind)
            label = el("text", names[index], x=_n(x + 23), y=y)
            parts.append(el("g", swatch, label, class_=f"c{index % 8}"))
            x += 40 + _text_width(names[index])
    return el("g", parts)


def _rows(names: Sequence[str]) -> list[list[int]]:
    """Numbers of the names in each line of the legend."""
    rows: list[list[int]] = []
    free = 0.0
    for index, name in enumerate(names):
        need = 40 + _text_width(name)
        if not rows or need > free:
            rows.append([])
            free = WIDTH
        rows[-1].append(index)
        free -= need
    return rows


def _text_width(text: str) -> float:
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return _CHARACTER * (len(text) - wide) + 11 * wide


# Bars ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bars:
    """One horizontal bar for each name, with its number.

    Args:
        title: what the panel shows.
        values: name → value, not negative; what is not finite gets no bar.
        log: lengths by the logarithm, from a tenth of the smallest value.
        form: how the numbers are written, such as ".1%".
    """

    title: str
    values: Mapping[str, float]
    log: bool = False
    form: str = ".3g"

    def height(self) -> float:
        return 28.0 + 24 * len(self.values)

    def draw(self) -> Html:
        values = {name: float(value) for name, value in self.values.items()}
        good = [v for v in values.values() if math.isfinite(v) and (v > 0 or not self.log)]
        if not good or min(good) < 0:
            raise ArgumentError(t("Bars needs values that are finite and not below zero."))
        start = 12 + max(map(_text_width, values))
        room = WIDTH - start - 62
        low = min(good) / 10 if self.log else 0.0
        scale = Scale(low, max(good) or 1.0, 0, room, self.log)
        parts = []
        for row, (name, value) in enumerate(values.items()):
            y = 26 + 24 * row
            length = max(0.0, scale(value) or 0.0)
            parts.append(el("text", name, x=_n(start - 8), y=y + 12, text_anchor="end"))
            bar = el("rect", x=_n(start), y=y, width=_n(length), height=17, rx=3, class_="bar")
            parts.append(el("g", bar, class_=f"c{row % 8}"))
            number = format(value, self.form)
            parts.append(el("text", number, x=_n(start + length + 6), y=y + 12))
        return el("g", el("text", self.title, y=12, class_="head"), parts)


# Pictures -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pictures:
    """Pictures in rows, each under its name.

    Args:
        title: what the panel shows.
        images: name → [h, w] or [3, h, w]; grey or colour 0 … 1 or uint8, other ranges are
            stretched. Names that begin with a blank are not shown.
        columns: pictures in a row; all by default.
        signed: blue below zero, vermilion above, for numbers that have a sign.
    """

    title: str
    images: Mapping[str, ArrayLike]
    columns: int | None = None
    signed: bool = False

    def height(self) -> float:
        rows = -(-len(self.images) // self._columns())
        return 24 + rows * self._row()

    def draw(self) -> Html:
        side, parts = self._side(), []
        for index, (name, image) in enumerate(self.images.items()):
            row, column = divmod(index, self._columns())
            x, y = column * (side + 8), 22 + row * self._row()
            array = np.asarray(image)
            h, w = array.shape[-2:]
            if self.signed:
                pixels = diverging(array.astype(float), float(np.abs(array).max()))
            else:
                pixels = photograph(array)
            size = {"width": _n(side), "height": _n(side * h / w)}
            parts.append(el("image", href=data_uri(pixels), x=_n(x), y=_n(y), **size))
            if not name.startswith(" "):
                middle, below = _n(x + side / 2), _n(y + side * h / w + 14)
                parts.append(el("text", name, x=middle, y=below, text_anchor="middle"))
        return el("g", el("text", self.title, y=12, class_="head"), parts)

    def _columns(self) -> int:
        return self.columns or len(self.images)

    def _side(self) -> float:
        """The width of one picture: as wide as the row allows, and none higher than 200."""
        shapes: Iterable[tuple[int, ...]] = (np.shape(image) for image in self.images.values())
        widest = 200 * min(shape[-1] / shape[-2] for shape in shapes)
        return min(widest, (WIDTH + 8) / self._columns() - 8)

    def _row(self) -> float:
        named = any(not name.startswith(" ") for name in self.images)
        shapes: Iterable[tuple[int, ...]] = (np.shape(image) for image in self.images.values())
        tallest = max(self._side() * shape[-2] / shape[-1] for shape in shapes)
        return tallest + (22 if named else 8)


def _n(value: float | None) -> str:
    return f"{value or 0.0:.1f}".removesuffix(".0")
