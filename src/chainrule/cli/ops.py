"""`chainrule ops`: the vocabulary, or everything about one operation."""

from __future__ import annotations

import difflib
import inspect
import json
import shutil
import sys
import textwrap
from typing import Any

from chainrule.base.errors import ArgumentError
from chainrule.base.text import language, t
from chainrule.cli.parser import Parser
from chainrule.ops.functional import INTERNAL
from chainrule.ops.op import REGISTRY, Elementwise, Op


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "name", nargs="?", metavar=t("NAME"), help=t("an operation, for all about it")
    )
    parser.add_argument("--json", action="store_true", help=t("print JSON"))


def run(options: Any) -> int:
    if options.name is None:
        found = {name: op for name, op in REGISTRY.items() if name not in INTERNAL}
        if options.json:
            print(json.dumps([describe(op) for op in found.values()], ensure_ascii=False, indent=2))
        else:
            _list(found)
        return 0
    op = find(options.name)
    if options.json:
        print(json.dumps(describe(op), ensure_ascii=False, indent=2))
    else:
        print("\n".join(_card(op)))
    return 0


def find(name: str) -> type[Op]:
    """The operation of a name or alias. Raises ArgumentError with the closest one."""
    names = {alias: op for op in REGISTRY.values() for alias in (*op.aliases, op.name)}
    if name in names:
        return names[name]
    close = difflib.get_close_matches(name, names, 1)
    if close:
        raise ArgumentError(
            t("No operation is named {name!r}; did you mean {close!r}?", name=name, close=close[0])
        )
    raise ArgumentError(t("No operation is named {name!r}: chainrule ops lists them.", name=name))


def describe(op: type[Op]) -> dict[str, Any]:
    """An operation as plain data."""
    return {
        "name": op.name,
        "family": _family(op),
        "signature": op.signature(),
        "formula": op.math,
        "aliases": list(op.aliases),
        "operators": list(op.dunder),
        "inputs": list(op.inputs),
        "params": {name: c.describe() for name, c in op.params.items()},
        "elementwise": issubclass(op, Elementwise),
        "differentiable": op.differentiable,
        "primitive": op.primitive,
        "description": inspect.getdoc(op) or "",
        "card": {"en": op.card.en, "zh": op.card.zh},
    }


def _family(op: type[Op]) -> str:
    return op.__module__.rpartition(".")[2]


def _list(found: dict[str, type[Op]]) -> None:
    """Name and formula of each, under the names of their families."""
    width = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 10_000
    column = max(map(len, found)) + 4
    family = ""
    for name, op in sorted(found.items(), key=lambda pair: (_family(pair[1]), pair[0])):
        if _family(op) != family:
            family = _family(op)
            print(f"{family}")
        first = f"  {name:{column - 2}}"
        for line in textwrap.wrap(op.math, max(20, width - column)) or [""]:
            print(f"{first}{line}".rstrip())
            first = " " * column
    print(t("{n} operations; chainrule ops NAME tells more.", n=len(found)))


def _is_prose(paragraph: str) -> bool:
    """Whether lines may be broken anew: neither a list nor an example."""
    return "\n " not in paragraph and not paragraph.startswith(">>> ")


def _card(op: type[Op]) -> list[str]:
    width = min(shutil.get_terminal_size((80, 24)).columns, 100)
    card = op.card.zh if language() == "zh" else op.card.en
    lines = [*textwrap.wrap(op.signature(), width, subsequent_indent="    "), ""]
    if op.math:
        formula = f"{op.name} = {op.math}"
        lines += [*textwrap.wrap(formula, width, initial_indent="  ", subsequent_indent="    "), ""]
    lines += [*_wrapped(card, width), ""]
    lines += [
        line
        for paragraph in (inspect.getdoc(op) or "").split("\n\n")
        for line in [*(_wrapped(paragraph, width) if _is_prose(paragraph)
                       else paragraph.splitlines()), ""]
    ]  # fmt: skip
    for name, constraint in op.params.items():
        lines.append(
            t("  {name}: {expected}, by default {default!r}", name=name,
              expected=constraint.describe(), default=op.defaults[name])
            if name in op.defaults
            else t("  {name}: {expected}", name=name, expected=constraint.describe())
        )  # fmt: skip
    facts = [t("family {name}", name=_family(op))]
    if op.aliases:
        facts.append(t("also called {names}", names=", ".join(op.aliases)))
    if op.dunder:
        facts.append(t("serves {names}", names=", ".join(op.dunder)))
    if not op.differentiable:
        facts.append(t("without a gradient"))
    elif op.vjp is None:
        facts.append(t("gradient by the chain rule through its forward"))
    lines += (
        ["", *_wrapped("; ".join(facts), width)] if op.params else _wrapped("; ".join(facts), width)
    )
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    flat = " ".join(text.split())
    if len(flat.encode()) > len(flat) * 1.5:
        # Chinese: two columns a character, and breaks are allowed anywhere.
        return [flat[i : i + width // 2] for i in range(0, len(flat), width // 2)]
    return textwrap.wrap(flat, width)
