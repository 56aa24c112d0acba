"""The tables of a report: model summary, classes, configuration, environment, epochs."""

import math
from collections.abc import Mapping, Sequence

from chainrule.explain.report.data import ReportData, class_metrics
from chainrule.explain.report.markup import (
    Child,
    Html,
    Words,
    described,
    el,
    join,
    missing,
    number,
    percent,
    section,
    t,
)

_TEXT_COLUMNS = ("layer", "kind", "class", "output_shape", "kernel", "what")
_SHARES = ("precision", "recall", "f1", "share", "limit")


def column_name(key: str) -> Words:
    """The heading of a column or the name of a number, from its key."""
    known = {
        "layer": t("Layer"),
        "kind": t("Kind"),
        "output_shape": t("Output shape"),
        "parameters": t("Parameters"),
        "multiply_adds": t("Multiply-adds"),
        "receptive_field": t("Receptive field"),
        "class": t("Class"),
        "precision": t("Precision"),
        "recall": t("Recall"),
        "f1": t("F1"),
        "support": t("Examples"),
        "epoch": t("Epoch"),
        "loss": t("Loss"),
        "accuracy": t("Accuracy"),
        "val_loss": t("Validation loss"),
        "val_accuracy": t("Validation accuracy"),
        "perplexity": t("Perplexity"),
        "val_perplexity": t("Validation perplexity"),
        "bits_per_character": t("Bits a character"),
        "trigram_perplexity": t("Perplexity of counting 3 characters"),
        "trigram_accuracy": t("Accuracy of counting 3 characters"),
        "loss_objectness": t("Loss: object or not"),
        "loss_rpn_box_reg": t("Loss: boxes proposed"),
        "loss_classifier": t("Loss: classes"),
        "loss_box_reg": t("Loss: boxes"),
        "map": Words("mAP@[.5:.95]", "mAP@[.5:.95]"),
        "map_50": Words("mAP@0.5", "mAP@0.5"),
        "map_75": Words("mAP@0.75", "mAP@0.75"),
        "recall_small": t("Recall, small"),
        "recall_medium": t("Recall, medium"),
        "recall_large": t("Recall, large"),
        "proposals_recall": t("Objects proposed"),
        "anchors_matched": t("Anchors an object"),
        "lr": t("Learning rate"),
        "seconds": t("Seconds"),
        "kernel": t("Kernel"),
        "what": t("What it does"),
        "milliseconds": t("Milliseconds"),
        "share": t("Share of the time"),
        "gflops": Words("GFLOP/s", "GFLOP/s"),
        "gigabytes": Words("GB/s", "GB/s"),
        "limit": t("Of the limit"),
    }
    plain = key.replace("_", " ")
    return known.get(key, Words(plain, plain))


def table(rows: Sequence[Mapping[str, object]], caption: Words, bars: Sequence[str] = ()) -> Html:
    """`rows` as a table; the columns in `bars` get a bar as long as their share of the largest."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    largest = {key: max((_size(row.get(key)) for row in rows), default=0.0) for key in bars}
    body = []
    for row in rows:
        cells = []
        for key in keys:
            value = row.get(key)
            if key == keys[0]:
                cells.append(el("th", _show(key, value), scope="row"))
                continue
            share = _size(value) / largest[key] if largest.get(key) else None
            cells.append(
                el(
                    "td",
                    _show(key, value),
                    class_=_cell_class(key, share),
                    style=None if share is None else f"--share:{100 * share:.1f}%",
                )
            )
        body.append(el("tr", cells))
    heads = [
        el("th", column_name(k), scope="col", class_="text" if k in _TEXT_COLUMNS else None)
        for k in keys
    ]
    whole = el(
        "table",
        el("caption", caption, class_="away"),
        el("thead", el("tr", heads)),
        el("tbody", body),
    )
    return el("div", whole, class_="scroll", tabindex=0, role="region", **described(caption))


def _cell_class(key: str, share: float | None) -> str | None:
    names = ["text"] if key in _TEXT_COLUMNS else []
    return " ".join(names + ([] if share is None else ["bar"])) or None


def _size(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0.0
    return float(abs(value))


def _show(key: str, value: object) -> Child:
    if isinstance(value, bool):
        return t("yes") if value else t("no")
    if isinstance(value, tuple | list):
        return " × ".join(str(each) for each in value)
    if key in _SHARES:
        return percent(value if isinstance(value, int | float) else None)
    if value is None or isinstance(value, int | float):
        return number(value, 6)
    return str(value)


def classes_card(report: ReportData) -> Html | None:
    """Precision, recall and F1 a class."""
    rows = class_metrics(report)
    if not rows:
        return None
    heading = t("Class by class")
    return el(
        "div",
        el("h3", heading),
        table(rows, heading, ("precision", "recall", "f1")),
        el(
            "p",
            t(
                "Precision: how often the answer “this class” was right. Recall: how many of "
                "the class were found. F1: their harmonic mean."
            ),
            class_="hint",
        ),
        class_="card",
    )


def model_section(report: ReportData) -> Html:
    """The layers of the model with their sizes."""
    heading = t("The model")
    if not report.summary:
        return section("model", heading, missing(t("No summary of the model was recorded.")))
    totals = []
    for key in ("parameters", "multiply_adds"):
        values = [row.get(key) for row in report.summary if row.get(key) is not None]
        if values:
            size = sum(_size(value) for value in values)
            totals.append(el("li", el("b", number(size)), " ", column_name(key)))
    return section(
        "model",
        heading,
        el(
            "div",
            table(report.summary, heading, ("parameters", "multiply_adds")),
            el("ul", totals, class_="totals") if totals else None,
            class_="card",
        ),
        lead=t("Multiply-adds are those of one input going forward. The receptive field is the "
               "patch of the input that one output value can see."),
    )  # fmt: skip


def sample_section(report: ReportData) -> Html | None:
    """What the model writes; nothing for other models."""
    if not report.sample:
        return None
    return section(
        "sample",
        t("What it writes"),
        el("pre", report.sample, class_="card command"),
        lead=t("Drawn character by character from what the model says comes next."),
    )


def profile_section(report: ReportData) -> Html | None:
    """Where the time of a training step goes; nothing where it was not measured."""
    if not report.profile:
        return None
    heading = t("Time of a training step")
    return section(
        "profile",
        heading,
        el("div", table(report.profile, heading, ("milliseconds", "limit")), class_="card"),
        lead=t("The kernels of the compiled step. The limit is the least time that this machine "
               "needs for a kernel's arithmetic and memory, as measured on it."),
    )  # fmt: skip


def run_section(report: ReportData) -> Html:
    """How the run can be repeated: command, configuration, environment."""
    command = None
    if report.command:
        command = el("pre", el("code", report.command), class_="card command")
    config = _pairs(t("Configuration"), report.config, t("No configuration was recorded."))
    machine = _pairs(t("Environment"), report.environment, t("No environment was recorded."))
    return section(
        "run",
        t("The run"),
        command or missing(t("No command was recorded.")),
        el("div", config, machine, class_="grid two"),
    )


def _pairs(heading: Words, pairs: Mapping[str, object], empty: Words) -> Html:
    rows = [join(el("dt", str(key)), el("dd", _value(value))) for key, value in pairs.items()]
    content = el("dl", rows, class_="pairs") if rows else missing(empty)
    return el("div", el("h3", heading), content, class_="card")


def _value(value: object) -> Child:
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={each}" for key, each in value.items())
    return t("yes") if value is True else t("no") if value is False else str(value)
