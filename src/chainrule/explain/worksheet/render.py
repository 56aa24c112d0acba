"""Worksheets on a terminal: aligned text, or tables in colour."""

from __future__ import annotations

import unicodedata
from itertools import zip_longest
from typing import Any

from chainrule.explain.worksheet.layout import Cell, Section, remarks, sections
from chainrule.explain.worksheet.steps import Worksheet

_STYLES = {
    "step": "bold",
    "formula": "bold",
    "numbers": "",
    "value": "green",
    "local": "cyan",
    "gradient": "magenta",
    "right": "green",
    "wrong": "bold red",
}


def to_text(sheet: Worksheet, digits: int = 2, width: int = 80) -> str:
    """The worksheet as plain lines, aligned, of at most `width` columns where that is possible."""
    blocks = []
    for section in sections(sheet, digits):
        lines = [section.title, *_lines(section, width)]
        blocks.append("\n".join(lines))
    notes = ["\n".join(_broken(remark, 0, width)) for remark in remarks(sheet, digits)]
    title = _broken(f"{sheet.output} = {sheet.source}", 0, width)
    return "\n\n".join(["\n".join(title), *blocks, *notes]) + "\n"


def show(sheet: Worksheet, digits: int = 2, console: Any = None) -> None:
    """The worksheet on a terminal, in colour."""
    # Loaded here and not with the package, which has to start fast.
    from rich.console import Console
    from rich.text import Text

    console = console or Console(highlight=False)
    console.print(Text(f"{sheet.output} = {sheet.source}", style="bold"))
    for section in sections(sheet, digits):
        console.print()
        console.rule(Text(section.title, style="bold"), align="left", style="dim")
        for line in _lines(section, console.width, _marked):
            console.print(line, soft_wrap=True)
    console.print()
    for remark in remarks(sheet, digits):
        console.print(Text(remark, style="dim"))


def _marked(parts: list[tuple[str, str]]) -> Any:
    from rich.text import Text

    return Text.assemble(*((text, _STYLES.get(kind, "")) for text, kind in parts))


def _joined(parts: list[tuple[str, str]]) -> str:
    return "".join(text for text, _ in parts).rstrip()


def _lines(section: Section, width: int, make: Any = _joined) -> list[Any]:
    """The rows in columns; a row that is too long for them continues on further lines."""
    columns, long = _columns(section, width)
    lines = []
    for number, (depth, cells) in enumerate(section.rows):
        indent = 2 + 2 * depth
        if number in long:
            lines += [make(parts) for parts in _stacked(cells, indent, width, columns)]
            continue
        parts = [(" " * indent, "")]
        for i, cell in enumerate(cells):
            space = columns[i] - _width(cell.text) - (2 * depth if i == 0 else 0) + 2
            parts += [(cell.text, cell.kind), (" " * space, "")]
        lines.append(make(parts))
    return lines


def _columns(section: Section, width: int) -> tuple[list[int], set[int]]:
    """How wide each column is, and the rows that are left out of that because they are long."""
    sizes = [
        [_width(cell.text) + (2 * depth if i == 0 else 0) for i, cell in enumerate(cells)]
        for depth, cells in section.rows
    ]
    long: set[int] = set()
    while True:
        kept = [size for number, size in enumerate(sizes) if number not in long]
        columns = [max(column) for column in zip_longest(*kept, fillvalue=0)]
        if 2 + sum(columns) + 2 * (len(columns) - 1) <= width:
            return columns, long
        rest = [number for number in range(len(sizes)) if number not in long]
        long.add(max(rest, key=lambda number: sum(sizes[number])))


def _stacked(
    cells: list[Cell], indent: int, width: int, columns: list[int]
) -> list[list[tuple[str, str]]]:
    """One row over several lines: its first cell, then the others where their columns begin."""
    out = [[(line, cells[0].kind)] for line in _broken(cells[0].text, indent, width)]
    rest = [cell for cell in cells[1:] if cell.text]
    needed = sum(_width(cell.text) + 2 for cell in rest)
    start = 2 + columns[0] + 2 if columns else indent + 4
    if start + needed > width:
        start = indent + 4
    used = _width(out[-1][0][0])
    for cell in rest:
        size = _width(cell.text)
        if (len(out[-1]) > 1 or used < start) and used + 2 + size <= width:
            space = max(2, start - used) if len(out[-1]) == 1 else 2
            out[-1] += [(" " * space, ""), (cell.text, cell.kind)]
            used += space + size
            continue
        for line in _broken(cell.text, start, width):
            out.append([(line, cell.kind), ("", "")])
            used = _width(line)
    return out


def _broken(text: str, indent: int, width: int) -> list[str]:
    """A text over several lines, broken before " = " where possible, else at spaces."""
    lines, line = [], " " * indent + text
    while _width(line) > width:
        start = len(line) - len(line.lstrip()) + 1
        cut = line.rfind(" = ", start, width)
        if cut < 0:
            cut = line.rfind(" ", start, width)
        if cut < 0:
            break
        lines.append(line[:cut])
        line = " " * (indent + 4) + line[cut + 1 :]
    return [*lines, line]


def _width(text: str) -> int:
    # Chinese characters take two columns of a terminal.
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
