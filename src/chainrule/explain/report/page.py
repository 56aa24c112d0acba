"""The run report: one self-contained HTML file that needs no network and no script to be read."""

import math
import os
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import numpy as np

from chainrule.base.files import atomic_write
from chainrule.base.text import language
from chainrule.explain.report.charts import exact
from chainrule.explain.report.curves import curves_section, layers_section
from chainrule.explain.report.data import ReportData, best_epoch, checked
from chainrule.explain.report.kernels import kernels_section
from chainrule.explain.report.markup import (
    Html,
    Words,
    described,
    duration,
    el,
    number,
    percent,
    t,
)
from chainrule.explain.report.tables import (
    column_name,
    model_section,
    profile_section,
    run_section,
    sample_section,
)
from chainrule.explain.report.verdict import confusion_section, wrong_section

_SHARES = ("accuracy", "precision", "recall", "f1", "top5_accuracy", "trigram_accuracy")


def write_report(path: str | os.PathLike[str], report: ReportData) -> Path:
    """Write the page of `report` to `path` (its folder must exist) and return that.

    A kill on the way leaves the file that was there before. Wrong data raises before writing.
    """
    return atomic_write(path, render_report(report))


def render_report(report: ReportData) -> str:
    """The page of `report`: HTML with styles, script and pictures inside.

    It opens in the language in use now and holds the other one too.
    """
    report = checked(report)
    style, script = _asset("report.css"), _asset("report.js")
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"{report.title} · chainrule"),
        el("style", Html(style)),
    )
    body = el(
        "body",
        el("a", t("Skip to the content"), href="#main", class_="skip"),
        _top(report),
        el(
            "main",
            _hero(report),
            curves_section(report),
            sample_section(report),
            *_of_classes(report),
            *(part.content for part in report.sections),
            *([layers_section(report)] if _watched(report) else []),
            model_section(report),
            profile_section(report),
            run_section(report),
            id="main",
        ),
        el("footer", t("Made by chainrule. This file holds everything it shows.")),
        el("div", id="tip", role="status", aria_live="polite", hidden=True),
        el("script", Html(script)),
    )
    page = el("html", head, body, lang="zh-Hans" if language() == "zh" else "en")
    return f"<!doctype html>\n{page}\n"


def _classifies(report: ReportData) -> bool:
    """A model that writes or detects has no classes to confuse and no kernels to look at."""
    return not (report.sample or report.sections) or report.confusion is not None


def _watched(report: ReportData) -> bool:
    """The layers of a detector are not recorded."""
    return not report.sections or any(report.layers.values())


def _of_classes(report: ReportData) -> list[Html]:
    if not _classifies(report):
        return []
    return [confusion_section(report), wrong_section(report), kernels_section(report)]


def _asset(name: str) -> str:
    return files("chainrule.explain.report").joinpath("assets", name).read_text("utf-8")


def _policy(script: str) -> str:
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


# Head of the page ---------------------------------------------------------------------------------


def _top(report: ReportData) -> Html:
    links = (
        ("curves", t("Curves")),
        *([("sample", t("Sample"))] if report.sample else []),
        *(
            [
                ("confusion", t("Confusion")),
                ("wrong", t("Mistakes")),
                ("kernels", t("Kernels")),
            ]
            if _classifies(report)
            else []
        ),
        *((part.ident, part.name) for part in report.sections),
        *([("layers", t("Layers"))] if _watched(report) else []),
        ("model", t("Model")),
        *([("profile", t("Time"))] if report.profile else []),
        ("run", t("Run")),
    )
    chinese = language() == "zh"
    return el(
        "header",
        el("div", _mark(), el("b", "chainrule"), class_="brand"),
        el("nav", [el("a", words, href=f"#{ident}") for ident, words in links],
           **described(t("Parts of the report"))),
        _switch("lang", t("Language"), (("en", "EN", not chinese), ("zh", "中文", chinese))),
        _switch("theme", t("Brightness"), (
            ("auto", t("Auto"), True), ("light", t("Light"), False), ("dark", t("Dark"), False),
        )),
        class_="top",
    )  # fmt: skip


def _switch(name: str, legend: Words, choices: tuple[tuple[str, Words | str, bool], ...]) -> Html:
    """Radio buttons: the style sheet reads them, so they work without the script."""
    labels = [
        el(
            "label",
            el("input", type="radio", name=name, id=f"{name}-{value}", checked=on),
            el("span", words),
        )
        for value, words, on in choices
    ]
    return el("fieldset", el("legend", legend, class_="away"), labels, class_=f"switch {name}")


def _mark() -> Html:
    """Two links of a chain."""
    return el(
        "svg",
        el("rect", x=2, y=8, width=19, height=12, rx=6, class_="one"),
        el("rect", x=13, y=8, width=19, height=12, rx=6, class_="two"),
        el("path", d="M15,8h0a6,6 0 0 1 6,6", class_="one"),
        viewBox="0 0 34 28",
        class_="mark",
        aria_hidden="true",
    )


def _hero(report: ReportData) -> Html:
    parts = [part for part in (report.model, report.evaluated_on, report.created) if part]
    return el(
        "div",
        el("h1", report.title),
        el("p", " · ".join(parts), class_="lead") if parts else None,
        [el("p", note, class_="note") for note in report.notes],
        el("dl", [_tile(*tile) for tile in _tiles(report)], class_="tiles"),
        class_="hero",
    )


def _tile(name: Words, value: str, first: bool) -> Html:
    return el("div", el("dt", name), el("dd", value), class_="first" if first else None)


def _tiles(report: ReportData) -> list[tuple[Words, str, bool]]:
    """Name and text of the numbers at the head; the first is the one to look at."""
    metrics: Mapping[str, float | None] = report.metrics
    if not metrics and report.confusion is not None:
        counts = np.asarray(report.confusion)
        total = int(counts.sum())
        metrics = {"accuracy": int(np.trace(counts)) / total if total else None}
    tiles = [
        (column_name(key), percent(value) if key.removeprefix("val_") in _SHARES else
         exact(value if value is None else float(f"{value:.4g}")))
        for key, value in metrics.items()
    ]  # fmt: skip
    best = best_epoch(report)
    if best is not None:
        tiles.append((t("Best epoch"), f"{best.epoch} / {len(report.history) or '–'}"))
    seconds = [s for row in report.history if (s := row.get("seconds")) and math.isfinite(s)]
    if seconds:
        tiles.append((t("Training time"), duration(sum(seconds))))
    sizes = [row.get("parameters") for row in report.summary]
    known = [size for size in sizes if isinstance(size, int)]
    if known:
        tiles.append((t("Parameters"), number(sum(known))))
    return [(name, value, index == 0) for index, (name, value) in enumerate(tiles)]
