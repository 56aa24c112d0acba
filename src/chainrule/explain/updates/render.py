"""A worked step as text, Markdown, LaTeX, and HTML without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from chainrule.base.text import t
from chainrule.explain.explanation import latex

if TYPE_CHECKING:
    from chainrule.explain.updates.explanation import Member, Update, UpdateExplanation


def title(of: UpdateExplanation) -> str:
    """`Adam, the next step`."""
    if of.which == "last":
        return t("{rule}, the last step", rule=of.rule)
    return t("{rule}, the next step", rule=of.rule)


def heading(update: Update) -> str:
    """`Adam, step 3: weight[0, 1]`."""
    return t("{rule}, step {step}: {parameter}{index}", rule=update.rule, step=update.step,
             parameter=update.parameter, index=list(update.index))  # fmt: skip


def sizes(of: UpdateExplanation, member: Member, digits: int) -> str:
    """The norms of gradient and step over the whole parameter."""
    before, after = (np.array(x._data, np.float64) for x in (member.before, member.after))
    if not of.whole:
        return ""
    weight, step = float(np.linalg.norm(before)), float(np.linalg.norm(after - before))
    parts = []
    g = member.before.grad
    if g is not None:
        size = float(np.linalg.norm(np.array(g.to_dense()._data, np.float64)))
        parts.append(f"‖g‖ = {size:.{digits}g}")
    parts.append(f"‖Δθ‖ = {step:.{digits}g}")
    if weight:
        parts.append(f"‖Δθ‖/‖θ‖ = {step / weight:.{digits}g}")
    return " · ".join(parts)


def blocks(of: UpdateExplanation, digits: int) -> Iterator[tuple[str, str, list[Update]]]:
    """For each parameter: `weight (2, 3) float32`, the norms, and its worked elements."""
    for member in of.members:
        head = f"{member.name} {tuple(member.before.shape)} {member.before.dtype.name}"
        updates = [of.entry(member.p, at) for at in of.places(member)]
        yield head, sizes(of, member, digits), updates


def marked(update: Update, digits: int) -> Iterator[tuple[str, str, str, str]]:
    """Of each line: label, text, LaTeX and mark."""
    for i, line in enumerate(update.lines):
        mark = ""
        if update.checks is not None and i < len(update.checks):
            found = update.checks[i]
            mark = f"{found.mark} {found.text}".strip()
        yield line.label, line.text(digits), line.latex(digits), mark


def verdict(of: UpdateExplanation) -> str:
    assert of.checked is not None
    text = t("✓ {good} of {all} lines agree with the step (largest error {error:.1e}).",
             good=of.checked.lines - len(of.checked.wrong), all=of.checked.lines,
             error=of.checked.worst)  # fmt: skip
    if of.checked.wrong:
        text = t("✗ Wrong: {names}.", names="; ".join(of.checked.wrong)) + "\n" + text
    return text


# ---- text --------------------------------------------------------------------------------------


def _lines(update: Update, digits: int) -> list[str]:
    out = []
    for label, text, _, mark in marked(update, digits):
        line = f"{text}    {label}" if label else text
        out.append(f"{line}  {mark}" if mark else line)
    return out


def entry_text(update: Update, digits: int) -> str:
    """One element, a line for each number."""
    return "\n".join([heading(update), *(f"  {line}" for line in _lines(update, digits))]) + "\n"


def to_text(of: UpdateExplanation, digits: int) -> str:
    out = [title(of)]
    for head, norms, updates in blocks(of, digits):
        lines = [head, *([f"    {norms}"] if norms else [])]
        for update in updates:
            lines.append("  " + heading(update))
            lines += [f"    {line}" for line in _lines(update, digits)]
        out.append("\n".join(lines))
    if of.checked is not None:
        out.append(verdict(of))
    return "\n\n".join(out) + "\n"


# ---- markup ------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """Text in which nothing is markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|$])", r"\\\1", text)


def to_markdown(of: UpdateExplanation, digits: int) -> str:
    out = [f"# {_plain(title(of))}"]
    for head, norms, updates in blocks(of, digits):
        part = [f"## {_plain(head)}", *(["", _plain(norms)] if norms else [])]
        for update in updates:
            part += ["", f"### {_plain(heading(update))}", ""]
            for label, _, tex, mark in marked(update, digits):
                ends = " ".join(filter(None, (_plain(label), _plain(mark))))
                part.append(f"- ${tex}$ {ends}".rstrip())
        out.append("\n".join(part))
    if of.checked is not None:
        out.append(_plain(verdict(of)))
    return "\n\n".join(out) + "\n"


def _aligned(update: Update, digits: int) -> str:
    rows = []
    for label, _, tex, mark in marked(update, digits):
        ends = latex.escaped(f"{label}  {mark[:1]}".strip())
        rows.append(f"& {tex}" + (rf" && \text{{{ends}}}" if ends else ""))
    body = " \\\\\n".join(rows)
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"


def entry_latex(update: Update, digits: int = 5) -> str:
    """One element for a notebook."""
    rows = r" \\ ".join(f"& {tex}" for _, _, tex, _ in marked(update, digits))
    return rf"$$\begin{{aligned}} {rows} \end{{aligned}}$$"


def to_latex(of: UpdateExplanation, digits: int) -> str:
    """A document body (amsmath; Chinese needs ctex)."""
    out = [rf"\section*{{{latex.escaped(title(of))}}}"]
    for head, norms, updates in blocks(of, digits):
        part = [rf"\subsection*{{{latex.escaped(head)}}}"]
        if norms:
            part.append(f"${latex.line(norms)}$")
        for update in updates:
            part += [rf"\paragraph{{{latex.escaped(heading(update))}}}", _aligned(update, digits)]
        out.append("\n".join(part))
    if of.checked is not None:
        out.append(latex.escaped(verdict(of)))
    return "\n\n".join(out) + "\n"


_STYLE = (
    ".cr-update{font:14px/1.5 system-ui,sans-serif;max-width:60rem;color:#1b2130;"
    "background:#fff;padding:.5rem 1rem;border-radius:8px}"
    ".cr-update details{border-top:1px solid #dedcd4;padding:.3rem 0}"
    ".cr-update summary{cursor:pointer;font-weight:600}"
    ".cr-update h4{margin:.5rem 0 .2rem;font-size:.95em}"
    ".cr-update pre{margin:.2rem 0;white-space:pre-wrap;font:13px/1.45 ui-monospace,monospace}"
    ".cr-update i{color:#596175;font-style:normal}.cr-update .good{color:#00603f}"
    ".cr-update .wrong{color:#b00020;font-weight:600}"
    "@media (prefers-color-scheme:dark){.cr-update{color:#e9edf4;background:#181e28}"
    ".cr-update details{border-color:#2c3646}.cr-update i{color:#a3aec2}"
    ".cr-update .good{color:#2fd0a0}.cr-update .wrong{color:#ff8a80}}"
)
_OPEN = 12  # of more parameters the HTML form shows only the first unfolded


def to_html(of: UpdateExplanation, digits: int) -> str:
    parts = [f"<style>{_STYLE}</style>", f"<h3>{escape(title(of))}</h3>"]
    for number, (head, norms, updates) in enumerate(blocks(of, digits)):
        inner = [f"<pre><i>{escape(norms)}</i></pre>"] if norms else []
        wrong = False
        for update in updates:
            inner.append(f"<h4>{escape(heading(update))}</h4>")
            for label, text, _, mark in marked(update, digits):
                kind = "wrong" if mark.startswith("✗") else "good"
                wrong = wrong or kind == "wrong"
                end = f' <span class="{kind}">{escape(mark)}</span>' if mark else ""
                inner.append(f"<pre>{escape(text)}  <i>{escape(label)}</i>{end}</pre>")
        unfolded = " open" if number < _OPEN or wrong else ""
        body = "".join(inner)
        parts.append(f"<details{unfolded}><summary>{escape(head)}</summary>{body}</details>")
    if of.checked is not None:
        parts.append(f"<pre>{escape(verdict(of))}</pre>")
    return f'<div class="cr-update">{"".join(parts)}</div>'
