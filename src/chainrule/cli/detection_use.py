"""`chainrule evaluate` and `chainrule predict` of a detector."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from chainrule.base.errors import ArgumentError, DataError
from chainrule.base.text import t
from chainrule.cli import main as entry
from chainrule.cli.detection import add_test_side, tell_problems
from chainrule.cli.options import filled
from chainrule.cli.parser import Parser
from chainrule.data import read_image
from chainrule.data.detection import load_detection, trees
from chainrule.data.detection.sources import BUILT_IN
from chainrule.explain.report_detection import drawn, write_curves
from chainrule.models.registry import detector_names
from chainrule.train.detection import Evaluation, Finder
from chainrule.train.detection_views import VIEWS

#: Options of `evaluate` that mean something to detectors only, and those of `predict`.
FINDING = ("test_side", "views")
PREDICTING = (*FINDING, "out", "score")

CURVES = "precision-recall.svg"
# Boxes less sure than this are not drawn, unless --score says otherwise.
_SURE = 0.5


def is_detector(model: Any) -> bool:
    """Whether a loaded model is one."""
    return getattr(model, "config", {}).get("name") in detector_names()


def add_finding(parser: Parser) -> None:
    """What `evaluate` and `predict` take for detectors only."""
    add_test_side(parser)
    parser.add_argument("--views", type=_views, metavar="x,y,xy",
                        help=t("detectors: search mirror images as well (none, or by the recipe)")
                        )  # fmt: skip


def add_arguments(parser: Parser) -> None:
    """What `chainrule predict` takes for detectors only."""
    add_finding(parser)
    parser.add_argument("--out", type=filled, metavar=t("FOLDER"),
                        help=t("detectors: where pictures with boxes go (here)"))  # fmt: skip
    parser.add_argument("--score", type=_share, metavar="S",
                        help=t("detectors: leave out boxes less sure than this (0.5)"))  # fmt: skip


def _views(text: str) -> tuple[str, ...]:
    views = () if text == "none" else tuple(text.split(","))
    for view in views:
        if view not in VIEWS or views.count(view) > 1:
            raise argparse.ArgumentTypeError(
                t("{text!r} is neither none nor some of {known}", text=text, known=",".join(VIEWS))
            )
    return views


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(t("{text!r} is not a number from 0 to 1", text=text))
    return value


# ---- evaluate --------------------------------------------------------------------------------


def _finder(model: Any, options: Any) -> Finder:
    """As the run says, unless the command line says otherwise."""
    return Finder.of(model, options.test_side, options.views)


def evaluate(model: Any, options: Any) -> int:
    """`chainrule evaluate` of a detector; the exit status."""
    source = options.data or model.info.get("data")
    if source is None:
        raise DataError(t("{path} does not say what it learned from: give --data.",
                          path=options.run))  # fmt: skip
    # A run from before tiles could be chosen says nothing of them.
    tile = model.info.get("tile", (trees.SIDE, trees.STEP))
    data = load_detection(source, model.classes or None, tile=tile)
    tell_problems(data.problems)
    own = source in BUILT_IN or str(Path(source).resolve()) == model.info.get("data")
    # What was learnt from keeps the size that it had then, tiles of photographs for instance.
    side = options.test_side
    learnt = max(model.config["input_shape"][1:]) if side is None else side
    train = data.train, Finder.of(model, learnt, options.views)
    test = data.test, _finder(model, options)
    parts = {"train": [train], "test": [test], "all": [train, test]}
    chosen = parts[options.split or ("test" if own else "all")]
    if data.test.channels != model.config["input_shape"][0]:
        raise DataError(
            t("{source} holds images of {found} channels, but the model takes {wanted}.",
              source=source, found=data.test.channels, wanted=model.config["input_shape"][0])
        )  # fmt: skip
    evaluations = [Evaluation(finder, part) for part, finder in chosen]
    whole = evaluations[0]
    for other in evaluations[1:]:
        whole.found += other.found
        whole.targets += other.targets
        whole.problems += other.problems
    tell_problems(whole.problems)
    scores = whole.scores()
    if not scores.objects:
        raise DataError(
            t("{source}: no image in it holds an object of a class that the model knows "
              "({classes}).", source=source, classes=", ".join(model.classes))
        )  # fmt: skip
    voc = whole.scores("voc", thresholds=(0.5,))
    run = Path(options.run)
    place = (run if run.is_dir() else Path.cwd()) / CURVES
    write_curves(place, scores, whole.classes)
    metrics = scores.metrics() | {"map_50_voc": voc.map_50}
    counts = {"images": len(whole.found), "objects": scores.objects}
    classes = {name: float(v) for name, v in zip(whole.classes, scores.ap[:, 0], strict=True)}
    if options.json:
        known = {k: _known(v) for k, v in metrics.items()} | counts
        per_class = {"ap_50": {k: _known(v) for k, v in classes.items()}}
        print(
            json.dumps({**known, **per_class, "curves": str(place)}, ensure_ascii=False, indent=2)
        )
        return entry.OK
    names = {
        "map_50": "mAP@0.5", "map": "mAP@[.5:.95]", "map_75": "mAP@0.75",
        "map_50_voc": t("mAP@0.5, VOC's area"), "recall": t("recall"),
        "recall_small": t("recall, small (under 32² pixels)"),
        "recall_medium": t("recall, medium (to 96²)"), "recall_large": t("recall, large"),
    }  # fmt: skip
    for key, name in names.items():
        print(f"{_shown(metrics[key])}  {name}")
    for name, value in classes.items():
        print(f"{_shown(value)}  {t('AP@0.5 of {name}', name=name)}")
    print(t("{images} images, {objects} objects. Curves: {path}", path=place, **counts))
    return entry.OK


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _shown(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "–     "


# ---- predict ---------------------------------------------------------------------------------


def _place(folder: Path, name: str, taken: set[str]) -> Path:
    """Where the picture goes: images of one name from several folders are numbered."""
    k, place = 1, folder / f"{name}-boxes.png"
    while str(place) in taken:
        k += 1
        place = folder / f"{name}-{k}-boxes.png"
    return place


def predict(model: Any, options: Any) -> int:
    """`chainrule predict` of a detector; the exit status."""
    finder, channels = _finder(model, options), model.config["input_shape"][0]
    least = _SURE if options.score is None else options.score
    if options.invert:
        raise ArgumentError(
            t("--{option} means nothing to {model}: leave it out.", option="invert",
              model=model.config["name"])
        )  # fmt: skip
    folder = Path(options.out or ".")
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for path in options.images:
        image = read_image(path, channels=channels)
        found = finder(image)
        sure = found["scores"] >= least
        found = {key: value[sure] for key, value in found.items()}
        picture = _place(folder, Path(path).stem, {row["picture"] for row in rows})
        drawn(picture, image, found, model.classes)
        boxes = [
            {"class": model.classes[int(label) - 1], "score": float(score),
             "box": [round(float(v), 2) for v in box]}
            for box, label, score in zip(*(found[k] for k in ("boxes", "labels", "scores")),
                                         strict=True)
        ]  # fmt: skip
        rows.append({"image": path, "picture": str(picture), "found": boxes})
    if options.json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return entry.OK
    for row in rows:
        print(t("{image}: {n} found; drawn in {picture}", image=row["image"],
                n=len(row["found"]), picture=row["picture"]))  # fmt: skip
        width = max((len(one["class"]) for one in row["found"]), default=0)
        for one in row["found"]:
            x1, y1, x2, y2 = one["box"]
            print(f"  {one['class']:{width}}  {one['score']:.4f}  "
                  f"x {x1:.1f} .. {x2:.1f}  y {y1:.1f} .. {y2:.1f}")  # fmt: skip
    return entry.OK
