"""`chainrule train` of a detector."""

from __future__ import annotations

import argparse
import math
import shlex
import signal
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import models, train
from chainrule.base.errors import ArgumentError, ChainruleError
from chainrule.base.text import t
from chainrule.cli import main as entry
from chainrule.cli import report, run_folder
from chainrule.cli.options import whole
from chainrule.cli.parser import Parser
from chainrule.compile import Profile
from chainrule.data.detection import (
    Augmentation,
    DetectionBatches,
    DetectionData,
    DetectionDataset,
    DigitScenes,
    buckets,
    detection_loader,
    load_detection,
)
from chainrule.data.detection.batches import STRIDE
from chainrule.data.detection.sources import BUILT_IN
from chainrule.explain.report import ReportData, write_report
from chainrule.explain.report_detection import detection_sections
from chainrule.models.detection.recipes import DetectionRecipe, detection_recipe
from chainrule.models.runs import FILE
from chainrule.ops.random import manual_seed
from chainrule.train.detection import (
    LOSSES,
    DetectionLosses,
    DetectionRecorder,
    Evaluation,
    Finder,
    LossPart,
    total_loss,
)
from chainrule.train.run import read_checkpoint
from chainrule.train.trainer import CHECKPOINT

# Lines on standard error about data that were left out; more would hide what matters.
_SAID = 8
# Images on which a run is measured after an epoch; the end measures all.
_WATCHED = 100


#: Options of `chainrule train` that mean something to detectors only.
OPTIONS = ("batch_norm", "test_side", "standardise")


def add_arguments(parser: Parser) -> None:
    """What `chainrule train` takes for detectors only."""
    parser.add_argument(
        "--batch-norm",
        choices=("running", "frozen"),
        help=t("detectors: normalise by each batch, or by fixed statistics (running)"),
    )
    add_test_side(parser)
    parser.add_argument(
        "--standardise",
        action=argparse.BooleanOptionalAction,
        help=t("detectors: bring each channel of each image to one mean and deviation (by the "
               "recipe)"),
    )  # fmt: skip


def refuse(options: Any, names: Sequence[str], model: str) -> None:
    """Raises where one of these options is given, which mean nothing to this model."""
    for name in names:
        if getattr(options, name) is not None:
            raise ArgumentError(
                t("--{option} means nothing to {model}: leave it out.",
                  option=name.replace("_", "-"), model=model)
            )  # fmt: skip


def add_test_side(parser: Parser) -> None:
    """The size of images after training."""
    parser.add_argument(
        "--test-side", type=whole(STRIDE), metavar="N",
        help=t("detectors: longer side of images when finding (as trained, or by the recipe)"),
    )  # fmt: skip


# ---- training --------------------------------------------------------------------------------


def run(options: Any) -> int:
    """`chainrule train` of a detector; the exit status."""
    recipe = detection_recipe(options.model)
    folder = Path(options.out or f"runs/{options.model}")
    if options.resume and options.overwrite:
        raise ArgumentError(
            t("--resume goes on with a run and --overwrite replaces it: one of both.")
        )
    given = _given(options)
    if options.resume:
        settings = run_folder.resumed(folder, given)
        recipe = _again(folder, recipe, settings)
        data = load_detection(settings["data"], tile=recipe.tile)
    else:
        source = given.get("data", recipe.data)
        data = load_detection(source, tile=recipe.for_data(source).tile)
        recipe = _asked(recipe.for_data(source, len(data.train)), given)
        settings = _settings(recipe, data, source) | given
    tell_problems(data.problems)
    _check_input(settings["input"], data.train.channels)
    with run_folder.locked(folder):
        if options.resume:
            work = run_folder.working(folder)
            read_checkpoint(work / CHECKPOINT)
        else:
            work = run_folder.claim(folder, settings, options.overwrite)
        return _in_folder(folder, work, settings, data, recipe, options)


def _given(options: Any) -> dict[str, Any]:
    """The settings that the command line says; refuses those that mean nothing here."""
    refuse(options, ("length", "optimizer", "precision"), options.model)
    named = {
        "model": options.model,
        "data": options.data,
        "input": None if options.input is None else list(options.input),
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "lr": options.lr,
        "seed": options.seed,
        "augment": False if options.no_augment else None,
        "batch_norm": options.batch_norm,
        "test_side": options.test_side,
        "standardise": options.standardise,
    }
    given = {name: value for name, value in named.items() if value is not None}
    if "data" in given and (given["data"] not in BUILT_IN or Path(given["data"]).exists()):
        # A run may be resumed from another working directory.
        given["data"] = str(Path(given["data"]).resolve())
    if len(given.get("input", (0, 0, 0))) != 3:
        raise ArgumentError(t("Detection takes images: --input C,H,W."))
    return given


def _asked(recipe: DetectionRecipe, given: dict[str, Any]) -> DetectionRecipe:
    """The recipe with what the command line says of images."""
    if "input" in given:
        recipe = recipe.brought_to(max(given["input"][1:]))
    return replace(recipe, **{k: given[k] for k in ("test_side", "standardise") if k in given})


def _again(folder: Path, recipe: DetectionRecipe, settings: dict[str, Any]) -> DetectionRecipe:
    """The recipe of a run that is resumed."""
    try:
        recipe = recipe.again(settings["recipe"] or {})
    except ValueError:
        raise run_folder.no_settings(folder) from None
    return replace(
        recipe, side=max(settings["input"][1:]), test_side=settings["test_side"],
        standardise=settings["standardise"],
    )  # fmt: skip


def _settings(recipe: DetectionRecipe, data: DetectionData, source: str) -> dict[str, Any]:
    """What decides a run, as its folder keeps it."""
    return {
        "model": recipe.model,
        "data": source,
        "input": [data.train.channels, recipe.side, recipe.side],
        "length": None,
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "optimizer": recipe.optimizer_name,
        "lr": recipe.max_lr,
        "seed": 0,
        "precision": "float32",
        # Scenes of digits are drawn anew each time.
        "augment": not isinstance(data.train, DigitScenes),
        "batch_norm": recipe.batch_norm,
        "test_side": recipe.test_side,
        "standardise": recipe.standardise,
        "recipe": recipe.kept(),
    }


def _check_input(shape: Sequence[int], channels: int) -> None:
    """Raises for a shape that no image can be brought to, before there is a folder."""
    side = max(shape[1:])
    if shape[0] != channels:
        raise ArgumentError(
            t("The images have {n} channels: --input {n},{side},{side}.", n=channels, side=side)
        )
    buckets(side)


def _in_folder(
    folder: Path, work: Path, settings: dict[str, Any], data: DetectionData,
    recipe: DetectionRecipe, options: Any,
) -> int:  # fmt: skip
    """Train, writing into `work`, which becomes `folder` when all is there; the exit status."""
    channels, sizes = data.train.channels, buckets(recipe.side)
    manual_seed(settings["seed"])
    network = dict(recipe.network)
    network.setdefault("proposals", _proposals(data.train))
    if "smallest" not in network:
        network["smallest"] = smallest_anchor(data.train, recipe.side)
    model = models.build(
        settings["model"], (channels, *sizes[0]), len(data.train.classes), **network
    )
    augmentation, pasted = None, 0
    if settings["augment"]:
        pasted = recipe.pasted
        augmentation = Augmentation(
            data.train.flips, recipe.scale, recipe.light, recipe.colour, recipe.hues, recipe.shades
        )
    batches = DetectionBatches(
        data.train, sizes, augmentation, recipe.mean, recipe.std, recipe.standardise, pasted,
        recipe.made_ground, recipe.recoloured,
    )  # fmt: skip
    finder = Finder(
        model, recipe.test_side or recipe.side, recipe.mean, recipe.std, not options.glass,
        standardise=recipe.standardise, views=recipe.views,
    )  # fmt: skip
    averaging = None
    if recipe.average is not None:
        averaging = train.WeightAveraging(recipe.average, use_buffers=True)
    recorder = DetectionRecorder(finder, data.test, _WATCHED, averaging=averaging)
    trainer = train.Trainer(
        DetectionLosses(model, settings["batch_norm"]),
        total_loss,
        recipe.optimizer(model, settings["lr"]),
        [LossPart(name) for name in LOSSES],
        recipe.scheduler,
        scheduler_every="step",
        clip_grad_norm=recipe.clip_grad_norm,
        seed=settings["seed"],
        run_dir=work,
        compile=not options.glass,
    )
    parameters = sum(p.numel() for p in model.parameters())
    print(
        t(
            "{model}: {parameters} parameters. {data}: {train} images to learn from, {test} to "
            "test on. Classes: {classes}. {n}×{n} pixels.",
            model=settings["model"], parameters=f"{parameters:,}", data=settings["data"],
            train=f"{len(data.train):,}", test=f"{len(data.test):,}",
            classes=len(data.train.classes), n=sizes[0][0],
        ),
        flush=True,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", train.TrainingWarning)
        history = trainer.fit(
            detection_loader(batches, settings["batch_size"], settings["seed"], options.workers),
            epochs=settings["epochs"],
            callbacks=[
                *([] if averaging is None else [averaging]),
                recorder,
                train.TerminateOnNaN(),
            ],
            resume=work / CHECKPOINT if options.resume else None,
            watch=options.watch or options.watch_port is not None,
            watch_port=options.watch_port or 0,
        )
    if history.stopped is not None:
        run_folder.discard(folder, work)
        entry.say(
            t(
                "{reason} The training diverged and no model was written: try a smaller rate, "
                "such as --lr {rate:g}.",
                reason=history.stopped,
                rate=settings["lr"] / 10,
            )
        )
        return entry.FAILED
    profile = trainer.profile() if options.profile else None
    if options.profile:
        print(profile or t("There is no profile: the training step was not compiled."))
    evaluation = _write(
        work, settings, data, model, finder, history, recipe, options.command_line, profile
    )
    if not history.interrupted:
        run_folder.publish(folder, work)
        work = folder
    tell_problems(evaluation.problems)
    print(_verdict(evaluation))
    for name, meaning in (
        (FILE, t("the model, for evaluate and predict")),
        (run_folder.REPORT, t("curves, misses, false alarms: open it in a browser")),
        (run_folder.HISTORY, t("the numbers of every epoch and step")),
    ):
        print(f"  {str(work / name):36}  {meaning}")
    if history.interrupted:
        words = ["chainrule", "train", settings["model"], "--resume", "--out", str(folder)]
        print(t("To go on: {command}", command=shlex.join(words)))
        return entry.TERMINATED if history.signal == signal.SIGTERM else entry.INTERRUPTED
    return entry.OK


def smallest_anchor(dataset: DetectionDataset, side: int) -> float:
    """The side of the smallest anchors, by the objects that there are: of every twentieth the
    square root of the area is smaller, in pixels of images brought to `side`."""
    if isinstance(dataset, DigitScenes):
        return 12.0
    roots: list[float] = []
    for k in np.unique(np.linspace(0, len(dataset) - 1, 200).round().astype(int)):
        try:
            boxes = dataset[int(k)].objects.boxes
        except (ChainruleError, OSError):
            continue
        scale = side / max(dataset.size(int(k)))
        roots += (np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(1)) * scale).tolist()
    return float(np.clip(np.quantile(roots, 0.05) if roots else 16.0, 8.0, side / 16).round())


def _proposals(dataset: DetectionDataset) -> int:
    """How many boxes the second stage looks at: several for each object, 128 at least."""
    return 128 if dataset.most_objects() <= 16 else 256


def _write(
    work: Path, settings: dict[str, Any], data: DetectionData, model: Any, finder: Finder,
    history: Any, recipe: DetectionRecipe, command_line: Sequence[str], profile: Profile | None,
) -> Evaluation:  # fmt: skip
    """Measure, and write the model and the report."""
    evaluation = Evaluation(finder, data.test)
    scores = evaluation.scores()
    metrics = scores.metrics() | {"proposals_recall": evaluation.proposals_recall}
    models.save(
        work / FILE,
        model,
        classes=data.train.classes,
        mean=[recipe.mean] * data.train.channels,
        std=[recipe.std] * data.train.channels,
        info={
            "chainrule": entry.version(),
            "data": settings["data"],
            "input": settings["input"],
            "finding": finder.settings(),
            "tile": list(recipe.tile),
            "seed": settings["seed"],
            "epochs": len(history),
            "metrics": {k: v for k, v in metrics.items() if math.isfinite(v)},
        },
    )
    notes = [] if not history.interrupted else [
        t("Interrupted after {n} of {all} epochs.", n=len(history), all=settings["epochs"])
    ]  # fmt: skip
    said = t("{n} held-out images with {m} objects", n=len(evaluation.found), m=scores.objects)
    write_report(
        work / run_folder.REPORT,
        ReportData(
            title=t("{model} on {data}", model=settings["model"], data=_short(settings["data"])),
            model=settings["model"],
            command=shlex.join(["chainrule", *command_line]),
            created=time.strftime("%Y-%m-%d %H:%M"),
            evaluated_on=said,
            notes=notes,
            config=_told(settings),
            environment=report.environment(entry.version()),
            metrics={k: v for k, v in metrics.items() if math.isfinite(v)},
            history=history.epochs,
            step_loss=history.step_loss,
            step_lr=history.step_lr,
            layers=history.layers,
            summary=list(models.summary(model, settings["input"])),
            profile=report.profile_rows(profile),
            sections=detection_sections(
                scores, evaluation.classes, evaluation.found, evaluation.targets,
                lambda k: data.test[evaluation.numbers[k]].image,
            ),
        ),
    )  # fmt: skip
    return evaluation


def _told(settings: dict[str, Any]) -> dict[str, str]:
    """The settings for the report, those of the recipe among them."""
    every = {**settings, **(settings["recipe"] or {}), "recipe": None}
    return {k: str(v) for k, v in every.items() if v is not None and v != []}


def _short(source: str) -> str:
    return source if len(source) < 40 else Path(source).name


def _verdict(evaluation: Evaluation) -> str:
    scores = evaluation.scores()
    return t(
        "mAP@0.5 {half:.4f}, mAP@[.5:.95] {all:.4f} on {n} held-out images.",
        half=scores.map_50, all=scores.map, n=len(evaluation.found),
    )  # fmt: skip


def tell_problems(problems: Sequence[str]) -> None:
    for line in problems[:_SAID]:
        entry.say(line)
    if len(problems) > _SAID:
        entry.say(t("And {n} more lines like these.", n=len(problems) - _SAID))
