"""The curves of a run: loss, accuracy, learning rate, and the layers over time."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from chainrule.explain.report.charts import (
    COLOURS,
    DASHES,
    Chart,
    Series,
    layer_style,
    legend,
    render_chart,
)
from chainrule.explain.report.data import Best, ReportData, best_epoch
from chainrule.explain.report.markup import Html, Words, el, missing, section, t
from chainrule.explain.report.tables import column_name, table

#: More points than this cannot be told apart on a chart, and would make the page heavy.
MOST_EPOCHS = 400
MOST_BINS = 200
MOST_LAYERS = COLOURS * DASHES

_SHARES = ("accuracy", "precision", "recall", "f1", "saturated", "dead", "top5_accuracy")


# Over the epochs ----------------------------------------------------------------------------------


def curves_section(report: ReportData) -> Html:
    """Loss, accuracy, learning rate and whatever else was measured once an epoch."""
    heading = t("How it learned")
    if not report.history and not report.step_loss:
        return section("curves", heading, missing(t("No history of the training was recorded.")))
    best = best_epoch(report)
    rows = _thinned(report.history, best)
    charts = [
        _epoch_chart(t("Loss"), "loss", rows, best, t("What training makes smaller. Validation "
                     "rising while training falls is overfitting.")),
        # What has parts of its own does not classify.
        None if report.sections else
        _epoch_chart(t("Accuracy"), "accuracy", rows, best, t("The share of right answers.")),
        _rate_chart(report, rows),
        _step_chart(report),
    ]  # fmt: skip
    known = {"epoch", "loss", "accuracy", "lr", "seconds"}
    extra = dict.fromkeys(key.removeprefix("val_") for row in rows for key in row)
    charts += [_epoch_chart(column_name(k), k, rows, None) for k in extra if k not in known]
    return section(
        "curves",
        heading,
        el("div", [render_chart(c) for c in charts if c is not None], class_="grid two"),
        _thinning_note(report.history, rows),
        _epoch_table(rows),
        lead=_best_sentence(best, len(report.history)),
    )


def _best_sentence(best: Best | None, epochs: int) -> Words | None:
    if best is None:
        return None
    if epochs == 1:
        return t("The run has a single epoch, so the curves are single points.")
    if not best.by:
        return t("The weights kept are those of epoch {epoch}.", epoch=best.epoch)
    by = column_name(best.by)
    by = Words(by.en.lower(), by.zh)
    return t("Epoch {epoch} was the best by {by}.", epoch=best.epoch, by=by)


def _thinned(
    history: Sequence[Mapping[str, float | None]], best: Best | None
) -> Sequence[Mapping[str, float | None]]:
    """`history` or, if it is very long, an even choice with the last and the best epoch."""
    if len(history) <= MOST_EPOCHS:
        return history
    chosen = set(np.linspace(0, len(history) - 1, MOST_EPOCHS).round().astype(int).tolist())
    chosen |= {i for i, row in enumerate(history) if best and row["epoch"] == best.epoch}
    return [history[index] for index in sorted(chosen)]


def _thinning_note(history: Sequence[object], rows: Sequence[object]) -> Html | None:
    if len(rows) == len(history):
        return None
    words = t("{shown} of {all} epochs are drawn.", shown=len(rows), all=len(history))
    return el("p", words, class_="hint")


def _epoch_chart(
    title: Words,
    key: str,
    rows: Sequence[Mapping[str, float | None]],
    best: Best | None,
    hint: Words | None = None,
) -> Chart | None:
    if not rows:
        return None
    series = []
    for name, column, style in (
        (t("training"), key, "train"),
        (t("validation"), f"val_{key}", "val"),
    ):
        values = [row.get(column) for row in rows]
        if any(v is not None for v in values):
            series.append(Series(name, values, style))
    share = key in _SHARES
    return Chart(
        ident=f"chart-{''.join(c if c.isalnum() else '-' for c in key)}",
        title=title,
        x=[row["epoch"] or 0.0 for row in rows],
        x_name=t("epoch"),
        series=series,
        hint=hint,
        log=not share and _wide(series),
        share=share,
        best=best.epoch if best else None,
    )


def _wide(series: Sequence[Series]) -> bool:
    """Whether the values are above zero and spread so far that small ones need a log axis."""
    values = [v for s in series for v in s.values if v is not None and math.isfinite(v)]
    return bool(values) and min(values) > 0 and max(values) > 15 * min(values)


def _rate_chart(report: ReportData, rows: Sequence[Mapping[str, float | None]]) -> Chart | None:
    title, hint = t("Learning rate"), t("How far each step moves the weights.")
    if report.step_lr:
        x, values, _, _ = _bins(report.step_lr)
        series = [Series(title, values, "train")]
        return Chart("chart-lr", title, x, t("step"), series, hint)
    if not any(row.get("lr") is not None for row in rows):
        return None
    x = [row["epoch"] or 0.0 for row in rows]
    series = [Series(title, [row.get("lr") for row in rows], "train")]
    return Chart("chart-lr", title, x, t("epoch"), series, hint)


def _step_chart(report: ReportData) -> Chart | None:
    if not report.step_loss:
        return None
    x, values, low, high = _bins(report.step_loss)
    series = [Series(t("loss"), values, "train", low, high)]
    return Chart(
        "chart-steps",
        t("Loss of every step"),
        x,
        t("step"),
        series,
        t("The line is the mean of neighbouring steps, the band reaches from their smallest to "
          "their largest loss.") if low else None,
        log=_wide(series),
    )  # fmt: skip


def _bins(
    values: Sequence[float],
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Step numbers, means, minima and maxima of neighbours; no minima if nothing was merged.

    A neighbourhood with a value that is not finite has that as its mean: it must be seen.
    """
    size = math.ceil(len(values) / MOST_BINS)
    if size == 1:
        return [float(i + 1) for i in range(len(values))], list(values), [], []
    groups = [np.array(values[i : i + size]) for i in range(0, len(values), size)]
    x = [float(min((i + 1) * size, len(values))) for i in range(len(groups))]
    with np.errstate(invalid="ignore", over="ignore"):
        means = [float(group.mean()) for group in groups]
    ends = [group[np.isfinite(group)] for group in groups]
    low = [float(g.min()) if g.size else math.nan for g in ends]
    high = [float(g.max()) if g.size else math.nan for g in ends]
    return x, means, low, high


def _epoch_table(rows: Sequence[Mapping[str, float | None]]) -> Html | None:
    if not rows:
        return None
    caption = t("Every epoch in numbers")
    return el("details", el("summary", caption), table(rows, caption), class_="card numbers")


# Over the layers ----------------------------------------------------------------------------------


def layers_section(report: ReportData) -> Html:
    """Gradient and activation statistics of each layer over time, one chart a statistic."""
    heading = t("Inside the layers")
    layers = {name: rows for name, rows in report.layers.items() if rows}
    if not layers:
        return section(
            "layers", heading, missing(t("No gradient or activation statistics were recorded."))
        )
    shown = dict(list(layers.items())[:MOST_LAYERS])
    keys = dict.fromkeys(k for rows in shown.values() for row in rows for k in row if k != "epoch")
    charts = [_layer_chart(key, shown, report) for key in _ordered(keys)]
    names = [Series(name, (), layer_style(i)) for i, name in enumerate(shown)]
    left_out = None
    if len(shown) < len(layers):
        left_out = el(
            "p",
            t("The first {shown} of {all} layers are drawn.", shown=len(shown), all=len(layers)),
            class_="hint",
        )
    return section(
        "layers",
        heading,
        el("div", legend(names), class_="card common"),
        left_out,
        el("div", [render_chart(chart) for chart in charts], class_="grid two"),
        lead=t("How large the gradients and activations of each layer were, epoch by epoch."),
    )


_LAYER_ORDER = (
    "grad_norm",
    "grad_mean_abs",
    "update_ratio",
    "act_mean",
    "act_std",
    "saturated",
    "dead",
)


def _ordered(keys: Mapping[str, None]) -> list[str]:
    return [k for k in _LAYER_ORDER if k in keys] + [k for k in keys if k not in _LAYER_ORDER]


def _layer_chart(
    key: str, layers: Mapping[str, Sequence[Mapping[str, float | None]]], report: ReportData
) -> Chart:
    title, hint = _layer_words(key)
    x = _layer_epochs(layers, report)
    series = []
    for index, (name, rows) in enumerate(layers.items()):
        values = [row.get(key) for row in rows]
        if any(v is not None for v in values):
            values += [None] * (len(x) - len(values))
            series.append(Series(name, values, layer_style(index)))
    guide = (1e-3, t("rule of thumb: 0.001")) if key == "update_ratio" else None
    return Chart(
        ident=f"chart-layer-{''.join(c if c.isalnum() else '-' for c in key)}",
        title=title,
        x=x,
        x_name=t("epoch"),
        series=series,
        hint=hint,
        log=key in ("grad_norm", "grad_mean_abs", "update_ratio", "act_std"),
        share=key in _SHARES,
        guide=guide,
        legend=False,
    )


def _layer_epochs(
    layers: Mapping[str, Sequence[Mapping[str, float | None]]], report: ReportData
) -> list[float]:
    """The epochs of the longest list: its own, those of the history, or 1, 2, 3…"""
    longest = max(layers.values(), key=len)
    own = [row.get("epoch") for row in longest]
    if all(epoch is not None for epoch in own):
        return [float(epoch or 0) for epoch in own]
    if len(longest) == len(report.history):
        return [row["epoch"] or 0.0 for row in report.history]
    return [float(index + 1) for index in range(len(longest))]


def _layer_words(key: str) -> tuple[Words, Words | None]:
    known = {
        "grad_norm": (
            t("Gradient norm"),
            t("First layers far below the last ones: the gradient vanishes on its way back. "
              "Curves shooting up: it explodes."),
        ),
        "grad_mean_abs": (
            t("Mean size of a gradient entry"),
            t("The norm without the influence of the layer's size."),
        ),
        "update_ratio": (
            t("Update ratio"),
            t("Length of a step over length of the weights. Far above the line the weights jump, "
              "far below they hardly move."),
        ),
        "act_mean": (
            t("Mean activation"),
            t("Where the outputs of the layer are centred."),
        ),
        "act_std": (
            t("Spread of activations"),
            t("Near zero the layer answers every input alike."),
        ),
        "saturated": (
            t("Saturated share"),
            t("Outputs at the flat ends of their activation, where hardly any gradient passes."),
        ),
        "dead": (
            t("Dead share"),
            t("Units that answered zero to every input."),
        ),
    }  # fmt: skip
    plain = key.replace("_", " ")
    return known.get(key, (Words(plain, plain), None))
