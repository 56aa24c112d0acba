"""What is around every page: head, menu, language switch, and the index of the search."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path

from pygments.formatters import HtmlFormatter

from builder.card_pages import KINDS
from builder.site import LANGUAGES, Page, Site, relative
from chainrule.explain.report.markup import Words

ASSETS = Path(__file__).parent / "assets"
LENGTH = 160  # characters of a page's text that search shows

TEXTS = {
    "search": Words("Search", "搜索"),
    "menu": Words("Menu", "目录"),
    "other": Words("中文", "English"),
    "english": Words("", "此页尚无中文，以下为英文。"),
    "here": Words("On this page", "本页"),
}
GROUPS = {
    "start": Words("Start", "开始"),
    "guides": Words("Guides", "指南"),
    "worked": Words("Worked examples", "算例"),
    "cards": Words("Cards", "卡片"),
    "reference": Words("Reference", "参考"),
}


def write(site: Site) -> None:
    """All pages, the search indexes, style and script."""
    for language in LANGUAGES:
        pages = [page for page in site.pages.values() if page.language == language]
        menu = _menu(pages)
        for page in pages:
            path = site.out / language / page.address
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_framed(page, menu), encoding="utf-8")
        index = json.dumps(_index(pages), ensure_ascii=False, separators=(",", ":"))
        script = f"window.searchIndex={index};\n"
        (site.out / language / "search.js").write_text(script, encoding="utf-8")
    for name in ("site.js", "index.html"):
        shutil.copyfile(ASSETS / name, site.out / name)
    (site.out / "site.css").write_text(_style(), encoding="utf-8")


def _style() -> str:
    own = (ASSETS / "site.css").read_text(encoding="utf-8")
    light = HtmlFormatter(style="friendly").get_style_defs(".code")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".code")
    keep = re.compile(r"^\.code \.\w+ \{.*$", re.M)  # not the backgrounds and line numbers
    both = ["\n".join(keep.findall(style)) for style in (light, dark)]
    return f"{own}\n{both[0]}\n@media (prefers-color-scheme:dark){{\n{both[1]}\n}}\n"


# ---- the menu ----------------------------------------------------------------------------------


def _menu(pages: list[Page]) -> list[tuple[str, list[tuple[str, str]]]]:
    """[(heading, [(address, title)])] of a tree."""
    language = pages[0].language
    out = []
    for group, words in GROUPS.items():
        entries = [(p.address, p.body.title) for p in pages if p.group == group]
        if group == "cards":
            first = [e for e in entries if e[0] == "cards/index.html"]
            entries = [(f"cards/index.html#{folder}", _in(kind, language))
                       for folder, kind in KINDS.values()] if first else []  # fmt: skip
        out.append((_in(words, language), entries))
    return out


def _in(words: Words, language: str) -> str:
    return words.zh if language == "zh" else words.en


def _framed(page: Page, menu: list[tuple[str, list[tuple[str, str]]]]) -> str:
    language, address = page.language, page.address
    other = "en" if language == "zh" else "zh"
    top = relative(".", f"{language}/{address}")
    text = {key: _in(words, language) for key, words in TEXTS.items()}
    groups = []
    for heading, entries in menu:
        here = any(a.partition("#")[0] == address for a, _ in entries)
        here = here or heading == _in(GROUPS.get(page.group, Words("", "")), language)
        links = "".join(
            f'<li><a href="{relative(a.partition("#")[0], address)}'
            f'{"#" + a.partition("#")[2] if "#" in a else ""}"'
            f"{' aria-current=page' if a == address else ''}>{html.escape(title)}</a></li>"
            for a, title in entries
        )
        opened = " open" if here or heading in (_in(GROUPS[g], language) for g in
                                                ("start", "guides", "worked")) else ""  # fmt: skip
        groups.append(f"<details{opened}><summary>{heading}</summary><ul>{links}</ul></details>")
    contents = "".join(
        f'<li><a href="#{name}">{html.escape(title)}</a></li>' for name, title in page.body.headings
    )
    aside = ""
    if len(page.body.headings) > 2:
        aside = f"<aside><p>{text['here']}</p><ul>{contents}</ul></aside>"
    note = "" if page.translated else f'<p class="note">{text["english"]}</p>'
    switch = relative(f"{other}/{address}", f"{language}/{address}")
    return f"""<!doctype html>
<html lang="{language}" data-tree="{relative(".", address)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(page.body.title)} · chainrule</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{top}/site.css">
<script defer src="{top}/site.js"></script>
</head>
<body>
<header>
<button id="menu-button" aria-label="{text["menu"]}">☰</button>
<a class="home" href="{relative("index.html", address)}">chainrule</a>
<div class="search"><input id="search" type="search" placeholder="{text["search"]} ( / )" \
aria-label="{text["search"]}" autocomplete="off"><ol id="found" hidden></ol></div>
<a id="language" lang="{other}" href="{switch}">{text["other"]}</a>
</header>
<div class="columns">
<nav id="menu" aria-label="{text["menu"]}">{"".join(groups)}</nav>
<main>{note}{page.body.html}</main>
{aside}
</div>
</body>
</html>
"""


# ---- search ------------------------------------------------------------------------------------


def _index(pages: list[Page]) -> list[tuple[str, str, str]]:
    """[(title, address, text)]: pages, their second headings, and the names of the reference."""
    out = []
    for page in pages:
        text = page.text or _text(page.body.html)
        out.append((page.body.title, page.address, text[:LENGTH]))
        for anchor, title in page.body.headings if page.group in ("start", "guides") else ():
            out.append((f"{page.body.title} › {title}", f"{page.address}#{anchor}", ""))
        for anchor, title, words in page.finds:
            out.append((title, f"{page.address}#{anchor}", words[:LENGTH]))
    return out


def _text(markup: str) -> str:
    """The words of a page from its first paragraph on."""
    kept = re.sub(r"<h1.*?</h1>|<math.*?</math>|<pre.*?</pre>", " ", markup, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", kept)).split())
