"""`chainrule gradcheck`: gradients of operations or of an expression against differences."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.cli.explain import assignments, tidy
from chainrule.cli.ops import find
from chainrule.cli.parser import Parser, UsageError
from chainrule.explain.worksheet import Worksheet, worksheet
from chainrule.explain.worksheet.numbers import plain
from chainrule.explain.worksheet.steps import close
from chainrule.ops.functional import INTERNAL
from chainrule.ops.op import REGISTRY

# Of the checks in `testing`, those that are about gradients: order 1, order 2, and the derived
# formula against the chain rule through the forward.
CHECKS = ("gradient", "gradient2", "chain rule")

__all__ = ["add_arguments", "run", "tidy"]


def add_arguments(parser: Parser) -> None:
    parser.epilog = t(
        "examples: chainrule gradcheck            every operation\n"
        "          chainrule gradcheck exp conv2d\n"
        "          chainrule gradcheck --expr \"sin(x)*x\" x=0.5"
    )  # fmt: skip
    parser.add_argument(
        "names", nargs="*", default=[], metavar=t("OPERATION"),
        help=t("operations to check; with --expr the values NAME=VALUE"),
    )  # fmt: skip
    parser.add_argument("--expr", metavar=t("EXPRESSION"), help=t("check an expression instead"))
    parser.add_argument("--json", action="store_true", help=t("print JSON"))


def run(options: Any) -> int:
    if options.expr is not None:
        return _expression(options)
    return _operations(options)


def _expression(options: Any) -> int:
    sheet = worksheet(options.expr.strip(), assignments(options.names), check=True)
    rows = _rows(sheet)
    right = all(row["agrees"] for row in rows)
    if options.json:
        print(json.dumps({"expression": sheet.source, "agrees": right, "gradients": rows},
                         ensure_ascii=False, indent=2))  # fmt: skip
        return 0 if right else 1
    print(f"{sheet.output} = {sheet.source}")
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        verdict = t("agree") if row["agrees"] else t("DIFFER")
        numbers = t(
            "gradient {gradient:.9g}  differences {numeric:.9g}",
            gradient=float(row["gradient"]),
            numeric=float(row["numeric"]),
        )
        print(f"  ∂{sheet.output}/∂{row['name']:{width}}  {numbers}  {verdict}")
    return 0 if right else 1


def _rows(sheet: Worksheet) -> list[dict[str, Any]]:
    """One row an element of a variable."""
    rows = []
    for name, slopes in (sheet.numeric or {}).items():
        found = sheet.gradients[name]
        for place in np.ndindex(slopes.shape):
            rows.append(
                {
                    "name": name + "".join(f"[{i}]" for i in place),
                    "gradient": plain(found[place]),
                    "numeric": plain(slopes[place]),
                    "agrees": close(found[place], slopes[place]),
                }
            )
    return rows


def _operations(options: Any) -> int:
    # Loaded here: the contracts are needed by this command alone.
    from chainrule.testing import CheckFailure, check_op

    if any("=" in name for name in options.names):
        raise UsageError(t('NAME=VALUE belongs to --expr "EXPRESSION".'))
    chosen = [find(name) for name in options.names] or [
        op for name, op in REGISTRY.items() if name not in INTERNAL and op.differentiable
    ]
    for op in chosen:
        if not op.differentiable:
            raise ArgumentError(t("{name} has no gradient to check.", name=op.name))
    rows, started = [], time.perf_counter()
    width = max(len(op.name) for op in chosen)
    for op in dict.fromkeys(chosen):
        row: dict[str, Any] = {"operation": op.name, "agrees": True}
        try:
            row["comparisons"] = sum(check_op(op, checks=list(CHECKS)).values())
            line = t("agrees in {n} comparisons", n=row["comparisons"])
            if not row["comparisons"]:
                line = t("follows a rule of its own, not its derivative: nothing to compare")
        except CheckFailure as failure:
            row |= {"agrees": False, "failure": str(failure)}
            line = t("DIFFERS: {reason}", reason=" ".join(str(failure).split()))
        rows.append(row)
        if not options.json:
            print(f"{op.name:{width}}  {line}", flush=True)
    wrong = [row["operation"] for row in rows if not row["agrees"]]
    if options.json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        print(
            t(
                "{right} of {all} operations agree with central differences ({seconds:.1f} s).",
                right=len(rows) - len(wrong),
                all=len(rows),
                seconds=time.perf_counter() - started,
            )
        )
    return 1 if wrong else 0
