"""Markdown to HTML: highlighted code, formulas as MathML, links through a function."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from builder.run import Shown

Link = Callable[[str, bool], str]  # (target, whether it is an image) → address


_TEXTS = re.compile(r"\\text\{(?:[^{}\\]|\\.)*\}")


@cache
def mathml(tex: str, display: bool = False) -> str:
    """A formula as MathML, which browsers set without any script. The source is kept in it."""
    # latex2mathml knows neither \tag nor \arg\max, nor mathematics, ^ or escapes within a text.
    plain = re.sub(r"\\tag\{([^}]*)\}", r"\\qquad (\\text{\1})", tex.strip())
    plain = re.sub(r"\\arg ?\\(max|min)", r"\\operatorname{arg\1}", plain)
    plain = re.sub(r"\$(\\\w+)\$", r"}\1\\text{", plain).replace(r"\^{}", r"}{\wedge}\text{")
    plain = _TEXTS.sub(lambda text: re.sub(r"\\([_%&#])", r"\1", text[0]), plain)
    out = convert(plain, display="block" if display else "inline")
    return out.replace("<math ", f'<math data-tex="{html.escape(tex.strip())}" ', 1)


def code(text: str, language: str) -> str:
    """A highlighted block."""
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return f'<pre class="code">{html.escape(text)}</pre>'
    inner = highlight(text, lexer, HtmlFormatter(nowrap=True))
    return f'<pre class="code" data-language="{html.escape(language)}">{inner}</pre>'


def anchor(text: str) -> str:
    """The name of a heading in addresses, as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


@dataclass
class Body:
    """A rendered page: its title (without markup), HTML, and headings of the second level."""

    title: str
    html: str
    headings: list[tuple[str, str]] = field(default_factory=list)  # (anchor, text)


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.use(dollarmath_plugin, allow_labels=False, allow_space=False, double_inline=True,
               renderer=lambda tex, options: mathml(tex, options["display_mode"]))  # fmt: skip
    return parser


PARSER = _parser()
_ADDRESS = PARSER.validateLink
# A working's pictures are SVG in the page itself; as images they can run nothing.
PARSER.validateLink = lambda url: url.startswith("data:image/svg+xml;") or _ADDRESS(url)


def plain(text: str) -> str:
    """Markdown as HTML that holds nothing but formulas, emphasis, code and lists."""
    return str(PARSER.render(text))


def render(text: str, link: Link, shown: list[Shown] | None = None) -> Body:
    """A Markdown page. `shown`: what its examples gave, in order."""
    text = re.sub(r"<!--(?! setup).*?-->\n?", "", text, flags=re.S)
    hidden = re.compile(r"<!-- setup\n.*?-->\n?", re.S)
    results = _results(text, shown)
    tokens = PARSER.parse(hidden.sub("", text))
    body = Body("", "")
    used: set[str] = set()
    for i, token in enumerate(tokens):
        if token.type == "heading_open":
            words = "".join(c.content for c in tokens[i + 1].children or [])
            name = anchor(words)
            while name in used:
                name += "-1"
            used.add(name)
            token.attrSet("id", name)
            if token.tag == "h1" and not body.title:
                body.title = words
            elif token.tag == "h2":
                body.headings.append((name, words))
        _join(token.children or [])
        for child in token.children or []:
            if child.type == "link_open":
                child.attrSet("href", link(str(child.attrGet("href")), False))
            elif child.type == "image":
                child.attrSet("src", link(str(child.attrGet("src")), True))
    body.html = _html(tokens, results)
    return body


_WIDE = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef“”…—]")


def _join(parts: list[Token]) -> None:
    """Chinese goes on over the end of a line without a space."""
    for before, part, after in zip(parts, parts[1:], parts[2:]):
        ends = before.content[-1:] + after.content[:1]
        if part.type == "softbreak" and len(ends) == 2 and all(map(_WIDE.match, ends)):
            part.type, part.content = "text", ""


def _results(text: str, shown: list[Shown] | None) -> list[Shown | None]:
    """For each Python or console block what it gave; None where nothing was run."""
    kinds = re.findall(r"^(?:```(python|console)\b|<!-- (setup)\n)", text, re.M)
    if shown is None:
        return [None for block, _ in kinds if block]
    assert len(kinds) == len(shown), "blocks and results do not match"
    return [result for (block, _), result in zip(kinds, shown) if block]


def _html(tokens: list[Token], results: list[Shown | None]) -> str:
    left = iter(results)
    parts: list[str] = []
    start = 0
    given = False  # whether the output of the last block is on the page already
    for i, token in enumerate(tokens):
        if token.type != "fence":
            continue
        parts.append(PARSER.renderer.render(tokens[start:i], PARSER.options, {}))
        start = i + 1
        kind = token.info.split(" ")[0]
        if kind == "output":
            if not given:
                parts.append(_output(token.content))
            continue
        parts.append(code(token.content, kind))
        given = False
        result = next(left) if kind in ("python", "console") else None
        if result is None:
            continue
        if result.output.strip():
            parts.append(_output(result.output))
            given = True
        if result.markdown:
            parts.append(f'<div class="worksheet">{worksheet(result.markdown)}</div>')
    parts.append(PARSER.renderer.render(tokens[start:], PARSER.options, {}))
    return "".join(parts)


def _output(text: str) -> str:
    return f'<pre class="output">{html.escape(text.rstrip())}</pre>'


def worksheet(markdown: str) -> str:
    """A worked explanation within a page: its headings are no headings of the page."""
    tokens = PARSER.parse(markdown)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.attrSet("class", f"step {token.tag}")
            token.tag = "p"
    return str(PARSER.renderer.render(tokens, PARSER.options, {}))
