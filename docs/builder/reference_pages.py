"""The reference by module: every public name with its signature and whole docstring."""

from __future__ import annotations

import html
import inspect
import re
from typing import Any

import generate

from builder.card_pages import linked
from builder.render import Body, code, plain
from builder.site import LANGUAGES, Page, Site
from chainrule.explain.cards import card, entries
from chainrule.explain.report.markup import Words

_HEADED = re.compile(r"^(Args|Arguments|Returns|Yields|Raises|Errors|Shape|Shapes|Attributes):$")


def title_of(room: str) -> str:
    return {"functions": "chainrule", "tensor": "chainrule.Tensor"}.get(room, f"chainrule.{room}")


def add_reference(site: Site) -> None:
    """A page for each module in both trees, and one that lists them."""
    found = generate.rooms()
    for language in LANGUAGES:
        for room, names in found.items():
            site.add(_page(room, names, language))
        site.add(_index(found, language))


def _page(room: str, names: list[tuple[str, Any]], language: str) -> Page:
    address, title = f"reference/{room}.html", title_of(room)
    parts = [f"<h1>{title}</h1>"]
    finds = []
    for name, thing in names:
        first = generate.first_paragraph(thing)
        finds.append((name, f"{title}.{name}", first))
        parts.append(_entry(name, thing, address, language))
    body = Body(title, "\n".join(parts))
    return Page(language, address, "reference", body, finds=finds)


def _entry(name: str, thing: Any, address: str, language: str) -> str:
    if isinstance(thing, property) or not callable(thing):
        heading = name
    else:
        heading = generate.signature(name, thing)
    own = f'<h3 id="{name}"><code>{html.escape(heading)}</code>{_card_link(name, address)}</h3>'
    op = getattr(thing, "op", None)
    chinese = ""
    if op is not None and language == "zh":
        chinese = f"<p>{html.escape(op.card.zh)}</p>"
    if not callable(thing) and not isinstance(thing, property):
        return f"{own}<p><code>{html.escape(repr(thing))}</code></p>"
    return own + chinese + docstring(inspect.getdoc(thing) or "")


def _card_link(name: str, address: str) -> str:
    if name not in entries():
        return ""
    title = html.escape(card(name).name)
    return f' <a class="card-link" href="{linked(name, address)}" title="{title}">▤</a>'


def docstring(text: str) -> str:
    """A docstring as HTML: paragraphs, and lists under `Args:` and its like."""
    parts = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        lines = block.splitlines()
        if lines and _HEADED.match(lines[0].strip()):
            parts.append(f'<p class="head">{lines[0].strip()}</p>{_fields(lines[1:])}')
        elif lines and re.match(r"^[\w.]+\(.*\)$", lines[0]) and len(lines) == 1:
            continue  # the signature once more
        elif block.lstrip().startswith(">>> "):
            parts.append(code(inspect.cleandoc(block) + "\n", "pycon"))
        elif all(line.startswith("    ") for line in lines):
            parts.append(f"<pre>{html.escape(inspect.cleandoc(block))}</pre>")
        else:
            parts.append(plain(_escaped(block)))
    return f'<div class="docstring">{"".join(parts)}</div>'


def _fields(lines: list[str]) -> str:
    """`name: text` lines, the further ones of an entry indented more."""
    depth = min((len(x) - len(x.lstrip()) for x in lines if x.strip()), default=0)
    entries_: list[str] = []
    for line in lines:
        if len(line) - len(line.lstrip()) <= depth or not entries_:
            entries_.append(line.strip())
        else:
            entries_[-1] += " " + line.strip()
    items = []
    for each in entries_:
        name, colon, rest = each.partition(": ")
        if colon and re.match(r"^[\w*, .|()\[\]=]+$", name):
            items.append(f"<li><code>{html.escape(name)}</code> {_inline(rest)}</li>")
        else:
            items.append(f"<li>{_inline(each)}</li>")
    return f"<ul>{''.join(items)}</ul>"


def _escaped(text: str) -> str:
    """Docstrings are plain text with `code`: stars and brackets are no markup."""
    return "".join(
        part if i % 2 else re.sub(r"([*_\[\]<>#$\\|~])", r"\\\1", part)
        for i, part in enumerate(re.split(r"(`[^`\n]+`)", text))
    )


def _inline(text: str) -> str:
    return re.sub(r"^<p>|</p>\s*$", "", plain(_escaped(text)).strip())


def _index(found: dict[str, list[tuple[str, Any]]], language: str) -> Page:
    title = Words("Reference", "参考").zh if language == "zh" else "Reference"
    rows = "".join(
        f'<tr><td><a href="{room}.html">{title_of(room)}</a></td><td>{len(names)}</td></tr>'
        for room, names in found.items()
    )
    head = ("模块", "名称数") if language == "zh" else ("module", "names")
    table = f"<table><thead><tr><th>{head[0]}</th><th>{head[1]}</th></tr></thead>{rows}</table>"
    return Page(language, "reference/index.html", "reference",
                Body(title, f"<h1>{title}</h1>{table}"))  # fmt: skip
