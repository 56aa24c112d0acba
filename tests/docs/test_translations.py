"""Every guide exists in Chinese, with the same headings, programs, links and numbers."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(
    path.relative_to(DOCS).as_posix()
    for path in [*DOCS.glob("*.md"), *(DOCS / "worked").glob("*.md")]
    if path.name != "README.md"
)


def text(page, language):
    return (DOCS / "zh" / page if language == "zh" else DOCS / page).read_text(encoding="utf-8")


def headings(page):
    """The depths of the headings outside of code."""
    return [
        len(h)
        for h in re.findall(r"^(#+) ", re.sub(r"^```.*?^```", "", page, flags=re.M | re.S), re.M)
    ]


def programs(page):
    return re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)


def formulas(page):
    """The pieces of code in each table row."""
    return [re.findall(r"`[^`]+`", row)[:2] for row in page.splitlines() if row.startswith("|")]


def numbers(page):
    """The numbers of each table row, sorted: word order differs between languages."""
    rows = [row for row in page.splitlines() if row.startswith("|")]
    return [sorted(re.findall(r"\d[\d.,]*(?:e-?\d+)?(?<![.,])", row)) for row in rows]


def test_the_chinese_tree_holds_no_other_pages():
    found = {path.relative_to(DOCS / "zh").as_posix() for path in (DOCS / "zh").rglob("*.md")}
    assert found == {*PAGES, "README.md"}


@pytest.mark.parametrize("page", PAGES)
def test_a_guide_is_the_same_in_chinese(page):
    english, chinese = text(page, "en"), text(page, "zh")
    assert headings(english) == headings(chinese)
    assert programs(english) == programs(chinese)
    if page == "operations.md":  # the sentences of cards are written for each language
        assert formulas(english) == formulas(chinese)
    else:
        assert numbers(english) == numbers(chinese)
    assert english.count("```console") == chinese.count("```console")


@pytest.mark.parametrize("page", PAGES)
def test_a_chinese_guide_is_chinese(page):
    """Outside of code, formulas and tables, no paragraph or list entry without Chinese words."""
    prose = re.sub(
        r"^```.*?^```|<!--.*?-->|^\|.*?$|\$\$.*?\$\$", "", text(page, "zh"), flags=re.M | re.S
    )
    for block in re.split(r"\n\s*\n|\n(?=- |#)", prose):
        if re.search(r"[A-Za-z]{4,} [a-z]{2,} [a-z]{2,}", block):
            assert re.search(r"[\u4e00-\u9fff]", block), block


@pytest.mark.parametrize("page", [p for p in PAGES if not p.startswith("worked/")])
def test_chinese_guides_lead_to_chinese_pages(page):
    """A link to a page that exists in Chinese leads there."""
    for target in re.findall(r"\]\(([^)#]+\.md)", text(page, "zh")):
        if "://" not in target:
            place = (DOCS / "zh" / page).parent / target
            assert place.resolve().relative_to(DOCS).as_posix() not in PAGES, target
