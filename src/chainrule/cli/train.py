"""`chainrule train`: a model by name, on digits or one's own data, into a run folder."""

from __future__ import annotations

import json
import math
import shlex
import signal
import warnings
from pathlib import Path
from typing import Any

from chainrule import models, train
from chainrule.base.dtypes import as_dtype
from chainrule.base.errors import ArgumentError
from chainrule.base.files import atomic_write
from chainrule.base.text import t
from chainrule.cli import detection, report, restore, run_folder, text
from chainrule.cli import main as entry
from chainrule.cli.estimate import say_if_long
from chainrule.cli.measure import Measured
from chainrule.cli.options import filled, positive, shape, whole
from chainrule.cli.parser import Parser
from chainrule.cli.prepare import DIGITS, Prepared, prepare
from chainrule.compile import Profile
from chainrule.data.detection.sources import DIGIT_SCENES
from chainrule.data.lines import AUTHORS
from chainrule.data.text import TEXTS
from chainrule.models.registry import detector_names
from chainrule.models.runs import FILE
from chainrule.ops.random import manual_seed
from chainrule.train.run import read_checkpoint
from chainrule.train.trainer import CHECKPOINT

_Prepared = Prepared | restore.PreparedInputs | text.PreparedText | text.PreparedLines

# Peaks of the one-cycle rate for optimisers other than the recipe's, and their other settings.
_RATES = {"sgd": 0.1}
# Of those that scale each step, where the recipe is one of SGD.
_ADAPTIVE = 0.003
_OPTIONS: dict[str, dict[str, Any]] = {"sgd": {"momentum": 0.9}}


def add_arguments(parser: Parser) -> None:
    parser.epilog = t(
        "examples: chainrule train lenet\n"
        "          chainrule train mlp --data FOLDER --epochs 5 --out runs/mine\n"
        "          chainrule train char-lstm --data book.txt\n"
        "Data: {digits} (built in), a folder with MNIST's four IDX files,\n"
        "a folder of pictures (train/CLASS/*.png and test/CLASS/*.png, or CLASS/*.png),\n"
        "a .csv, .npy or .npz file. For models of text, char-lstm and the like,\n"
        "{texts} (built in) or a text file in UTF-8; for line-classifier\n"
        "a folder with CLASS/*.txt, by default both texts: who wrote this line?\n"
        "For detectors ({detectors}): {scenes} (built in), a folder of images\n"
        "with VOC's XML files, COCO's JSON, or deepforest, the photographs of that\n"
        "installed package.",
        detectors=", ".join(detector_names()),
        scenes=DIGIT_SCENES,
        digits=DIGITS,
        texts=", ".join(TEXTS),
    )
    add = parser.add_argument
    add("model", metavar=t("MODEL"), help=", ".join((*models.names(), *detector_names())))
    add("--data", type=filled, metavar=t("SOURCE"),
        help=t("what to learn from ({digits}, for text {text})", digits=DIGITS,
               text=TEXTS[0]))  # fmt: skip
    add("--input", type=shape, metavar="C,H,W",
        help=t("give each input this shape (CSV pixels), or scale pictures to it"))  # fmt: skip
    add("--length", type=whole(1), metavar="N",
        help=t("text: characters a step reads of each line or stream (by the recipe)"))  # fmt: skip
    add("--epochs", type=whole(1), metavar="N", help=t("passes over the data (by the recipe)"))
    add("--batch-size", type=whole(1), metavar="N", help=t("examples a step (by the recipe)"))
    add("--optimizer", choices=train.optimizer_names(), metavar=t("NAME"),
        help=t("one of {names} (by the recipe)",
               names=", ".join(train.optimizer_names())))  # fmt: skip
    add("--lr", type=positive, metavar=t("RATE"), help=t("largest learning rate of the cycle"))
    add("--seed", type=whole(0, run_folder.MAX_SEED), metavar="N",
        help=t("names all that is random (0)"))  # fmt: skip
    add("--precision", choices=run_folder.PRECISIONS, help=t(
        "of the computation (float32); bf16: products in bfloat16, sums in float32"
    ))  # fmt: skip
    detection.add_arguments(parser)
    add("--no-augment", action="store_true", help=t("do not turn and shift the training images"))
    add("--glass", action="store_true", help=t("do not compile the training step"))
    add("--profile", action="store_true",
        help=t("measure where the time of a training step goes, kernel by kernel"))  # fmt: skip
    add("--watch", action="store_true",
        help=t("serve a live page of the run on this computer"))  # fmt: skip
    add("--watch-port", type=whole(0, 65535), metavar="N",
        help=t("the same, on this port (a free one)"))  # fmt: skip
    add("--workers", type=whole(0), default=0, metavar="N", help=t("threads that load data (0)"))
    add("--out", type=filled, metavar=t("FOLDER"), help=t("the run folder (runs/MODEL)"))
    add("--resume", action="store_true", help=t("go on with the run in that folder"))
    add("--overwrite", action="store_true", help=t("replace what lies in that folder"))


def run(options: Any) -> int:
    if options.model in detector_names():
        return detection.run(options)
    detection.refuse(options, detection.OPTIONS, options.model)
    recipe = models.recipe(_known(options.model))
    folder = Path(options.out or f"runs/{options.model}")
    if options.resume and options.overwrite:
        raise ArgumentError(
            t("--resume goes on with a run and --overwrite replaces it: one of both.")
        )
    given = _given(options, recipe)
    if options.resume:
        settings = run_folder.resumed(folder, given)
    else:
        settings = _defaults(recipe) | given
    _check_kind(recipe, settings)
    prepared = _prepared(settings, recipe)
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
    prepared: _Prepared,
    trainer: train.Trainer,
    options: Any,
) -> int:
    """Train, writing into `work`, which becomes `folder` when all is there; the exit status."""
    trainer.run_dir = work
    parameters = sum(p.numel() for p in trainer.model.parameters())
    print(prepared.headline(settings["model"], f"{parameters:,}", settings["data"]), flush=True)
    if not options.glass:
        examples = len(prepared.train) * getattr(prepared.train, "streams", 1)
        size, epochs = settings["batch_size"], settings["epochs"]
        say_if_long(trainer.model, prepared.input_shape, examples, size, epochs)
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
                rate=min(
                    settings["lr"] / 10,
                    _usual_rate(models.recipe(settings["model"]), settings["optimizer"]),
                ),
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


def _check_kind(recipe: models.Recipe | models.TextRecipe, settings: dict[str, Any]) -> None:
    """Refuses settings that the model's kind of data does not have."""
    of_text = isinstance(recipe, models.TextRecipe)
    for name, has in (("input", not of_text), ("length", of_text)):
        if (settings[name] is not None) > has:
            raise ArgumentError(
                t("--{option} means nothing to {model}: leave it out.", option=name,
                  model=settings["model"])
            )  # fmt: skip


def _prepared(settings: dict[str, Any], recipe: models.Recipe | models.TextRecipe) -> _Prepared:
    if isinstance(recipe, models.TextRecipe):
        return text.prepare(settings, recipe)
    if settings["model"] == "autoencoder":
        return restore.prepare(settings, recipe)
    return prepare(
        settings["data"],
        recipe,
        settings["seed"],
        tuple(settings["input"]) if settings["input"] else None,
        settings["augment"],
        settings["batch_size"],
    )


def beginning(
    model: str, settings: dict[str, Any] | None = None
) -> tuple[_Prepared, train.Trainer]:
    """The data and the trainer, in glass mode, that a run of a model begins with: by its recipe, or
    by the settings of a run. Training images are neither turned nor shifted."""
    recipe = models.recipe(_known(model) if settings is None else settings["model"])
    settings = (_defaults(recipe) if settings is None else settings) | {"augment": False}
    prepared = _prepared(settings, recipe)
    return prepared, _trainer(settings, recipe, prepared, False)


def _known(name: str) -> str:
    """The name, if there is such a model; raises ArgumentError with the closest one."""
    if name not in models.names():
        models.build(name)
    return name


def _given(options: Any, recipe: models.Recipe | models.TextRecipe) -> dict[str, Any]:
    """The settings that the command line says."""
    named = {
        "model": options.model,
        "data": options.data,
        "input": None if options.input is None else list(options.input),
        "length": options.length,
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "optimizer": options.optimizer,
        "lr": options.lr,
        "seed": options.seed,
        "precision": options.precision,
        "augment": False if options.no_augment else None,
    }
    given = {name: value for name, value in named.items() if value is not None}
    if "data" in given and given["data"] not in (DIGITS, *TEXTS, AUTHORS):
        # A run may be resumed from another working directory.
        given["data"] = str(Path(given["data"]).resolve())
    if given.get("optimizer", recipe.optimizer_name) != recipe.optimizer_name:
        given.setdefault("lr", _usual_rate(recipe, given["optimizer"]))
    return given


def _defaults(recipe: models.Recipe | models.TextRecipe) -> dict[str, Any]:
    of_data: dict[str, Any]
    if isinstance(recipe, models.TextRecipe):
        of_data = {"data": recipe.data, "length": recipe.length, "augment": False}
    else:
        augments = recipe.augmentation is not None
        of_data = {"data": DIGITS, "length": None, "augment": augments}
    return {
        "model": recipe.model,
        "input": None,
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "optimizer": recipe.optimizer_name,
        "lr": recipe.max_lr,
        "seed": 0,
        "precision": "float32",
        **of_data,
    }


def _usual_rate(recipe: models.Recipe | models.TextRecipe, optimizer: str) -> float:
    if optimizer == recipe.optimizer_name:
        return recipe.max_lr
    return _RATES.get(optimizer, _ADAPTIVE if recipe.optimizer_name == "sgd" else recipe.max_lr)


def _trainer(
    settings: dict[str, Any],
    recipe: models.Recipe | models.TextRecipe,
    prepared: _Prepared,
    compile: bool,
) -> train.Trainer:
    manual_seed(settings["seed"])
    model = models.build(
        settings["model"], prepared.input_shape, len(prepared.classes) or 1, **prepared.options
    )
    precision = settings["precision"]
    # In mixed precision the weights stay float32, and so does the model that is written.
    model.to(as_dtype("float32" if precision == "bf16" else precision))
    name, options = settings["optimizer"], {}
    optimizer: Any = name
    if name == recipe.optimizer_name:
        optimizer = recipe.optimizer(model, settings["lr"])
    else:
        options = {"lr": settings["lr"], **_OPTIONS.get(name, {})}
    return train.Trainer(
        model,
        recipe.loss,
        optimizer,
        prepared.metrics,
        recipe.scheduler_name,
        clip_grad_norm=recipe.clip_grad_norm if isinstance(recipe, models.TextRecipe) else None,
        seed=settings["seed"],
        precision=precision,
        compile=compile,
        **options,
    )


def _write(
    folder: Path,
    settings: dict[str, Any],
    prepared: _Prepared,
    trainer: train.Trainer,
    command_line: list[str],
    profile: Profile | None,
) -> Measured:
    """Measure, and write the model and the report."""
    model, history = trainer.model, trainer.history
    measured = prepared.measure(model, settings["seed"])
    models.save(
        folder / FILE,
        model,
        classes=prepared.classes,
        **prepared.saved(),
        info={
            "chainrule": entry.version(),
            "data": settings["data"],
            "input": settings["input"],
            "seed": settings["seed"],
            "batch_size": settings["batch_size"],
            "resized": getattr(prepared, "resized", False),
            "pixels": getattr(prepared, "pixels", False),
            "epochs": len(history),
            "metrics": {k: v for k, v in measured.metrics.items() if math.isfinite(v)},
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


def _tell(folder: Path, prepared: _Prepared, measured: Measured) -> None:
    """Say what the model is worth and where its files are."""
    print(prepared.verdict(measured))
    used = t("the model, for evaluate and predict")
    shown = t("curves, mistakes, kernels: open it in a browser")
    if isinstance(prepared, restore.PreparedInputs):
        shown = t("curves and kernels: open it in a browser")
    if isinstance(prepared, text.PreparedText):
        used = t("the model, for evaluate and generate")
        shown = t("curves and a sample: open it in a browser")
    for name, meaning in (
        (FILE, used),
        (run_folder.REPORT, shown),
        (run_folder.HISTORY, t("the numbers of every epoch and step")),
    ):
        print(f"  {str(folder / name):36}  {meaning}")
