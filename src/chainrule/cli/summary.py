"""`chainrule summary`: what is in a model, layer by layer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chainrule import models
from chainrule.base.text import t
from chainrule.cli import run_folder
from chainrule.cli.options import shape, whole
from chainrule.cli.parser import Parser, UsageError


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "model", metavar=t("MODEL"),
        help=t("{names}, or the folder of a run", names=", ".join(models.names())),
    )  # fmt: skip
    parser.add_argument(
        "--input", type=shape, metavar="C,H,W", help=t("shape of one input (1,28,28)")
    )
    parser.add_argument("--classes", type=whole(1, 1 << 20), metavar="N",
                        help=t("outputs (10)"))  # fmt: skip
    parser.add_argument("--json", action="store_true", help=t("print JSON"))


def run(options: Any) -> int:
    if options.model not in models.names() and Path(options.model).exists():
        if options.classes is not None:
            raise UsageError(t("The outputs of a trained model are what they are: no --classes."))
        model = run_folder.model_of(options.model)
    else:
        model = models.build(options.model, options.input, options.classes or 10)
    rows = models.summary(model, options.input)
    if options.json:
        total = {"parameters": rows.parameters, "multiply_adds": rows.multiply_adds}
        print(json.dumps({"layers": list(rows), **total}, ensure_ascii=False, indent=2))
    else:
        print(rows)
    return 0
