"""Cards as terminal text, Markdown, HTML and plain data."""

from __future__ import annotations

import textwrap
import unicodedata
from typing import TYPE_CHECKING, Any

from chainrule.base.text import language
from chainrule.explain.report.markup import Html, Words, el, t

if TYPE_CHECKING:
    from chainrule.explain.cards.deck import Card, Line


def kinds() -> dict[str, Words]:
    """The kinds of cards in both languages."""
    return {
        "operation": t("operation"), "function": t("function"), "layer": t("layer"),
        "loss": t("loss"), "optimiser": t("optimiser"), "schedule": t("schedule"),
        "initialiser": t("initialiser"), "regulariser": t("regulariser"),
        "estimator": t("estimator"),
    }  # fmt: skip


def _parts(card: Card) -> list[tuple[Words, list[Line] | Words]]:
    """The sections between summary and picture."""
    parts: list[tuple[Words, list[Line] | Words]] = [(t("Definition"), [card.definition])]
    if card.derivation:
        parts.append((t("Derivation"), list(card.derivation)))
    parts.append((t("What the gradient does"), card.rule))
    if card.gradients:
        parts.append((t("Gradients"), list(card.gradients.values())))
    return [*parts, (t("When to use it"), card.use), (t("Its trouble"), card.trouble)]


def to_text(card: Card, width: int) -> str:
    """At most `width` columns."""
    lines = [f"{card.name} · {kinds()[card.kind].here()} · {card.family}"]
    lines += _wrapped(card.signature, width, "  ", "      ") if card.signature != card.name else []
    lines += ["", *_wrapped(card.summary.here(), width), ""]
    for heading, content in _parts(card):
        lines.append(heading.here())
        if isinstance(content, Words):
            lines += _wrapped(content.here(), width, "  ", "  ")
        else:
            for line in content:
                if line.words:
                    lines += _wrapped(line.words.here(), width, "  ", "  ")
                lines += _wrapped(line.text, width, "    ", "        ")
        lines.append("")
    if card.code:
        lines += [t("As the library writes it").here(), textwrap.indent(card.code, "    "), ""]
    if card.related:
        names = ", ".join(card.related)
        lines += _wrapped(t("See also: {names}", names=names).here(), width, "", "  ")
    if card.note:
        lines += _wrapped(t("In the notes: {place}", place=card.note).here(), width, "", "  ")
    return "\n".join(lines).rstrip() + "\n"


def to_markdown(card: Card) -> str:
    lines = [f"## {card.name}", "", f"`{card.signature}`", "", card.summary.here(), ""]
    for heading, content in _parts(card):
        lines += [f"**{heading.here()}**", ""]
        if isinstance(content, Words):
            lines += [content.here(), ""]
        else:
            for line in content:
                lines += [line.words.here(), ""] if line.words else []
                lines += [f"$${line.tex}$$", ""]
    if card.code:
        title = t("As the library writes it").here()
        lines += [f"**{title}**", "", "```python", card.code, "```", ""]
    if card.related:
        names = ", ".join(f"`{name}`" for name in card.related)
        lines += [t("See also: {names}", names=names).here(), ""]
    if card.note:
        lines += [t("In the notes: {place}", place=card.note).here(), ""]
    return "\n".join(lines)


def to_dict(card: Card) -> dict[str, Any]:
    def line(each: Line) -> dict[str, Any]:
        words = {"words": each.words._asdict()} if each.words else {}
        return {"tex": each.tex, "text": each.text, **words}

    return {
        "name": card.name,
        "kind": card.kind,
        "family": card.family,
        "signature": card.signature,
        "summary": card.summary._asdict(),
        "definition": line(card.definition),
        "derivation": [line(each) for each in card.derivation],
        "gradients": {name: line(each) for name, each in card.gradients.items()},
        "rule": card.rule._asdict(),
        "code": card.code,
        "use": card.use._asdict(),
        "trouble": card.trouble._asdict(),
        "related": list(card.related),
        "note": card.note,
    }


# ---- HTML ------------------------------------------------------------------------------------

_STYLE = """
:root{color-scheme:light dark;--ink:#1b2130;--soft:#596175;--paper:#fff;--rule:#dedcd4}
@media (prefers-color-scheme:dark){:root{--ink:#e9edf4;--soft:#a3aec2;--paper:#181e28;
--rule:#2c3646}}
body{margin:2rem auto;max-width:60rem;padding:0 1rem;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans CJK SC',sans-serif}
.card h2{font-size:1.02rem;margin:1.4rem 0 .3rem}.card h1{margin:.2rem 0}
.card .kind,.card .words{color:var(--soft)}.card pre{overflow-x:auto;white-space:pre-wrap}
.card .formula{font-family:'STIX Two Math','Cambria Math',ui-serif,Georgia,serif;
padding:.15rem 0 .15rem 1.4rem;overflow-wrap:anywhere}
.card svg{max-width:100%;height:auto}
.card [lang=zh]{display:none}.card:has(#card-zh:checked) [lang=zh]{display:revert}
.card:has(#card-zh:checked) [lang=en]{display:none}
"""


def fragment(card: Card) -> str:
    """The card as an element to be put into a page: its own style, no script."""
    return el("div", el("style", Html(_STYLE.replace("body{", ".card{"))), _body(card))


def to_html(card: Card) -> str:
    page = el(
        "html",
        el("head", el("meta", charset="utf-8"), el("title", card.name), el("style", Html(_STYLE)),
           el("meta", name="viewport", content="width=device-width, initial-scale=1")),
        el("body", _body(card)),
        lang=language(),
    )  # fmt: skip
    return f"<!doctype html>\n{page}\n"


def _body(card: Card) -> Html:
    sections = []
    for heading, content in _parts(card):
        if isinstance(content, Words):
            inside: Any = el("p", content)
        else:
            inside = [
                [el("p", line.words, class_="words") if line.words else None,
                 el("div", line.text, class_="formula", data_tex=line.tex)]
                for line in content
            ]  # fmt: skip
        sections.append(el("section", el("h2", heading), inside))
        if heading.en == "Definition":
            sections.append(el("figure", Html(card.svg())))
    if card.code:
        sections.append(
            el("details", el("summary", t("As the library writes it")),
               el("pre", el("code", card.code)))
        )  # fmt: skip
    links = ", ".join(card.related)
    return el(
        "article",
        el("p", el("label", el("input", type="checkbox", id="card-zh",
                               checked=language() == "zh"), " 中文"), class_="kind"),
        el("h1", card.name),
        el("p", kinds()[card.kind], f" · {card.family}", class_="kind"),
        el("pre", el("code", card.signature)),
        el("p", card.summary),
        sections,
        el("p", t("See also: {names}", names=links), class_="kind") if links else None,
        el("p", t("In the notes: {place}", place=card.note), class_="kind") if card.note else None,
        class_="card",
    )  # fmt: skip


# ---- text in columns -------------------------------------------------------------------------


def _columns(text: str) -> int:
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _wrapped(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Lines of at most `width` columns; breaks at blanks, and anywhere between Chinese."""
    lines, line = [], first
    for piece in _pieces(text):
        if _columns(line) + _columns(piece.rstrip()) > width and line.strip():
            lines.append(line.rstrip())
            line = rest + piece.lstrip()
        else:
            line += piece
    return [*lines, line.rstrip()]


def _pieces(text: str) -> list[str]:
    """The parts between which a line may break."""
    out: list[str] = []
    word = ""
    for c in text:
        if c == " ":
            out.append(word + c)
            word = ""
        elif unicodedata.east_asian_width(c) in "WF":
            if c in "，。；：、）”？！" and (word or out):
                # A line does not begin with these.
                if word:
                    word += c
                    out.append(word)
                    word = ""
                else:
                    out[-1] += c
            else:
                out += [word] if word else []
                out.append(c)
                word = ""
        else:
            word += c
    return [*out, word]
