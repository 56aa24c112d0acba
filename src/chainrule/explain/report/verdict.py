"""What the model gets right and wrong: confusion matrix, class table, wrong predictions."""

import math

import numpy as np
from numpy.typing import NDArray

from chainrule.explain.report.data import (
    ReportData,
    WrongPrediction,
    class_name,
    wrong_total,
)
from chainrule.explain.report.markup import (
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
from chainrule.explain.report.pictures import data_uri, diverging, photograph
from chainrule.explain.report.tables import classes_card

#: With more classes the counts no longer fit, and the matrix becomes a picture.
MOST_CELLS = 24
MOST_PAIRS = 12
MOST_WRONG = 200


# Confusion matrix ---------------------------------------------------------------------------------


def confusion_section(report: ReportData) -> Html:
    """The confusion matrix, the most frequent mistakes and the numbers of each class."""
    heading = t("What it confuses")
    if report.confusion is None:
        return section(
            "confusion",
            heading,
            missing(t("No confusion matrix was recorded.")),
            classes_card(report),
        )
    counts = np.asarray(report.confusion)
    matrix = _matrix(report, counts) if len(counts) <= MOST_CELLS else _large_matrix(counts)
    return section(
        "confusion",
        heading,
        el(
            "div",
            el("div", el("h3", t("Confusion matrix")), matrix, _pairs(report, counts),
               class_="card"),
            classes_card(report),
            class_="grid two",
        ),
        lead=_confusion_sentence(report, counts),
    )  # fmt: skip


def _confusion_sentence(report: ReportData, counts: NDArray[np.int64]) -> Words:
    total, right = int(counts.sum()), int(np.trace(counts))
    if total == 0:
        return t("The matrix is empty: nothing was evaluated.")
    if right == total:
        return t("All {total} examples were answered right.", total=number(total))
    return t(
        "{right} of {total} right ({share}), {wrong} wrong.",
        right=number(right),
        total=number(total),
        share=percent(right / total),
        wrong=number(total - right),
    )


def _matrix(report: ReportData, counts: NDArray[np.int64]) -> Html:
    names = [class_name(report, i) for i in range(len(counts))]
    listed = {(each[1], each[2]) for each in report.wrong}
    tall = " tall" if max(map(len, names)) > 3 else ""
    head = [el("th", el("span", name), scope="col") for name in names]
    corner = el("td", t("true ↓ predicted →"), class_="corner")
    rows = [
        el(
            "tr",
            el("th", names[i], scope="row"),
            [_cell(counts, names, i, j, (i, j) in listed) for j in range(len(counts))],
        )
        for i in range(len(counts))
    ]
    table = el(
        "table",
        el("caption", t("Confusion matrix: rows are true classes, columns predicted ones"),
           class_="away"),
        el("thead", el("tr", corner, head)),
        el("tbody", rows),
        class_="confusion" + tall,
    )  # fmt: skip
    hint = t("Blue: right. Orange: wrong, darker where it happens more often.")
    if listed:
        hint = t(
            "Blue: right. Orange: wrong, darker where it happens more often. "
            "Choose an orange cell to see only those mistakes below."
        )
    region = described(t("Confusion matrix"))
    return join(
        el("div", table, class_="scroll", tabindex=0, role="region", **region),
        el("p", hint, class_="hint"),
    )


def _cell(counts: NDArray[np.int64], names: list[str], i: int, j: int, listed: bool) -> Html:
    count, row = int(counts[i, j]), int(counts[i].sum())
    off = counts[~np.eye(len(counts), dtype=bool)]
    # Mistakes are scaled among themselves: beside the hits they would all look white.
    # Among a few single ones none stands out, so the scale is never shorter than 5.
    largest = max(1, int(np.diag(counts).max())) if i == j else max(5, int(off.max(initial=0)))
    depth = math.sqrt(count / largest)
    words = t(
        "true {true}, predicted {predicted}: {count} of {row} ({share})",
        true=names[i],
        predicted=names[j],
        count=number(count),
        row=number(row),
        share=percent(count / row if row else None, 1),
    )
    # Past these depths a light number is easier to read than a dark one.
    kind = "hit" if i == j else "miss"
    kind += " deep" if depth > (0.72 if i == j else 0.85) else ""
    text = number(count) if count else el("span", "0", class_="none")
    style = f"--depth:{100 * depth:.0f}%"
    if listed:
        button = el("button", text, type="button", data_true=i, data_predicted=j,
                    aria_pressed="false", **described(words, tip=True))  # fmt: skip
        return el("td", button, class_=kind, style=style)
    return el("td", el("span", text, role="img", **described(words, tip=True)), class_=kind,
              style=style)  # fmt: skip


def _large_matrix(counts: NDArray[np.int64]) -> Html:
    """The matrix as a picture: shares of each true class, mistakes orange, hits blue."""
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    signed = np.sqrt(share) * np.where(np.eye(len(counts), dtype=bool), -1.0, 1.0)
    words = t(
        "Confusion matrix of {count} classes as a picture: rows are true classes, columns "
        "predicted ones, blue is right, orange is wrong.",
        count=len(counts),
    )
    picture = el("img", src=data_uri(diverging(signed, 1.0)), alt=words, width=len(counts),
                 height=len(counts), class_="pixels wide", **described(words))  # fmt: skip
    return join(picture, el("p", words, class_="hint"))


def _pairs(report: ReportData, counts: NDArray[np.int64]) -> Html | None:
    """The most frequent mistakes as a list."""
    off = counts * ~np.eye(len(counts), dtype=bool)
    order = np.argsort(-off, axis=None, kind="stable")[:MOST_PAIRS]
    items = []
    for place in order.tolist():
        i, j = divmod(place, len(counts))
        if off[i, j] == 0:
            break
        names = el("b", class_name(report, i)), " → ", el("b", class_name(report, j))
        items.append(el("li", names, " ", el("span", f"× {number(int(off[i, j]))}")))
    if not items:
        return None
    return join(el("h4", t("Most frequent mistakes")), el("ol", items, class_="mistakes"))


# Wrong predictions --------------------------------------------------------------------------------


def wrong_section(report: ReportData) -> Html:
    """Pictures of the wrong predictions, the most confident first."""
    heading = t("What it got wrong")
    total = wrong_total(report)
    if not report.wrong:
        words = t("Pictures of the wrong predictions were not recorded.")
        if total == 0 and report.confusion is not None and np.asarray(report.confusion).sum():
            words = t("Nothing: every example was answered right.")
        return section("wrong", heading, missing(words))
    examples = [WrongPrediction(*each) for each in report.wrong]
    examples.sort(key=lambda e: -e.probability if math.isfinite(e.probability) else math.inf)
    shown = examples[:MOST_WRONG]
    status = t("Showing {shown} of {total}.", shown=number(len(shown)), total=number(total))
    return section(
        "wrong",
        heading,
        el(
            "div",
            el("div", el("p", status, id="wrong-status", role="status"),
               el("button", t("Show all"), type="button", id="wrong-all", hidden=True),
               class_="filter"),
            el("ul", [_wrong_item(report, each) for each in shown], class_="wrong",
               tabindex=0, **described(t("Wrong predictions"))),
            class_="card",
        ),
        lead=t("True class → predicted class, and how sure the model was. The most confident "
               "mistakes come first: often they are unclear pictures, or wrong labels."),
    )  # fmt: skip


def _wrong_item(report: ReportData, each: WrongPrediction) -> Html:
    true, predicted = class_name(report, each.true), class_name(report, each.predicted)
    words = t(
        "true {true}, predicted {predicted}, probability {share}",
        true=true,
        predicted=predicted,
        share=percent(each.probability, 1),
    )
    pixels = photograph(np.asarray(each.image))
    share = each.probability if math.isfinite(each.probability) else 0.0
    return el(
        "li",
        el("img", src=data_uri(pixels), alt=words, width=pixels.shape[1], height=pixels.shape[0],
           class_="pixels", loading="lazy", **described(words)),
        el("span", el("b", true), " → ", el("b", predicted, class_="bad"), class_="pair"),
        el("span", percent(each.probability, 1), class_="bar",
           style=f"--share:{100 * min(max(share, 0.0), 1.0):.1f}%"),
        data_true=each.true,
        data_predicted=each.predicted,
    )  # fmt: skip
