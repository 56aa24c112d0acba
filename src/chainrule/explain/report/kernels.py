"""The kernels of a model as pictures, one common colour scale a layer."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chainrule.explain.report.data import Kernels, ReportData, class_name
from chainrule.explain.report.markup import Html, Words, described, el, missing, number, section, t
from chainrule.explain.report.pictures import data_uri, diverging, strip

MOST_FILTERS = 64
MOST_SLICES = 16
MOST_ROWS, MOST_COLUMNS = 256, 512

#: Edge of one kernel on the page, in CSS pixels, that the enlargement aims at.
_EDGE = 46


def kernels_section(report: ReportData) -> Html:
    """Every layer's kernels."""
    heading = t("What the kernels look like")
    layers = [Kernels(*each) for each in report.kernels]
    if not layers:
        return section("kernels", heading, missing(t("No kernels were recorded.")))
    return section(
        "kernels",
        heading,
        [_layer(report, each) for each in layers],
        lead=t("Orange weights add to the answer where the input is bright, blue ones take from "
               "it. The colour scale is the same within a layer."),
    )  # fmt: skip


def _layer(report: ReportData, kernels: Kernels) -> Html:
    weight = np.asarray(kernels.weight, dtype=np.float64)
    shape = " × ".join(map(str, weight.shape))
    head = [el("h3", kernels.layer), el("span", shape, class_="unit")]
    finite = weight[np.isfinite(weight)]
    if finite.size == 0:
        words = t("This layer has no finite weight.") if weight.size else t("This layer is empty.")
        return el("div", el("div", head, class_="head"), missing(words), class_="card kernels")
    limit = float(np.abs(finite).max())
    lost = weight.size - finite.size
    bad = t("{count} weights are not finite: magenta.", count=number(lost)) if lost else None
    maps = _as_maps(weight, report.input_shape)
    note: Words | None
    if maps is None:
        body, note = _matrix(kernels.layer, weight.reshape(len(weight), -1), limit)
    else:
        body, note = _filters(report, kernels.layer, maps, limit)
    return el(
        "div",
        el("div", head, _scale_bar(limit), class_="head"),
        body,
        el("p", note, class_="hint") if note else None,
        el("p", bad, class_="hint bad") if bad else None,
        class_="card kernels",
    )


def _as_maps(
    weight: NDArray[np.float64], input_shape: Sequence[int] | None
) -> NDArray[np.float64] | None:
    """`weight` as [out, slices, h, w], or None where it has no picture but a matrix."""
    if weight.ndim == 3:
        return weight[:, None]
    if weight.ndim == 4:
        return weight if weight.shape[2:] != (1, 1) else None
    if input_shape is not None and len(input_shape) in (2, 3):
        shape = (1, *input_shape) if len(input_shape) == 2 else tuple(input_shape)
        if math.prod(shape) == weight.shape[1] and min(shape[1:]) > 1:
            return weight.reshape(len(weight), *shape)
    return None


def _filters(
    report: ReportData, layer: str, maps: NDArray[np.float64], limit: float
) -> tuple[Html, Words | None]:
    out, slices, height, width = maps.shape
    shown = maps[:MOST_FILTERS, :MOST_SLICES]
    edge = _EDGE if shown.shape[1] <= 8 else _EDGE / 2
    zoom = max(1, min(12, round(edge / max(height, width))))
    # The last layer of a classifier has one kernel a class: name it.
    named = out == len(report.classes) and slices * height * width == math.prod(
        report.input_shape or (0,)
    )
    items = []
    for index in range(len(shown)):
        label = class_name(report, index) if named else str(index)
        words = t("{layer}, kernel {label}", layer=layer, label=label)
        picture = strip(shown[index], limit)
        items.append(
            el(
                "li",
                el("img", src=data_uri(picture), alt=words, width=picture.shape[1] * zoom,
                   height=picture.shape[0] * zoom, class_="pixels", **described(words, tip=True)),
                el("span", label),
            )
        )  # fmt: skip
    note = None
    if shown.shape[:2] != maps.shape[:2]:
        note = t(
            "Shown: {filters} of {all_filters} kernels, {slices} of {all_slices} input channels.",
            filters=len(shown),
            all_filters=out,
            slices=shown.shape[1],
            all_slices=slices,
        )
    elif slices > 1:
        note = t("Each strip is one kernel: its {slices} input channels in order.", slices=slices)
    names = described(t("{layer}: the kernels", layer=layer))
    return el("ul", items, class_="filters", tabindex=0, **names), note


def _matrix(layer: str, weight: NDArray[np.float64], limit: float) -> tuple[Html, Words]:
    """Weights that belong to no place in the input: rows outputs, columns inputs."""
    shown = weight[:MOST_ROWS, :MOST_COLUMNS]
    words = t("{layer}: the weights as a matrix", layer=layer)
    rows, columns = shown.shape
    zoom = max(1, min(12, 640 // columns, 320 // rows))
    picture = el("img", src=data_uri(diverging(shown, limit)), alt=words, width=columns * zoom,
                 height=rows * zoom, class_="pixels", **described(words))  # fmt: skip
    note = t("A row an output, a column an input.")
    if shown.shape != weight.shape:
        note = t(
            "A row an output, a column an input; the first {rows} of {all_rows} rows and "
            "{columns} of {all_columns} columns.",
            rows=rows,
            all_rows=weight.shape[0],
            columns=columns,
            all_columns=weight.shape[1],
        )
    return picture, note


def _scale_bar(limit: float) -> Html:
    """The colours from −limit to +limit with the numbers at their ends."""
    ramp = diverging(np.linspace(-1.0, 1.0, 65)[None], 1.0)
    words = t("Colour scale from −{limit} to +{limit}", limit=f"{limit:.3g}")
    return el(
        "span",
        f"−{limit:.3g}",
        el("img", src=data_uri(ramp), alt=words, width=110, height=10, **described(words)),
        f"+{limit:.3g}",
        class_="scale",
    )
