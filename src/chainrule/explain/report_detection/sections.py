"""Parts of a run report that only a detector has: curves by class, misses, false alarms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.explain.report.charts import Chart, Series, layer_style, render_chart
from chainrule.explain.report.data import Section
from chainrule.explain.report.markup import Html, Words, el, missing, number, section, t
from chainrule.explain.report.pictures import data_uri, photograph
from chainrule.train.average_precision import DetectionScores, pairwise_iou

#: Mistakes shown of each kind, and curves in one chart.
MOST, CURVES = 12, 16
_RECALLS = np.linspace(0, 1, 51)
_ASKED, _FOUND = "#ff7a1a", "#4fb0ff"
#: Detections with this score or more are drawn beside a mistake.
_SURE = 0.3
#: What is seen around a mistake, as a multiple of its box, and the least, in pixels.
_AROUND, _LEAST = 2.5, 48


class Mistake(NamedTuple):
    """An object that was missed, or a detection that is none: the number of the image among those
    evaluated, the box, its label, and the score (NaN for a miss)."""

    image: int
    box: NDArray[Any]
    label: int
    score: float


def mistakes(
    found: Sequence[Mapping[str, NDArray[Any]]], targets: Sequence[Mapping[str, NDArray[Any]]]
) -> tuple[list[Mistake], list[Mistake]]:
    """The misses, those of the largest objects first, and the false alarms, the surest first.

    Missed is an object that no detection of its class overlaps by an IoU of 0.5; a false alarm is a
    detection that overlaps no object of its class so much.
    """
    missed, alarms = [], []
    for k, (ours, theirs) in enumerate(zip(found, targets, strict=True)):
        same = ours["labels"][:, None] == theirs["labels"][None]
        close = (pairwise_iou(ours["boxes"], theirs["boxes"]) >= 0.5) & same
        asked = ~theirs["ignored"]
        for i in np.flatnonzero(asked & ~close.any(0)):
            missed.append(Mistake(k, theirs["boxes"][i], int(theirs["labels"][i]), math.nan))
        for i in np.flatnonzero(~close.any(1)):
            alarms.append(
                Mistake(k, ours["boxes"][i], int(ours["labels"][i]), float(ours["scores"][i]))
            )
    missed.sort(key=lambda m: -float((m.box[2:] - m.box[:2]).prod()))
    return missed, sorted(alarms, key=lambda m: -m.score)


def detection_sections(
    scores: DetectionScores,
    classes: Sequence[str],
    found: Sequence[Mapping[str, NDArray[Any]]],
    targets: Sequence[Mapping[str, NDArray[Any]]],
    image_of: Any,
) -> list[Section]:
    """The parts for `ReportData.sections`.

    found, targets: as of `Evaluation`; image_of: number among them → image (C, H, W).
    """
    missed, alarms = mistakes(found, targets)
    return [
        Section("precision", t("Precision"), _curves(scores, classes)),
        Section(
            "missed",
            t("Missed"),
            _gallery(
                "missed", t("What it missed"), missed, classes, found, targets, image_of,
                t("Objects that no detection of their class overlaps by half, the largest first."),
            ),
        ),
        Section(
            "alarms",
            t("False alarms"),
            _gallery(
                "alarms", t("What is not there"), alarms, classes, found, targets, image_of,
                t("Detections that no object of their class overlaps by half, the surest first."),
            ),
        ),
    ]  # fmt: skip


def _curves(scores: DetectionScores, classes: Sequence[str]) -> Html:
    heading = t("Precision over recall")
    series = []
    for k, (name, curve) in enumerate(zip(classes, scores.curves, strict=True)):
        if curve is None:
            continue
        place = np.searchsorted(curve.recall, _RECALLS, side="left")
        values = np.append(curve.precision, 0.0)[np.minimum(place, len(curve.precision))]
        series.append(Series(f"{name} ({scores.ap[k, 0]:.3f})", values.tolist(), layer_style(k)))
    if not series:
        return section("precision", heading, missing(t("There was no object to find.")))
    charts = [
        render_chart(
            Chart(
                f"chart-precision-{k}", t("Precision"), _RECALLS.tolist(), t("recall"),
                series[k : k + CURVES], share=True,
            )
        )
        for k in range(0, len(series), CURVES)
    ]  # fmt: skip
    sizes = (
        (t("all sizes"), scores.recall),
        (t("small, under 32² pixels"), scores.recall_small),
        (t("medium, to 96² pixels"), scores.recall_medium),
        (t("large"), scores.recall_large),
    )
    rows = [
        el("tr", el("th", name, scope="row"), el("td", number(None if math.isnan(v) else v)))
        for name, v in sizes
    ]
    table = el("table", el("tbody", rows))
    title = t("Share of objects found, mean over the thresholds")
    recalls = el("div", el("h3", title), el("div", table, class_="scroll"), class_="card")
    return section(
        "precision", heading,
        el("div", charts, recalls, class_="grid two"),
        lead=t(
            "Of each class at IoU {value:g}; in brackets its average precision.",
            value=scores.thresholds[0],
        ),
    )  # fmt: skip


def _gallery(
    ident: str, heading: Words, made: Sequence[Mistake], classes: Sequence[str],
    found: Sequence[Mapping[str, NDArray[Any]]], targets: Sequence[Mapping[str, NDArray[Any]]],
    image_of: Any, lead: Words,
) -> Html:  # fmt: skip
    if not made:
        return section(ident, heading, missing(t("None.")))
    cards = [
        _card(one, classes, image_of(one.image), found[one.image], targets[one.image])
        for one in made[:MOST]
    ]
    count = t("{shown} of {all} are shown.", shown=min(len(made), MOST), all=len(made))
    key = t("Orange, dashed: the objects. Blue: what was found, with class and score.")
    return section(
        ident, heading,
        el("div", cards, style="display:flex;flex-wrap:wrap;gap:1rem"),
        el("p", count, " ", key, class_="hint"),
        lead=lead,
    )  # fmt: skip


def _card(
    one: Mistake, classes: Sequence[str], image: NDArray[Any],
    found: Mapping[str, NDArray[Any]], target: Mapping[str, NDArray[Any]],
) -> Html:  # fmt: skip
    """The surroundings of a mistake, with the boxes in them."""
    whole = np.array([image.shape[2], image.shape[1]])
    side = max(float((one.box[2:] - one.box[:2]).max()) * _AROUND, _LEAST)
    # A square inside the image where there is room for it.
    start = np.clip((one.box[:2] + one.box[2:] - side) / 2, 0, np.maximum(whole - side, 0))
    (x1, y1), (x2, y2) = start.astype(int), np.minimum(start + side, whole).astype(int)
    part = photograph(np.ascontiguousarray(image[:, y1:y2, x1:x2]))
    shapes: list[Html] = []
    for box in target["boxes"]:
        shapes.append(_rectangle(box, _ASKED, side, f"{2 * side / 100} {1.5 * side / 100}"))
    for box, label, score in zip(found["boxes"], found["labels"], found["scores"], strict=True):
        # The mistake itself, and what else the model is rather sure of.
        if score < _SURE and not np.array_equal(box, one.box):
            continue
        shapes.append(_rectangle(box, _FOUND, side, None))
        x, y = float(np.clip(box[0], x1, x2)), float(np.clip(box[1], y1 + 0.09 * side, y2))
        style = (f"font-size:{0.08 * side:.3g}px;fill:{_FOUND};stroke:#000;paint-order:stroke;"
                 f"stroke-width:{0.01 * side:.3g}px")  # fmt: skip
        shapes.append(
            el("text", f"{classes[int(label) - 1]} {score:.2f}", x=x, y=y - 0.02 * side,
               style=style)
        )  # fmt: skip
    name = classes[one.label - 1]
    caption = name if math.isnan(one.score) else f"{name} {one.score:.3f}"
    drawing = el(
        "svg",
        el("image", href=data_uri(part), x=x1, y=y1, width=x2 - x1, height=y2 - y1,
           style="image-rendering:pixelated"),
        shapes,
        viewBox=f"{x1} {y1} {x2 - x1} {y2 - y1}", width=200, height=200, role="img",
        aria_label=caption,
    )  # fmt: skip
    return el("figure", drawing, el("figcaption", caption), style="margin:0")


def _rectangle(box: NDArray[Any], colour: str, side: float, dashes: str | None) -> Html:
    x1, y1, x2, y2 = (float(v) for v in box)
    return el("rect", x=x1, y=y1, width=x2 - x1, height=y2 - y1, fill="none", stroke=colour,
              stroke_width=side / 100, stroke_dasharray=dashes)  # fmt: skip
