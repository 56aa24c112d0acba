"""An explained image as text, Markdown, and HTML without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

from chainrule.base.text import t
from chainrule.explain.detection import words
from chainrule.explain.detection.data import label, lost_data, title

if TYPE_CHECKING:
    from chainrule.explain.detection.explanation import DetectionExplanation, Trail

#: So many boxes are worked in full in a text; `box(k)` gives any of them.
SHOWN = 5


def heading(trail: Trail, k: int | None = None) -> str:
    """`Box 0: seven 0.981`"""
    name = f"{trail.label} {trail.score:.3f}"
    return name if k is None else t("Box {k}: {name}", k=k, name=name)


def worked(trail: Trail, digits: int) -> Iterator[tuple[str, str, list[tuple[str, str, str]]]]:
    """Of each stage: title, sentence, and its lines as label, formula, mark."""
    for stage in trail.stages:
        lines = []
        for line in stage.lines:
            check = trail.checks.get(line.key)
            lines.append((label(trail, line.key), line.text(digits), check.mark if check else ""))
        yield words.stage_title(stage.key), words.stage_hint(stage.key), lines


def summary(of: DetectionExplanation) -> str:
    """How many boxes there were at each stage."""
    found = of.found
    anchors = sum(len(level.logits) for level in found.levels)
    kept = int((found.second.state != "unfit").sum())
    return t(
        "{anchors} anchors → {first} looked at → {proposals} proposals → {second} boxes above "
        "{threshold} → {boxes} detections",
        anchors=anchors, first=len(found.anchors), proposals=len(found.proposals), second=kept,
        threshold=of.model.roi_heads.score_thresh, boxes=len(of),
    )  # fmt: skip


def lost_lines(of: DetectionExplanation) -> Iterator[tuple[str, list[str]]]:
    """Headings of what was lost, with a line for each."""
    found: dict[str, Any] = lost_data(of)
    if found["misses"] is not None:
        yield (
            t("Missed objects"),
            [
                t(
                    "object {k} ({name}): {why}",
                    k=m["object"],
                    name=of.class_name(m["label"]),
                    why=m["text"],
                )
                for m in found["misses"]
            ],
        )
        yield (
            t("False alarms"),
            [t("box {k}: {why}", k=a["detection"], why=a["text"]) for a in found["false_alarms"]],
        )
    yield (
        t("Proposals given up"),
        [t("proposal {k}: {why}", k=n["first"], why=n["text"]) for n in found["near"]],
    )


def _more(of: DetectionExplanation) -> str:
    return t("{n} more: explanation.box(k) shows each.", n=len(of) - SHOWN)


# ---- text -----------------------------------------------------------------------------------


def trail_text(trail: Trail, digits: int, head: str = "") -> str:
    """One box."""
    out = [head or heading(trail)]
    for name, hint, lines in worked(trail, digits):
        out.append(f"  {name}: {hint}")
        for what, text, mark in lines:
            out.append(f"    {text}    {what}" + (f"  {mark}" if mark else ""))
    return "\n".join(out) + "\n"


def to_text(of: DetectionExplanation, digits: int) -> str:
    out = [f"{title(of)}\n{summary(of)}\n"]
    out += [trail_text(of.box(k), digits, heading(of.box(k), k)) for k in _shown(of)]
    if len(of) > SHOWN:
        out.append(_more(of) + "\n")
    for name, lines in lost_lines(of):
        if lines:
            out.append("\n".join([name, *(f"  {line}" for line in lines)]) + "\n")
    if of.checked is not None:
        out.append(str(of.checked) + "\n")
    return "\n".join(out)


def _shown(of: DetectionExplanation) -> range:
    return range(min(len(of), SHOWN))


# ---- markup ---------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """Text in which nothing is markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|$&~])", r"\\\1", text.replace("\n", " "))


def to_markdown(of: DetectionExplanation, digits: int) -> str:
    out = [f"# {_plain(title(of))}", _plain(summary(of))]
    for k in _shown(of):
        out.append(f"## {_plain(heading(of.box(k), k))}")
        for name, hint, lines in worked(of.box(k), digits):
            rows = [
                f"- {_plain(what)}: {_plain(text)} {mark}".rstrip() for what, text, mark in lines
            ]
            out.append("\n".join([f"### {_plain(name)}", "", _plain(hint), "", *rows]))
    if len(of) > SHOWN:
        out.append(_plain(_more(of)))
    for name, reasons in lost_lines(of):
        if reasons:
            out.append("\n".join([f"## {_plain(name)}", "", *(f"- {_plain(x)}" for x in reasons)]))
    if of.checked is not None:
        out.append(_plain(str(of.checked)))
    return "\n\n".join(out) + "\n"


_STYLE = (
    ".cr-detect{font:14px/1.5 system-ui,sans-serif;max-width:60rem;color:#1b2130;"
    "background:#fff;padding:.5rem 1rem;border-radius:8px}"
    ".cr-detect details{border-top:1px solid #dedcd4;padding:.3rem 0}"
    ".cr-detect summary{cursor:pointer;font-weight:600}"
    ".cr-detect h4{margin:.6rem 0 .1rem;font-size:.95em}"
    ".cr-detect p{margin:.1rem 0;color:#596175}"
    ".cr-detect pre{margin:.2rem 0;white-space:pre-wrap;font:13px/1.45 ui-monospace,monospace}"
    ".cr-detect i{color:#596175;font-style:normal}.cr-detect .good{color:#00603f}"
    ".cr-detect .wrong{color:#b00020;font-weight:600}"
    "@media (prefers-color-scheme:dark){.cr-detect{color:#e9edf4;background:#181e28}"
    ".cr-detect details{border-color:#2c3646}.cr-detect i,.cr-detect p{color:#a3aec2}"
    ".cr-detect .good{color:#2fd0a0}.cr-detect .wrong{color:#ff8a80}}"
)


def to_html(of: DetectionExplanation, digits: int) -> str:
    parts = [f"<style>{_STYLE}</style>", f"<h3>{escape(title(of))}</h3>",
             f"<p>{escape(summary(of))}</p>"]  # fmt: skip
    for k in _shown(of):
        inner = []
        for name, hint, lines in worked(of.box(k), digits):
            inner.append(f"<h4>{escape(name)}</h4><p>{escape(hint)}</p>")
            for what, text, mark in lines:
                kind = "wrong" if mark.startswith("✗") else "good"
                end = f' <span class="{kind}">{escape(mark)}</span>' if mark else ""
                inner.append(f"<pre>{escape(text)}  <i>{escape(what)}</i>{end}</pre>")
        unfolded = " open" if k == 0 else ""
        head = escape(heading(of.box(k), k))
        parts.append(f"<details{unfolded}><summary>{head}</summary>{''.join(inner)}</details>")
    if len(of) > SHOWN:
        parts.append(f"<p>{escape(_more(of))}</p>")
    for name, reasons in lost_lines(of):
        if reasons:
            rows = "".join(f"<pre>{escape(line)}</pre>" for line in reasons)
            parts.append(f"<details><summary>{escape(name)}</summary>{rows}</details>")
    if of.checked is not None:
        parts.append(f"<pre>{escape(str(of.checked))}</pre>")
    return f'<div class="cr-detect">{"".join(parts)}</div>'
