"""`chainrule evaluate`: what a trained model is worth on data."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from chainrule import data
from chainrule.base.errors import DataError
from chainrule.base.text import t
from chainrule.cli import detection, detection_use, restore, run_folder, text
from chainrule.cli.measure import measure
from chainrule.cli.options import filled, shape
from chainrule.cli.parser import Parser
from chainrule.cli.prepare import DIGITS, resized, split_off

_TABLES = (".csv", ".npy")


def add_arguments(parser: Parser) -> None:
    parser.epilog = t(
        "examples: chainrule evaluate runs/lenet\n"
        "          chainrule evaluate runs/lenet --data FOLDER --json"
    )
    add = parser.add_argument
    add("run", type=filled, metavar=t("RUN"), help=t("a run folder, or a model.safetensors"))
    add("--data", type=filled, metavar=t("SOURCE"),
        help=t("what to measure on (what the run learned from)"))  # fmt: skip
    add("--split", choices=("train", "test", "all"),
        help=t("which part of it (test, where there is one)"))  # fmt: skip
    add("--input", type=shape, metavar="C,H,W", help=t("give each input this shape (CSV pixels)"))
    detection_use.add_finding(parser)
    add("--json", action="store_true", help=t("print JSON with all digits"))


def run(options: Any) -> int:
    model = run_folder.model_of(options.run)
    if detection_use.is_detector(model):
        return detection_use.evaluate(model, options)
    detection.refuse(options, detection_use.FINDING, model.config["name"])
    source = options.data or model.info.get("data")
    if source is None:
        raise DataError(t("{path} does not say what it learned from: give --data.",
                          path=options.run))  # fmt: skip
    if text.of_text(model):
        metrics, count, what = text.evaluate(model, source, options.split)
    else:
        dataset = load(model, source, options.split, options.input)
        if restore.of_inputs(model):
            metrics = {"squared_error": float(restore.errors(model, dataset).mean())}
        else:
            metrics = measure(model, dataset, model.config["classes"]).metrics
        count, what = len(dataset), "examples"
    if options.json:
        # JSON has no infinities.
        known = {k: v if math.isfinite(v) else None for k, v in metrics.items()}
        print(json.dumps({**known, what: count}, indent=2))
        return 0
    width = max(map(len, (*metrics, what)))
    for name, value in metrics.items():
        print(f"{name:{width}}  {value:.4f}")
    print(f"{what:{width}}  {count:,}")
    return 0


def load(
    model: Any, source: str, split: str | None, input_shape: tuple[int, ...] | None = None
) -> Any:
    """The data under the model's own transform, its classes and its input shape."""
    wanted = tuple(model.config["input_shape"])
    size = wanted[1:] if model.info.get("resized") else None
    known = data.available_splits(source)
    # What the run itself held out for testing, where the source has no test part.
    own = source != DIGITS and str(Path(source).resolve()) == model.info.get("data")
    held_out = own and split != "all" and not {"train", "test"} <= set(known)
    if held_out or (split is None and "test" not in known):
        part = None
    else:
        part = None if split == "all" else split or "test"
    if input_shape is None and (model.info.get("input") or Path(source).suffix in _TABLES):
        # Pixels in columns have no shape of their own.
        input_shape = tuple(model.info.get("input") or wanted)
    dataset = data.load(
        source,
        part,
        transform=model.transform,
        classes=model.classes or None,
        input_shape=input_shape,
        channels=wanted[0] if len(wanted) == 3 and wanted[0] in (1, 3, 4) else None,
        size=input_shape[1:] if size and input_shape else size,
    )
    if size and dataset.x.ndim == 4 and dataset.input_shape[1:] != size:
        dataset.x = resized(dataset.x, size)
    if tuple(dataset.input_shape) != wanted:
        raise DataError(
            t(
                "{source} holds inputs of shape {found}, but the model takes {wanted}.",
                source=source,
                found="×".join(map(str, dataset.input_shape)),
                wanted="×".join(map(str, wanted)),
            )
        )
    if held_out:
        train, test = split_off(dataset, model.info["seed"])
        return train if split == "train" else test
    return dataset
