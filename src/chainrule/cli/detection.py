"""`chainrule train` of a detector."""

from __future__ import annotations

import math
import shlex
import signal
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import models, train
from chainrule.base.errors import ArgumentError, ChainruleError
from chainrule.base.text import t
from chainrule.cli import main as entry
from chainrule.cli import report, run_folder
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


def add_arguments(parser: Parser) -> None:
    """What `chainrule train` takes for detectors only."""
    parser.add_argument(
        "--batch-norm",
        choices=("running", "frozen"),
        help=t("detectors: normalise by each batch, or by fixed statistics (running)"),
    )


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
    source = given.get("data", recipe.data)
    if options.resume:
        settings = run_folder.resumed(folder, given)
        source = settings["data"]
    data = load_detection(source)
    tell_problems(data.problems)
    if not options.resume:
        settings = _defaults(recipe, data, source) | given
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
    for name in ("length", "optimizer", "precision"):
        if getattr(options, name) is not None:
            raise ArgumentError(
                t("--{option} means nothing to {model}: leave it out.", option=name,
                  model=options.model)
            )  # fmt: skip
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
    }
    given = {name: value for name, value in named.items() if value is not None}
    if "data" in given and (given["data"] not in BUILT_IN or Path(given["data"]).exists()):
        # A run may be resumed from another working directory.
        given["data"] = str(Path(given["data"]).resolve())
    if len(given.get("input", (0, 0, 0))) != 3:
        raise ArgumentError(t("Detection takes images: --input C,H,W."))
    return given


def _defaults(recipe: DetectionRecipe, data: DetectionData, source: str) -> dict[str, Any]:
    of_data = recipe.for_data(source, len(data.train))
    return {
        "model": recipe.model,
        "data": source,
        "input": [data.train.channels, of_data.side, of_data.side],
        "length": None,
        "epochs": of_data.epochs,
        "batch_size": of_data.batch_size,
        "optimizer": recipe.optimizer_name,
        "lr": of_data.max_lr,
        "seed": 0,
        "precision": "float32",
        "augment": source != recipe.data,
        "batch_norm": recipe.batch_norm,
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
    side, channels = max(settings["input"][1:]), data.train.channels
    sizes = buckets(side)
    manual_seed(settings["seed"])
    model = models.build(
        settings["model"], (channels, sizes[0][0], sizes[0][1]), len(data.train.classes),
        smallest=smallest_anchor(data.train, side), proposals=_proposals(data.train),
    )  # fmt: skip
    augmentation = None
    if settings["augment"]:
        # What is seen from above has no usual size and light.
        strong = data.train.flips == "xy"
        augmentation = (
            Augmentation("xy", (0.6, 1.6), 0.3) if strong else Augmentation(data.train.flips)
        )
    batches = DetectionBatches(data.train, sizes, augmentation, recipe.mean, recipe.std)
    finder = Finder(model, side, recipe.mean, recipe.std, not options.glass)
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
            "test on, {classes} classes, {n}×{n} pixels.",
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
            callbacks=[DetectionRecorder(finder, data.test, _WATCHED), train.TerminateOnNaN()],
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
            config={k: str(v) for k, v in settings.items() if v is not None},
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
