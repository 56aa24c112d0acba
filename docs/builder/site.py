"""The pages of the site, where they lie, and how one leads to another.

The tree of each language holds the same addresses. A page comes from a Markdown file of the
repository; its Chinese form is `docs/zh/NAME.md` or `NAME.zh.md`. Whatever a page links to becomes
a page too, so that nothing leads out of the built folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from builder.render import Body, code, render
from builder.run import ROOT, Shown

LANGUAGES = ("en", "zh")
DOCS = ROOT / "docs"


@dataclass
class Page:
    """One page of one tree. address: below the tree, `guides/x.html`; group: its place in the
    menu; finds: what search finds besides the title, [(anchor, title, text)]."""

    language: str
    address: str
    group: str
    body: Body
    text: str = ""
    finds: list[tuple[str, str, str]] = field(default_factory=list)
    translated: bool = True


def chinese(path: Path) -> Path:
    """Where the Chinese form of a Markdown file lies, whether it is there or not."""
    if path.is_relative_to(DOCS):
        return DOCS / "zh" / path.relative_to(DOCS)
    return path.with_name(f"{path.stem}.zh{path.suffix}")


def english(path: Path) -> tuple[Path, str | None]:
    """The English form of a file, and the language that the path names: None for both."""
    if path.is_relative_to(DOCS / "zh"):
        return DOCS / path.relative_to(DOCS / "zh"), "zh"
    if path.name.endswith(".zh.md"):
        return path.with_name(path.name.replace(".zh.md", ".md")), "zh"
    return path, "en" if path.suffix == ".md" and chinese(path).exists() else None


def address_of(path: Path) -> str:
    """Where the page of an (English) repository file lies in a tree."""
    if path == ROOT / "README.md":
        return "index.html"
    if path == DOCS / "README.md":
        return "contents.html"
    if path.is_relative_to(DOCS) and path.suffix == ".md":
        return path.relative_to(DOCS).with_suffix(".html").as_posix()
    return f"files/{path.relative_to(ROOT).as_posix()}.html"


def relative(target: str, page: str) -> str:
    """The link from one address to another, both below the same folder."""
    return PurePosixPath(os.path.relpath(target, PurePosixPath(page).parent)).as_posix()


class Site:
    """The pages as they are made. `results`: what the examples of a file gave, by path."""

    def __init__(self, out: Path, figures: Path | None = None) -> None:
        self.out = out
        self.figures = figures
        self.pages: dict[tuple[str, str], Page] = {}
        self.results: dict[Path, list[Shown]] = {}
        self.wanted: list[Path] = []

    def add(self, page: Page) -> None:
        key = (page.language, page.address)
        assert key not in self.pages, f"two pages at {key}"
        self.pages[key] = page

    def add_file(self, path: Path, group: str = "") -> None:
        """The pages of a repository file in both languages."""
        for language in LANGUAGES:
            address = address_of(path)
            if (language, address) in self.pages:
                continue
            source = chinese(path) if language == "zh" and chinese(path).exists() else path
            text = source.read_text(encoding="utf-8")
            link = self.links(source, language, address)
            if path.suffix == ".md":
                body = render(text, link, self.results.get(source))
                translated = language == "en" or source != path
            else:
                name = path.relative_to(ROOT).as_posix()
                kind = {".py": "python", ".toml": "toml"}.get(path.suffix, "text")
                body, translated = Body(name, f"<h1>{name}</h1>{code(text, kind)}"), True
            self.add(Page(language, address, group, body, translated=translated))

    def add_linked(self) -> None:
        """Pages for everything that was linked to and has none, until nothing is missing."""
        while self.wanted:
            self.add_file(self.wanted.pop())

    def links(self, source: Path, language: str, address: str) -> Callable[[str, bool], str]:
        """For a page made from `source`: what its links become."""

        def link(target: str, image: bool) -> str:
            if "://" in target or target.startswith(("#", "mailto:")):
                return target
            name, _, fragment = target.partition("#")
            path = (source.parent / name).resolve()
            if not path.exists():
                raise FileNotFoundError(f"{source.relative_to(ROOT)} links to {target}")
            if image:
                return self.picture(path, address)
            if path.is_dir():
                path = path / "README.md"
            path, named = english(path)
            there = address_of(path)
            if (language, there) not in self.pages:
                self.wanted.append(path)
            tree = language if named is None else named
            found = relative(f"{tree}/{there}", f"{language}/{address}")
            return found + (f"#{fragment}" if fragment else "")

        return link

    def picture(self, path: Path, address: str) -> str:
        """Copies a picture into the site; gives the link to it."""
        place = Path("pictures") / path.relative_to(ROOT)
        fresh = self.figures / path.name if self.figures else path
        (self.out / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(fresh if fresh.exists() else path, self.out / place)
        return relative(place.as_posix(), f"en/{address}")
