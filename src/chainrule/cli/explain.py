"""`chainrule explain`: the chain rule worked through for an expression."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from typing import Any

from chainrule import models
from chainrule.base.text import t
from chainrule.cli.explain_image import explained_image
from chainrule.cli.explain_page import explained
from chainrule.cli.options import filled, new_file, whole
from chainrule.cli.parser import Parser, UsageError
from chainrule.explain.worksheet import read_value, show, to_dict, to_text, worksheet
from chainrule.explain.worksheet.steps import disagreements
from chainrule.models.runs import FILE


def add_arguments(parser: Parser) -> None:
    parser.epilog = t(
        "example: chainrule explain \"(x+y)*z\" x=-2 y=5 z=-4\n"
        "Numbers, names, + - * / ^, parentheses, functions (chainrule ops lists them);\n"
        "vectors as x=[1,2,3] with sum, mean, dot; several steps as \"q = x+y; q*z\".\n"
        "A training step of a model as a page: chainrule explain lenet --html lenet.html"
    )  # fmt: skip
    parser.add_argument("expression", metavar=t("EXPRESSION"), help=t("what to differentiate"))
    parser.add_argument(
        "values",
        nargs="*",
        default=[],
        metavar=t("NAME=VALUE"),
        help=t("a number, or a vector [1,2,3]"),
    )
    parser.add_argument(
        "--digits", type=whole(1), default=2, metavar="N", help=t("decimals to show (2)")
    )
    parser.add_argument(
        "--check", action="store_true", help=t("compare every derivative with central differences")
    )
    parser.add_argument("--json", action="store_true", help=t("print JSON with all digits"))
    parser.add_argument(
        "--html", type=new_file, metavar=t("FILE"),
        help=t("write a page of one training step; EXPRESSION is a model or the folder of a run"),
    )  # fmt: skip
    parser.add_argument(
        "--image", type=filled, metavar=t("IMAGE"),
        help=t("with --html and the run of a detector: where the boxes in this picture come from"),
    )  # fmt: skip


def tidy(arguments: list[str]) -> list[str]:
    """An expression may begin with a minus sign; a space keeps it from being taken for options."""
    # Options are words: --check, --digits=3. Two signs before a single name are an expression.
    option = re.compile(r"--([a-z][a-z-]+(=.*)?)?|-h", re.DOTALL)
    return [f" {a}" if a.startswith("-") and not option.fullmatch(a) else a for a in arguments]


def assignments(texts: list[str]) -> dict[str, Any]:
    """`["x=3", "y=[1,2]"]` as a mapping."""
    values: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        name = name.strip()
        if name.startswith("-") and not sign:
            raise UsageError(t("There is no option {name}; --help lists them.", name=name))
        if not sign or not name:
            raise UsageError(t("{text!r} is not of the form NAME=VALUE.", text=text.strip()))
        if name in values:
            raise UsageError(t("{name} is given a value twice.", name=name))
        values[name] = read_value(value, name)
    return values


def run(options: Any) -> int:
    if options.image is not None and options.html is None:
        raise UsageError(t("--image goes with --html FILE, the page to write."))
    if options.html is not None:
        if options.values or options.check or options.json:
            raise UsageError(t("--html takes a model or the folder of a run, and nothing else."))
        source = options.expression.strip()
        if options.image is not None:
            explained_image(source, options.image).save(options.html)
        else:
            explained(source).save(options.html)
        print(t("{path}: open it in a browser.", path=options.html))
        return 0
    if options.expression.strip() in models.names() and not options.values:
        raise UsageError(
            t(
                "{name} is a model: --html {name}.html writes a page of its first training step.",
                name=options.expression.strip(),
            )
        )
    name = options.expression.strip()
    if os.path.isfile(name) or os.path.isfile(os.path.join(name, FILE)):
        raise UsageError(
            t(
                '{name} is no expression. `chainrule explain` takes one such as "x*y" x=1 y=2, '
                "or, with --html FILE, a model or the folder of a run.",
                name=name,
            )
        )
    sheet = worksheet(options.expression.strip(), assignments(options.values), options.check)
    digits = min(options.digits, 15)
    if options.json:
        print(json.dumps(to_dict(sheet), ensure_ascii=False, indent=2))
    elif sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        show(sheet, digits)
    else:
        print(to_text(sheet, digits, shutil.get_terminal_size((80, 24)).columns), end="")
    return 1 if options.check and disagreements(sheet) else 0
