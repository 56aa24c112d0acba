"""`chainrule card`: what an operation, layer, loss, optimiser, schedule or initialiser is."""

from __future__ import annotations

import json
import shutil
import textwrap
from typing import Any

from chainrule.base.files import atomic_write
from chainrule.base.text import t
from chainrule.cli.options import new_file
from chainrule.cli.parser import Parser, UsageError
from chainrule.explain.cards import card, entries


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "name", nargs="?", metavar=t("NAME"),
        help=t("what the card is about; without it, all names"),
    )  # fmt: skip
    parser.add_argument("--html", type=new_file, metavar=t("FILE"), help=t("write a page (HTML)"))
    parser.add_argument(
        "--svg", type=new_file, metavar=t("FILE"), help=t("write the picture (SVG)")
    )
    parser.add_argument("--json", action="store_true", help=t("print JSON"))


def run(options: Any) -> int:
    if options.name is None:
        if options.html or options.svg:
            raise UsageError(
                t("Give a name with --html and --svg, as in: chainrule card sigmoid --svg "
                  "sigmoid.svg")
            )  # fmt: skip
        _list(options.json)
        return 0
    found = card(options.name)
    for path, text in ((options.html, found.html), (options.svg, found.svg)):
        if path:
            atomic_write(path, text() + "\n")
            if not options.json:
                print(t("Written: {path}", path=path))
    if options.json:
        print(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
    elif not options.html and not options.svg:
        print(found.text(min(shutil.get_terminal_size((80, 24)).columns, 100)), end="")
    return 0


def _list(as_json: bool) -> None:
    """The names, under their families."""
    families: dict[str, list[str]] = {}
    for name, entry in entries().items():
        families.setdefault(entry.family, []).append(name)
    if as_json:
        print(json.dumps(families, ensure_ascii=False, indent=2))
        return
    width = min(shutil.get_terminal_size((80, 24)).columns, 100)
    for family, names in families.items():
        print(family)
        print(textwrap.fill(", ".join(sorted(names, key=str.lower)), width,
                            initial_indent="  ", subsequent_indent="  ",
                            break_on_hyphens=False))  # fmt: skip
    print(t("{n} cards; chainrule card NAME shows one.", n=len(entries())))
