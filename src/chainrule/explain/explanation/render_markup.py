"""An explanation as Markdown, as LaTeX, and as an HTML fragment without scripts."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from chainrule.base.text import t
from chainrule.explain.explanation import latex
from chainrule.explain.explanation.lines import Line, Style
from chainrule.explain.explanation.origin import origins
from chainrule.explain.explanation.render_text import blocks, leaves, title, verdict

if TYPE_CHECKING:
    from chainrule.explain.explanation.explanation import Explanation

OPEN = 12  # with more steps the HTML form shows only the first of them unfolded


# ---- Markdown ----------------------------------------------------------------------------------


def to_markdown(explanation: Explanation, style: Style) -> str:
    """Headings, code, and the lines as a list of formulas in `$…$`."""
    out = [f"# {_plain(title(explanation, style))}"]
    out += [f"**{_plain(said)}**" for said in origins(explanation, style)]
    for block in blocks(explanation, style):
        part = [f"## {_plain(block.heading)}", ""]
        if block.code:
            part += [f"    {block.code}", ""]
        part += [_plain(block.shapes), "", *(f"- ${line.latex}$" for line in block.lines)]
        if block.mark:
            part += ["", _plain(block.mark)]
        out.append("\n".join(part))
    found = [f"- ${line.latex}$" for line in leaves(explanation, style)]
    out.append("\n".join([f"## {t('Gradients')}", "", *found]))
    if explanation.checked is not None:
        out.append(_plain(verdict(explanation)))
    return "\n\n".join(out) + "\n"


def _plain(text: str) -> str:
    """Text in which nothing is markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|$])", r"\\\1", text)


# ---- LaTeX -------------------------------------------------------------------------------------


def to_latex(explanation: Explanation, style: Style) -> str:
    """A document body: one `align*` for each step (amsmath; Chinese needs ctex)."""
    out = [rf"\section*{{{latex.escaped(title(explanation, style))}}}"]
    out += [rf"\textbf{{{latex.escaped(said)}}}" for said in origins(explanation, style)]
    for block in blocks(explanation, style):
        part = [rf"\subsection*{{{latex.escaped(block.heading)}}}"]
        if block.code:
            part.append(rf"\noindent\texttt{{{latex.escaped(block.code)}}}")
        part.append(_aligned(block.lines))
        if block.mark:
            part.append(latex.escaped(block.mark))
        out.append("\n".join(part))
    found = leaves(explanation, style)
    out.append("\n".join([rf"\subsection*{{{t('Gradients')}}}", _aligned(found)]))
    if explanation.checked is not None:
        out.append(latex.escaped(verdict(explanation)))
    return "\n\n".join(out) + "\n"


def _aligned(lines: list[Line]) -> str:
    body = " \\\\\n".join(f"& {line.latex}" for line in lines)
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"


# ---- HTML --------------------------------------------------------------------------------------

_STYLE = (
    ".cr-explain{font:14px/1.5 system-ui,sans-serif;max-width:60rem;color:#1b2130;"
    "background:#fff;padding:.5rem 1rem;border-radius:8px}"
    ".cr-explain details{border-top:1px solid #dedcd4;padding:.3rem 0}"
    ".cr-explain summary{cursor:pointer;font-weight:600}"
    ".cr-explain pre{margin:.3rem 0;white-space:pre-wrap;overflow-wrap:anywhere;"
    "font:13px/1.45 ui-monospace,monospace}"
    ".cr-explain .code,.cr-explain .shapes{color:#596175}"
    ".cr-explain .local{color:#0072b2}.cr-explain .product{color:#7a3f00}"
    ".cr-explain .sum{color:#00603f}.cr-explain .wrong{color:#b00020;font-weight:600}"
    "@media (prefers-color-scheme:dark){.cr-explain{color:#e9edf4;background:#181e28}"
    ".cr-explain details{border-color:#2c3646}.cr-explain .code,.cr-explain .shapes{color:#a3aec2}"
    ".cr-explain .local{color:#5ab4ec}.cr-explain .product{color:#ff9248}"
    ".cr-explain .sum{color:#2fd0a0}.cr-explain .wrong{color:#ff8a80}}"
)


def to_html(explanation: Explanation, style: Style) -> str:
    """One `<div>` with its own style and no script: each step folds by itself."""
    parts = [f"<style>{_STYLE}</style>", f"<h3>{escape(title(explanation, style))}</h3>"]
    parts += [f'<pre class="wrong">{escape(said)}</pre>' for said in origins(explanation, style)]
    for number, block in enumerate(blocks(explanation, style)):
        wrong = block.mark.startswith("✗")
        inner = []
        if block.code:
            inner.append(f'<pre class="code">{escape(block.code)}</pre>')
        inner.append(f'<pre class="shapes">{escape(block.shapes)}</pre>')
        inner += [f'<pre class="{line.kind}">{escape(line.text)}</pre>' for line in block.lines]
        if block.mark:
            kind = ' class="wrong"' if wrong else ""
            inner.append(f"<pre{kind}>{escape(block.mark)}</pre>")
        unfolded = " open" if number < OPEN or wrong else ""
        head = f"<summary>{escape(block.heading)}</summary>"
        parts.append(f"<details{unfolded}>{head}{''.join(inner)}</details>")
    found = "".join(
        f'<pre class="sum">{escape(line.text)}</pre>' for line in leaves(explanation, style)
    )
    parts.append(f"<details open><summary>{escape(t('Gradients'))}</summary>{found}</details>")
    if explanation.checked is not None:
        parts.append(f"<pre>{escape(verdict(explanation))}</pre>")
    return f'<div class="cr-explain">{"".join(parts)}</div>'
