"""Curves drawn as SVG, each with a legend and the same numbers as a table.

The script reads the table for its tooltips, so that every number stands in the page once.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chainrule.explain.report.markup import Html, Words, described, el, join, t
from chainrule.explain.report.scales import Scale, axis_range, linear_step, tick_label

WIDTH, HEIGHT = 440.0, 250.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 50.0, 12.0, 16.0, 34.0
COLOURS, DASHES = 8, 4


@dataclass(frozen=True)
class Series:
    """One curve. A None is skipped by the line; a value that cannot be drawn breaks it."""

    name: Words | str
    values: Sequence[float | None]
    #: Style: "train", "val" or the number of a layer, which picks its colour and dashes.
    style: str
    #: Lower and upper edge of a band around the curve.
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Chart:
    """One figure of curves over a common `x`."""

    ident: str
    title: Words | str
    x: Sequence[float]
    x_name: Words
    series: Sequence[Series]
    hint: Words | None = None
    log: bool = False
    #: Values are shares: labelled and listed as per cent.
    share: bool = False
    #: x of the epoch to mark, and which series carries the ring.
    best: float | None = None
    ring: int = -1
    #: A value to draw a level line at, and its label.
    guide: tuple[float, Words] | None = None
    #: Leave the legend out where one legend serves several charts.
    legend: bool = True


def layer_style(index: int) -> str:
    """The style of curve number `index` among many."""
    return f"c{index % COLOURS} d{index // COLOURS % DASHES}"


def render_chart(chart: Chart) -> Html:
    """The whole figure: title, legend, drawing and table."""
    drawing, lost = _drawing(chart)
    scale_note = t("logarithmic scale") if chart.log else None
    return el(
        "figure",
        el(
            "figcaption",
            el("h3", chart.title),
            el("span", scale_note, class_="unit") if scale_note else None,
            legend(chart.series) if chart.legend and len(chart.series) > 1 else None,
        ),
        drawing,
        el("p", _cross_words(chart.log), class_="hint") if lost else None,
        el("p", chart.hint, class_="hint") if chart.hint else None,
        _table(chart),
        class_="card chart",
        id=chart.ident,
    )


def _cross_words(log: bool) -> Words:
    if log:
        return t("× marks a value that is zero or not finite.")
    return t("× marks a value that is not finite.")


def legend(series: Sequence[Series]) -> Html:
    """The names of the curves, each beside a piece of its line."""
    return el(
        "ul",
        [el("li", _swatch(each.style), el("span", each.name)) for each in series],
        class_="legend",
    )


def _swatch(style: str) -> Html:
    line = el("line", x1=1, y1=5, x2=23, y2=5, class_="line")
    return el("svg", el("g", line, class_=style), class_="swatch", viewBox="0 0 24 10",
              aria_hidden="true")  # fmt: skip


# The drawing --------------------------------------------------------------------------------------


def _drawing(chart: Chart) -> tuple[Html, bool]:
    """The SVG, and whether some value could not be drawn."""
    edges = [v for s in chart.series for v in (*s.low, *s.high)]
    values = [v for s in chart.series for v in s.values if v is not None] + edges
    ends = axis_range(values, chart.log, chart.share)
    if ends is None:
        reason = t("No value here can be drawn: none is finite, or none is above zero.")
        if not values:
            reason = t("Not recorded in this run.")
        return el("p", reason, class_="missing"), False
    across = _x_scale(chart.x)
    up = Scale(*ends, HEIGHT - _BOTTOM, _TOP, chart.log)
    curves, lost = [], False
    for row, each in enumerate(chart.series):
        # Crosses of two curves at one epoch stand above each other, up to a third of the chart.
        curve, broken = _curve(each, chart.x, across, up, 9.0 * (1 + row % 8))
        curves.append(curve)
        lost = lost or broken
    names = " · ".join("{}" for _ in chart.series) if len(chart.series) <= COLOURS else ""
    words = [s.name if isinstance(s.name, Words) else Words(s.name, s.name) for s in chart.series]
    title = chart.title if isinstance(chart.title, Words) else Words(chart.title, chart.title)
    what = t(
        "{title}: a chart with {count} curves ({names}). Arrow keys read the values.",
        title=title,
        count=len(words),
        names=Words(names.format(*(w.en for w in words)), names.format(*(w.zh for w in words))),
    )
    svg = el(
        "svg",
        _grid(chart, across, up),
        curves,
        _best_line(chart, across),
        _guide(chart, up),
        _ring(chart, across, up),
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        aria_hidden="true",
        data_x=_places(across(x) for x in chart.x),
    )
    return el("div", svg, class_="plot", tabindex=0, role="img", **described(what)), lost


def _x_scale(x: Sequence[float]) -> Scale:
    low, high = min(x), max(x)
    if low == high:
        low, high = low - 1, high + 1
    return Scale(low, high, _LEFT + 8, WIDTH - _RIGHT - 8)


def _grid(chart: Chart, across: Scale, up: Scale) -> Html:
    bottom = HEIGHT - _BOTTOM
    lines, labels = [], []
    for value in up.ticks():
        y = up(value)
        lines.append(el("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=_n(y), y2=_n(y)))
        text = f"{tick_label(100 * value)} %" if chart.share else tick_label(value)
        labels.append(el("text", text, x=_LEFT - 7, y=_n(y), dy="0.34em", text_anchor="end"))
    for value in _x_ticks(chart.x):
        x = across(value)
        lines.append(el("line", x1=_n(x), x2=_n(x), y1=bottom, y2=bottom + 4))
        label = tick_label(value)
        labels.append(el("text", label, x=_n(x), y=bottom + 17, text_anchor="middle"))
    name = el("text", chart.x_name, x=WIDTH - _RIGHT, y=HEIGHT - 3, text_anchor="end")
    return join(el("g", lines, class_="axes"), el("g", labels, name, class_="ticks"))


def _x_ticks(x: Sequence[float]) -> list[float]:
    low, high = min(x), max(x)
    if low == high:
        return [low]
    step = max(1.0, linear_step(high - low, 9))
    ticks = [index * step for index in range(math.ceil(low / step), math.floor(high / step) + 1)]
    # The first epoch is 1, which is no multiple of a longer step: name it where there is room.
    if not ticks or (low == 1 and ticks[0] - low >= 0.7 * step):
        ticks.insert(0, low)
    return ticks


def _curve(
    series: Series, x: Sequence[float], across: Scale, up: Scale, lift: float
) -> tuple[Html, bool]:
    places = [
        (across(at), None if value is None else up(value))
        for at, value in zip(x, series.values, strict=True)
    ]
    lost = [
        at
        for (at, y), value in zip(places, series.values, strict=True)
        if value is not None and y is None
    ]
    runs: list[list[tuple[float | None, float]]] = [[]]
    for (at, y), value in zip(places, series.values, strict=True):
        if y is not None:
            runs[-1].append((at, y))
        elif value is not None and runs[-1]:
            runs.append([])
    path = "".join("M" + "L".join(f"{_n(a)},{_n(b)}" for a, b in run) for run in runs if run)
    drawn = [point for run in runs for point in run]
    # Points show where the values are; with many they would hide the curve. One alone has no line.
    lonely = [run[0] for run in runs if len(run) == 1]
    dots = drawn if len(drawn) <= 40 and series.style in ("train", "val") else lonely
    bottom = HEIGHT - _BOTTOM
    crosses = "".join(f"M{_n(a)},{_n(bottom - lift)}m-3.5,-3.5l7,7m-7,0l7,-7" for a in lost)
    group = el(
        "g",
        _band(series, x, across, up),
        el("path", d=path, class_="line") if path else None,
        [el("circle", cx=_n(a), cy=_n(b), r=2.4) for a, b in dots],
        el("path", d=crosses, class_="cross") if crosses else None,
        class_=f"series {series.style}",
        data_y=_places(y for _, y in places),
    )
    return group, bool(lost)


def _band(series: Series, x: Sequence[float], across: Scale, up: Scale) -> Html | None:
    if not series.low:
        return None
    upper = [(across(at), up(v)) for at, v in zip(x, series.high, strict=True)]
    lower = [(across(at), up(v)) for at, v in zip(x, series.low, strict=True)]
    points = [(a, b) for a, b in upper + lower[::-1] if b is not None]
    return el("polygon", points=" ".join(f"{_n(a)},{_n(b)}" for a, b in points), class_="band")


def _best_line(chart: Chart, across: Scale) -> Html | None:
    if chart.best is None or chart.best not in chart.x:
        return None
    x = across(chart.best) or 0.0
    anchor = "end" if x > WIDTH * 0.7 else "start"
    label = t("best epoch {epoch}", epoch=tick_label(chart.best))
    return el(
        "g",
        el("line", x1=_n(x), x2=_n(x), y1=_TOP - 4, y2=HEIGHT - _BOTTOM),
        el("text", label, x=_n(x + (-5 if anchor == "end" else 5)), y=_TOP - 4,
           text_anchor=anchor),
        class_="best",
    )  # fmt: skip


def _ring(chart: Chart, across: Scale, up: Scale) -> Html | None:
    if chart.best is None or chart.best not in chart.x or not chart.series:
        return None
    series = chart.series[chart.ring]
    value = series.values[list(chart.x).index(chart.best)]
    y = None if value is None else up(value)
    if y is None:
        return None
    ring = el("circle", cx=_n(across(chart.best)), cy=_n(y), r=5.5, class_="ring")
    return el("g", ring, class_=series.style)


def _guide(chart: Chart, up: Scale) -> Html | None:
    y = up(chart.guide[0]) if chart.guide else None
    if chart.guide is None or y is None or not _TOP <= y <= HEIGHT - _BOTTOM:
        return None
    return el(
        "g",
        el("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=_n(y), y2=_n(y)),
        el("text", chart.guide[1], x=WIDTH - _RIGHT, y=_n(y - 5), text_anchor="end"),
        class_="guide",
    )


def _n(value: float | None) -> str:
    return f"{value or 0.0:.1f}".removesuffix(".0")


def _places(values: Iterable[float | None]) -> str:
    return ",".join("" if v is None else _n(v) for v in values)


# The numbers --------------------------------------------------------------------------------------


def exact(value: float | None, share: bool = False) -> str:
    """`value` with the digits that are worth reading off a chart."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    return f"{100 * value:.2f} %" if share else f"{value:.6g}"


def _table(chart: Chart) -> Html:
    head = [el("th", each.name, scope="col") for each in chart.series]
    rows = [
        el(
            "tr",
            el("th", f"{x:g}", scope="row"),
            [el("td", exact(each.values[i], chart.share)) for each in chart.series],
        )
        for i, x in enumerate(chart.x)
    ]
    table = el(
        "table",
        el("caption", chart.title),
        el("thead", el("tr", el("th", chart.x_name, scope="col"), head)),
        el("tbody", rows),
    )
    return el(
        "details",
        el("summary", t("Values as a table")),
        el("div", table, class_="scroll", tabindex=0, role="region", **described(t("Values"))),
        class_="numbers",
    )
