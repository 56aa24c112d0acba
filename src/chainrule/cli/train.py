"""`chainrule train`: a model by name, on digits or one's own data, into a run folder."""

from __future__ import annotations

import json
import shlex
import signal
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import models, train
from chainrule.base.dtypes import as_dtype
from chainrule.base.errors import ArgumentError
from chainrule.base.files import atomic_write
from chainrule.base.text import t
from chainrule.cli import main as entry
from chainrule.cli import report, run_folder
from chainrule.cli.measure import Measured, measure
from chainrule.cli.options import filled, positive, shape, whole
from chainrule.cli.parser import Parser
from chainrule.cli.prepare import DIGITS, Prepared, prepare
from chainrule.compile import Profile
from chainrule.models.runs import FILE
from chainrule.ops.random import manual_seed
from chainrule.train.run import read_checkpoint
from chainrule.train.trainer import CHECKPOINT

# Peaks of the one-cycle rate for optimisers other than the recipe's, and their other settings.
_RATES = {"sgd": 0.1}
_OPTIONS: dict[str, dict[str, Any]] = {"sgd": {"momentum": 0.9}}


def add_arguments(parser: Parser) -> None:
    parser.epilog = t(
        "examples: chainrule train lenet\n"
        "          chainrule train mlp --data FOLDER --epochs 5 --out runs/mine\n"
        "Data: {digits} (built in), a folder with MNIST's four IDX files,\n"
        "a folder of pictures (train/CLASS/*.png and test/CLASS/*.png, or CLASS/*.png),\n"
        "a .csv, .npy or .npz file.",
        digits=DIGITS,
    )
    add = parser.add_argument
    add("model", metavar=t("MODEL"), help=", ".join(models.names()))
    add("--data", type=filled, metavar=t("SOURCE"),
        help=t("what to learn from ({digits})", digits=DIGITS))  # fmt: skip
    add("--input", type=shape, metavar="C,H,W", help=t("give each input this shape (CSV pixels)"))
    add("--epochs", type=whole(1), metavar="N", help=t("passes over the data (by the recipe)"))
    add("--batch-size", type=whole(1), metavar="N", help=t("examples a step (by the recipe)"))
    add("--optimizer", choices=train.optimizer_names(), metavar=t("NAME"),
        help=t("by the recipe adamw; also {names}", names=_others()))  # fmt: skip
    add("--lr", type=positive, metavar=t("RATE"), help=t("largest learning rate of the cycle"))
    add("--seed", type=whole(0, run_folder.MAX_SEED), metavar="N",
        help=t("names all that is random (0)"))  # fmt: skip
    add("--precision", choices=("float32", "float64"), help=t("of the computation (float32)"))
    add("--no-augment", action="store_true", help=t("do not turn and shift the training images"))
    add("--glass", action="store_true", help=t("do not compile the training step"))
    add("--profile", action="store_true",
        help=t("measure where the time of a training step goes, kernel by kernel"))  # fmt: skip
    add("--workers", type=whole(0), default=0, metavar="N", help=t("threads that load data (0)"))
    add("--out", type=filled, metavar=t("FOLDER"), help=t("the run folder (runs/MODEL)"))
    add("--resume", action="store_true", help=t("go on with the run in that folder"))
    add("--overwrite", action="store_true", help=t("replace what lies in that folder"))


def _others() -> str:
    return ", ".join(name for name in train.optimizer_names() if name != "adamw")


def run(options: Any) -> int:
    recipe = models.recipe(_known(options.model))
    folder = Path(options.out or f"runs/{options.model}")
    if options.resume and options.overwrite:
        raise ArgumentError(
            t("--resume goes on with a run and --overwrite replaces it: one of both.")
        )
    given = _given(options)
    if options.resume:
        settings = run_folder.resumed(folder, given)
    else:
        settings = _defaults(recipe) | given
    prepared = prepare(
        settings["data"],
        recipe,
        settings["seed"],
        tuple(settings["input"]) if settings["input"] else None,
        settings["augment"],
    )
    trainer = _trainer(settings, recipe, prepared, not options.glass)
    with run_folder.locked(folder):
        if options.resume:
            work = run_folder.working(folder)
            if run_folder.resumed(folder, given) != settings:
                raise ArgumentError(
                    t("The run in {path} has just been replaced: look at it first.", path=folder)
                )
            # A damaged one is refused before anything is said.
            read_checkpoint(work / CHECKPOINT)
        else:
            work = run_folder.claim(folder, settings, options.overwrite)
        return _in_folder(folder, work, settings, prepared, trainer, options)


def _in_folder(
    folder: Path,
    work: Path,
    settings: dict[str, Any],
    prepared: Prepared,
    trainer: train.Trainer,
    options: Any,
) -> int:
    """Train, writing into `work`, which becomes `folder` when all is there; the exit status."""
    trainer.run_dir = work
    print(_headline(settings, prepared, trainer), flush=True)
    with warnings.catch_warnings():
        # They tell a program what to write; here divergence has one line of its own, below.
        warnings.simplefilter("ignore", train.TrainingWarning)
        history = trainer.fit(
            prepared.train,
            prepared.test,
            epochs=settings["epochs"],
            callbacks=[train.Recorder(), train.TerminateOnNaN()],
            batch_size=settings["batch_size"],
            num_workers=options.workers,
            resume=work / CHECKPOINT if options.resume else None,
        )
    if history.stopped is not None:
        run_folder.discard(folder, work)
        entry.say(
            t(
                "{reason} The training diverged and no model was written: try a smaller rate, "
                "such as --lr {rate:g}.",
                reason=history.stopped,
                rate=min(settings["lr"] / 10, _usual_rate(settings)),
            )
        )
        return entry.FAILED
    profile = trainer.profile() if options.profile else None
    if options.profile:
        _tell_profile(work, profile)
    measured = _write(work, settings, prepared, trainer, options.command_line, profile)
    if not history.interrupted:
        run_folder.publish(folder, work)
        work = folder
    _tell(work, prepared, measured)
    if history.interrupted:
        words = ["chainrule", "train", settings["model"], "--resume", "--out", str(folder)]
        print(t("To go on: {command}", command=shlex.join(words)))
        return entry.TERMINATED if history.signal == signal.SIGTERM else entry.INTERRUPTED
    return entry.OK


def _known(name: str) -> str:
    """The name, if there is such a model; raises ArgumentError with the closest one."""
    if name not in models.names():
        models.build(name)
    return name


def _given(options: Any) -> dict[str, Any]:
    """The settings that the command line says."""
    named = {
        "model": options.model,
        "data": options.data,
        "input": None if options.input is None else list(options.input),
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "optimizer": options.optimizer,
        "lr": options.lr,
        "seed": options.seed,
        "precision": options.precision,
        "augment": False if options.no_augment else None,
    }
    given = {name: value for name, value in named.items() if value is not None}
    if "data" in given and given["data"] != DIGITS:
        # A run may be resumed from another working directory.
        given["data"] = str(Path(given["data"]).resolve())
    if "optimizer" in given and "lr" not in given and given["optimizer"] in _RATES:
        given["lr"] = _RATES[given["optimizer"]]
    return given


def _defaults(recipe: models.Recipe) -> dict[str, Any]:
    return {
        "model": recipe.model,
        "data": DIGITS,
        "input": None,
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "optimizer": recipe.optimizer_name,
        "lr": recipe.max_lr,
        "seed": 0,
        "precision": "float32",
        "augment": recipe.augmentation is not None,
    }


def _usual_rate(settings: dict[str, Any]) -> float:
    return _RATES.get(settings["optimizer"], models.recipe(settings["model"]).max_lr)


def _trainer(
    settings: dict[str, Any], recipe: models.Recipe, prepared: Prepared, compile: bool
) -> train.Trainer:
    manual_seed(settings["seed"])
    model = models.build(settings["model"], prepared.input_shape, len(prepared.classes))
    model.to(as_dtype(settings["precision"]))
    name, options = settings["optimizer"], {}
    optimizer: Any = name
    if name == recipe.optimizer_name:
        optimizer = recipe.optimizer(model, settings["lr"])
    else:
        options = {"lr": settings["lr"], **_OPTIONS.get(name, {})}
    return train.Trainer(
        model,
        "cross_entropy",
        optimizer,
        ["accuracy"],
        recipe.scheduler_name,
        seed=settings["seed"],
        compile=compile,
        **options,
    )


def _headline(settings: dict[str, Any], prepared: Prepared, trainer: train.Trainer) -> str:
    return t(
        "{model}, {parameters} parameters, on {n} examples of {data}; tested on {m}.",
        model=settings["model"],
        parameters=f"{sum(p.numel() for p in trainer.model.parameters()):,}",
        n=f"{len(prepared.train):,}",
        data=settings["data"],
        m=f"{len(prepared.test):,}",
    )


def _write(
    folder: Path,
    settings: dict[str, Any],
    prepared: Prepared,
    trainer: train.Trainer,
    command_line: list[str],
    profile: Profile | None,
) -> Measured:
    """Measure, and write the model and the report."""
    model, history = trainer.model, trainer.history
    measured = measure(model, prepared.test, len(prepared.classes))
    models.save(
        folder / FILE,
        model,
        classes=prepared.classes,
        mean=prepared.mean,
        std=prepared.std,
        info={
            "chainrule": entry.version(),
            "data": settings["data"],
            "input": settings["input"],
            "seed": settings["seed"],
            "pixels": bool(prepared.images.dtype == np.uint8),
            "epochs": len(history),
            "metrics": measured.metrics,
        },
    )
    notes = []
    if history.interrupted:
        notes.append(
            t("Interrupted after {n} of {all} epochs.", n=len(history), all=settings["epochs"])
        )
    report.write(
        folder / run_folder.REPORT,
        settings,
        prepared,
        model,
        history,
        measured,
        command_line,
        notes,
        entry.version(),
        profile,
    )
    return measured


def _tell_profile(folder: Path, profile: Profile | None) -> None:
    """Print the profile and keep it as JSON."""
    if profile is None:
        print(t("There is no profile: the training step was not compiled."))
        return
    print(profile)
    content = json.dumps(profile.to_dict(), ensure_ascii=False, indent=1)
    atomic_write(folder / run_folder.PROFILE, content + "\n")


def _tell(folder: Path, prepared: Prepared, measured: Measured) -> None:
    """Say what the model is worth and where its files are."""
    print(
        t(
            "Test accuracy {accuracy:.4f}, loss {loss:.4f} ({where})",
            accuracy=measured.metrics["accuracy"],
            loss=measured.metrics["loss"],
            where=prepared.tested_on,
        )
    )
    for name, meaning in (
        (FILE, t("the model, for evaluate and predict")),
        (run_folder.REPORT, t("curves, mistakes, kernels: open it in a browser")),
        (run_folder.HISTORY, t("the numbers of every epoch and step")),
    ):
        print(f"  {str(folder / name):36}  {meaning}")
