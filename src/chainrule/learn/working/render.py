"""A Working as text, Markdown, LaTeX, HTML and plain data."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator
from html import escape
from typing import Any

import numpy as np

from chainrule.base.text import language
from chainrule.learn.working.words import Words, number, say
from chainrule.learn.working.working import Line, Step, Table, Working

# More rows than these are left out in the middle of a printed table; `to_dict` has all of them.
MOST_ROWS = 24
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "_": r"\_", "%": r"\%", "&": r"\&",
    "#": r"\#", "$": r"\$", "^": r"\^{}", "~": r"\~{}",
}  # fmt: skip
_SIGNS = {
    "∂": r"\partial ", "Σ": r"\sum ", "∑": r"\sum ", "×": r"\times ", "·": r"\cdot ",
    "σ": r"\sigma ", "μ": r"\mu ", "δ": r"\delta ", "ε": r"\varepsilon ", "ξ": r"\xi ",
    "√": r"\surd ", "≤": r"\le ", "≥": r"\ge ", "−": "-", "…": r"\dots ", "ᵀ": r"^{\top}",
    "²": "^2", "⁻¹": "^{-1}", "→": r"\to ", "γ": r"\gamma ", "β": r"\beta ", "≈": r"\approx ",
    "θ": r"\theta ", "α": r"\alpha ", "λ": r"\lambda ", "∇": r"\nabla ", "‖": r"\Vert ",
    "∞": r"\infty ", "π": r"\pi ", "ρ": r"\rho ", "η": r"\eta ", "∈": r"\in ", "≠": r"\ne ",
    "₀": "_0", "₁": "_1", "₂": "_2", "₃": "_3", "ᵢ": "_i", "ⱼ": "_j", "ȳ": r"\bar y ",
    "✓": r"\checkmark ", "⟨": r"\langle ", "⟩": r"\rangle ", "½": r"\tfrac12 ",
}  # fmt: skip
_WORD = re.compile(r"([A-Za-z]{2,}[A-Za-z ]*|[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]+)")
_POWER = re.compile(r"(\d[\d.]*)e([-−]?\d+)")


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(c, c) for c in text)


def math_of(text: str) -> str:
    """A plain line of numbers and signs as LaTeX; words stand upright."""
    text = _POWER.sub(lambda m: f"{m[1]}×10^({m[2]})", text)
    out = []
    for i, part in enumerate(_WORD.split(text)):
        if i % 2:
            out.append(rf"\text{{{part}}}")
            continue
        part = re.sub(r"\^\(([^()]*)\)", "\0\\1\1", part).replace("^", "\2")
        part = _escaped(part).replace("\2", "^").replace("\0", "^{").replace("\1", "}")
        part = part.replace(r"\_", "_")
        for sign, command in _SIGNS.items():
            part = part.replace(sign, command)
        out.append(part)
    return "".join(out)


def _latex_of(line: Line, digits: int) -> str:
    return line.latex if line.latex is not None else math_of(line.text(digits))


def _mark(part: Line | Table) -> str:
    if part.error is None:
        return ""
    return f"{'✓' if part.error <= part.tolerance else '✗'} {part.error:.0e}"


def _cells(table: Table, digits: int) -> Iterator[list[str]]:
    """The printed rows; one of dots stands for those left out."""
    left_out = len(table.rows) - MOST_ROWS
    for i, row in enumerate(table.rows):
        if left_out <= 0 or i < MOST_ROWS // 2 or i >= len(table.rows) - MOST_ROWS // 2:
            yield [number(cell, digits) for cell in row]
        elif i == MOST_ROWS // 2:
            yield ["…"] * len(table.heads)


def _head(step: Step, index: int) -> str:
    return f"{index}. {say(step.title)}"


# ---- text ----------------------------------------------------------------------------------------


def _width(text: str) -> int:
    return sum(2 if "\u2e80" <= c <= "\uffef" else 1 for c in text)


def _grid(table: Table, digits: int) -> list[str]:
    rows = [[say(head) for head in table.heads], *_cells(table, digits)]
    widths = [max(_width(row[i]) for row in rows) for i in range(len(table.heads))]
    return [
        "  ".join(" " * (w - _width(cell)) + cell for cell, w in zip(row, widths)) for row in rows
    ]


def to_text(working: Working, digits: int) -> str:
    out = [say(working.title), "═" * _width(say(working.title))]
    for index, step in enumerate(working.steps, 1):
        out += ["", _head(step, index)]
        if step.formula is not None:
            out.append(f"   {step.formula.text}")
        for part in step.parts:
            if isinstance(part, Words):
                out.append(f"   {say(part)}")
            elif isinstance(part, Line):
                out.append(f"   {part.text(digits)}  {_mark(part)}".rstrip())
            elif isinstance(part, Table):
                if part.title or part.error is not None:
                    out.append(f"   {say(part.title)} {_mark(part)}".rstrip())
                out += [f"     {line}".rstrip() for line in _grid(part, digits)]
            else:
                out.append(f"   [{say(part.title)}]")
    if working.checked is not None:
        out += ["", str(working.checked)]
    return "\n".join(out)


# ---- Markdown ------------------------------------------------------------------------------------


def _uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def to_markdown(working: Working, digits: int) -> str:
    out = [f"# {say(working.title)}"]
    for index, step in enumerate(working.steps, 1):
        out.append(f"## {_head(step, index)}")
        if step.formula is not None:
            out.append(f"$${step.formula.latex}$$")
        for part in step.parts:
            if isinstance(part, Words):
                out.append(say(part))
            elif isinstance(part, Line):
                out.append(f"${_latex_of(part, digits)}$ {_mark(part)}".rstrip())
            elif isinstance(part, Table):
                if part.title:
                    out.append(f"**{say(part.title)}** {_mark(part)}".rstrip())
                heads = [say(head) for head in part.heads]
                rows = [heads, ["---:"] * len(heads), *_cells(part, digits)]
                lines = (" | ".join(c.replace("|", "\\|") for c in row) for row in rows)
                out.append("\n".join(f"| {line} |" for line in lines))
            else:
                out.append(f"![{say(part.title)}]({_uri(part.svg())})")
    if working.checked is not None:
        out.append(str(working.checked))
    return "\n\n".join(out)


# ---- LaTeX ---------------------------------------------------------------------------------------


def to_latex(working: Working, digits: int) -> str:
    out = [rf"\section*{{{_escaped(say(working.title))}}}"]
    for index, step in enumerate(working.steps, 1):
        out.append(rf"\subsection*{{{_escaped(_head(step, index))}}}")
        if step.formula is not None:
            out.append(rf"\[{step.formula.latex}\]")
        for part in step.parts:
            if isinstance(part, Words):
                out.append(_escaped(say(part)))
            elif isinstance(part, Line):
                out.append(rf"\[{_latex_of(part, digits)}\]")
            elif isinstance(part, Table):
                rows = [[say(head) for head in part.heads], *_cells(part, digits)]
                # A cell is a number, a sign or a word: all of them are right in text mode or $…$.
                lines = [" & ".join(f"${math_of(c)}$" for c in row) + r" \\" for row in rows]
                lines.insert(1, r"\hline")
                columns = "r" * len(part.heads)
                title = _escaped(say(part.title))
                out.append(
                    "\n".join(
                        [title, rf"\begin{{tabular}}{{{columns}}}", *lines, r"\end{tabular}"]
                    ).lstrip()
                )
            else:
                out.append(rf"\emph{{{_escaped(say(part.title))}}}")
    return "\n\n".join(out)


# ---- HTML ----------------------------------------------------------------------------------------

_STYLE = (
    ".cr-working{font:14px/1.5 system-ui,'Noto Sans CJK SC',sans-serif;max-width:62em;"
    "color-scheme:light dark}"
    ".cr-working .formula,.cr-working .line{font-family:ui-monospace,Consolas,monospace;"
    "white-space:pre-wrap;margin:.3em 0}"
    ".cr-working .formula{padding:.4em .8em;border-left:3px solid #0072b2;background:#0072b214}"
    ".cr-working .mark{opacity:.65;font-size:12px}.cr-working .wrong{color:#c0392b}"
    ".cr-working summary{font-weight:600;cursor:pointer;margin:.5em 0}"
    ".cr-working .wide{overflow-x:auto}"
    ".cr-working table{border-collapse:collapse;margin:.5em 0;font-variant-numeric:tabular-nums}"
    ".cr-working td,.cr-working th{padding:.15em .7em;text-align:right;"
    "border-bottom:1px solid #8884}.cr-working caption{text-align:left;font-weight:600}"
    ".cr-working svg{max-width:100%;height:auto}"
)


def _html_mark(part: Line | Table) -> str:
    if part.error is None:
        return ""
    kind = "mark" if part.error <= part.tolerance else "mark wrong"
    return f' <span class="{kind}">{escape(_mark(part))}</span>'


def _html_table(table: Table, digits: int) -> str:
    title = say(table.title)
    caption = f"<caption>{escape(title)}{_html_mark(table)}</caption>" if title else ""
    head = "".join(f"<th>{escape(say(cell))}</th>" for cell in table.heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in _cells(table, digits)
    )
    return (
        f'<div class="wide"><table>{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def to_html(working: Working, digits: int) -> str:
    out = [f"<style>{_STYLE}</style>", f"<h3>{escape(say(working.title))}</h3>"]
    for index, step in enumerate(working.steps, 1):
        inside = []
        if step.formula is not None:
            inside.append(f'<div class="formula">{escape(step.formula.text)}</div>')
        for part in step.parts:
            if isinstance(part, Words):
                inside.append(f"<p>{escape(say(part))}</p>")
            elif isinstance(part, Line):
                line = escape(part.text(digits))
                inside.append(f'<div class="line">{line}{_html_mark(part)}</div>')
            elif isinstance(part, Table):
                inside.append(_html_table(part, digits))
            else:
                inside.append(f"<figure>{part.svg()}</figure>")
        head = escape(_head(step, index))
        out.append(f"<details open><summary>{head}</summary>{''.join(inside)}</details>")
    if working.checked is not None:
        out.append(f'<div class="line">{escape(str(working.checked))}</div>')
    return f'<div class="cr-working" lang="{language()}">{"".join(out)}</div>'


# ---- data ----------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, Words):
        return say(value)
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def _check(part: Line | Table) -> dict[str, Any] | None:
    if part.error is None:
        return None
    status = "right" if part.error <= part.tolerance else "wrong"
    return {"status": status, "error": _plain(part.error)}


def _part(part: Any, digits: int) -> dict[str, Any]:
    if isinstance(part, Words):
        return {"kind": "note", "text": say(part)}
    if isinstance(part, Line):
        return {
            "kind": "line",
            "name": part.name,
            "text": part.text(digits),
            "latex": _latex_of(part, digits),
            "value": _plain(part.value),
            "check": _check(part),
        }
    if isinstance(part, Table):
        return {
            "kind": "table",
            "title": say(part.title),
            "heads": [say(head) for head in part.heads],
            "rows": _plain(part.rows),
            "check": _check(part),
        }
    return {"kind": "picture", "title": say(part.title), "svg": part.svg()}


def to_dict(working: Working, digits: int) -> dict[str, Any]:
    checked = working.checked
    return {
        "format": "chainrule.working",
        "schema": 1,
        "language": language(),
        "title": say(working.title),
        "steps": [
            {
                "title": say(step.title),
                "formula": None if step.formula is None else step.formula._asdict(),
                "parts": [_part(part, digits) for part in step.parts],
            }
            for step in working.steps
        ],
        "checked": None
        if checked is None
        else {
            "right": checked.right,
            "wrong": len(checked.wrong),
            "unchecked": checked.unchecked,
            "worst": _plain(checked.worst),
        },
    }
