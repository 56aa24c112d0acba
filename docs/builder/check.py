"""Whether every link of the built pages leads somewhere, and none of them needs the network."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

# What a browser fetches by itself; a link that a reader follows may lead outside.
_FETCHED = {"src", "srcset", "poster", "data", "action", "background"}
_STYLE = re.compile(r"@import|url\(\s*['\"]?(?:https?:)?//")


class _Reader(HTMLParser):
    """Collects anchors, links, and what is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value is None:
                continue
            fetched = name in _FETCHED or (name == "href" and tag != "a")
            if name in ("id", "name"):
                self.anchors.add(value)
            elif name == "href" and tag == "a":
                self.links.append(value)
            elif fetched or (name == "style" and _STYLE.search(value)):
                self.fetched.append(value)


def problems(out: Path) -> list[str]:
    """What is wrong with the pages below `out`, one sentence each."""
    readers = {}
    wrong = []
    for path in sorted(out.rglob("*.html")):
        reader = _Reader()
        text = path.read_text(encoding="utf-8")
        reader.feed(text)
        readers[path.resolve()] = reader
    for path, reader in readers.items():
        name = path.relative_to(out.resolve())
        for target in reader.fetched:
            if target.startswith("data:"):
                continue
            if "//" in target or not (path.parent / unquote(target)).is_file():
                wrong.append(f"{name} fetches {target}")
        for target in reader.links:
            wrong += [f"{name}: {fault}" for fault in _fault(target, path, readers)]
    for path in [*out.rglob("*.css"), *out.rglob("*.svg"), *out.glob("*.js")]:
        text = path.read_text(encoding="utf-8")
        loaded = re.search(r"<(?:image|use|script)[^>]*href=\"(?:https?:)?//", text)
        if _STYLE.search(text) or loaded or re.search(r"\bfetch\(|XMLHttpRequest", text):
            wrong.append(f"{path.relative_to(out)} needs the network")
    return wrong


def _fault(target: str, page: Path, readers: dict[Path, _Reader]) -> list[str]:
    if re.match(r"[a-z]+:", target):
        return []
    name, _, fragment = target.partition("#")
    there = (page.parent / unquote(name)).resolve() if name else page
    if there not in readers:
        return [] if there.is_file() else [f"no page {target}"]
    if fragment and unquote(fragment) not in readers[there].anchors:
        return [f"no heading {target}"]
    return []
