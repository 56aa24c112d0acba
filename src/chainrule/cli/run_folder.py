"""What lies in a run folder, and whether a run may write into it.

A run that replaces another works in a folder of its own inside, `run-unfinished`, and its files
take the place of the old ones only when all of them are there.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from chainrule.base.errors import ArgumentError, FileFormatError
from chainrule.base.files import atomic_write
from chainrule.base.text import t
from chainrule.models.runs import FILE, load
from chainrule.nn import Module
from chainrule.train import History, optimizer_names
from chainrule.train.trainer import CHECKPOINT

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

SETTINGS = "settings.json"
REPORT = "report.html"
HISTORY = "history.json"
PROFILE = "profile.json"
OWN = (SETTINGS, CHECKPOINT, FILE, HISTORY, PROFILE, REPORT)
# Inside the run folder: what a replacing run has so far, and one whose files are being moved.
UNFINISHED, FINISHED = "run-unfinished", "run-finished"
MAX_SEED = 2**64 - 1
PRECISIONS = ("float32", "float64", "bf16")

# Settings that decide the numbers of a run; the others may change when it is resumed.
DECIDING = (
    "model", "data", "input", "length", "epochs", "batch_size", "optimizer", "lr", "seed",
    "precision", "augment", "batch_norm", "test_side", "standardise",
)  # fmt: skip


def model_of(path: str) -> Any:
    """The model in a run folder or a file; raises for what `models.load` reads and is no model."""
    model = load(path)
    if not isinstance(model, Module):
        raise FileFormatError(
            t(
                "{path} holds tensors but does not say of which model: rebuild that yourself and "
                "give it chainrule.load_file(path).",
                path=path,
            )
        )
    return model


def _is_whole(value: Any, low: int, high: float = math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and 1 <= len(value) <= 4 and all(_is_whole(n, 1) for n in value)


_VALID: dict[str, Callable[[Any], bool]] = {
    "model": lambda v: isinstance(v, str),
    "data": lambda v: isinstance(v, str) and bool(v),
    "input": lambda v: v is None or _is_shape(v),
    "length": lambda v: v is None or _is_whole(v, 1),
    "epochs": lambda v: _is_whole(v, 1),
    "batch_size": lambda v: _is_whole(v, 1),
    "optimizer": lambda v: v in optimizer_names(),
    "lr": lambda v: isinstance(v, int | float) and 0 < v < math.inf,
    "seed": lambda v: _is_whole(v, 0, MAX_SEED),
    "precision": lambda v: v in PRECISIONS,
    "augment": lambda v: isinstance(v, bool),
    "batch_norm": lambda v: v in (None, "running", "frozen"),
    "test_side": lambda v: v is None or _is_whole(v, 1),
    "standardise": lambda v: v is None or isinstance(v, bool),
    "recipe": lambda v: v is None or isinstance(v, dict),
}


def read_settings(folder: Path) -> dict[str, Any] | None:
    """The settings of the run in a folder; None where there are none."""
    path = folder / SETTINGS
    if not path.exists():
        return None
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(settings, dict):
            raise ValueError
        # Runs from before there were models of text, or detectors, do not speak of it.
        settings.setdefault("length", None)
        settings.setdefault("batch_norm", None)
        settings.setdefault("test_side", None)
        settings.setdefault("standardise", False if settings["batch_norm"] else None)
        settings.setdefault("recipe", None)
        if not all(name in settings and valid(settings[name]) for name, valid in _VALID.items()):
            raise ValueError
    except (ValueError, TypeError, RecursionError):
        raise no_settings(folder) from None
    return settings


def no_settings(folder: Path) -> FileFormatError:
    """That the settings in a folder are none."""
    path = folder / SETTINGS
    return FileFormatError(
        t("{path}: these are not the settings of a run; --overwrite starts anew.", path=path)
    )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder, and keep other trainings out of it while inside.

    Raises ArgumentError while another process trains there. The lock ends with its process.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(20, "not a folder", str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    handle = None if fcntl is None else os.open(folder, os.O_RDONLY)
    try:
        if handle is not None:
            _lock(handle, folder)
        _settle(folder)
        try:
            yield
        finally:
            if working(folder) == folder:
                # A replacement that got to no checkpoint: nothing can go on from there.
                _remove(folder / UNFINISHED)
    finally:
        if handle is not None:
            os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ArgumentError(
            t(
                "Another training is writing into {path}: wait for its end, or choose another "
                "--out.",
                path=folder,
            )
        ) from None
    except OSError:
        # Some network file systems cannot lock folders.
        return


def working(folder: Path) -> Path:
    """Where the checkpoint to resume from lies: the folder, or within it that of a replacement."""
    inner = folder / UNFINISHED
    return inner if (inner / CHECKPOINT).is_file() else folder


def claim(folder: Path, settings: dict[str, Any], overwrite: bool) -> Path:
    """Make the folder ready for a new run with these settings; where the run is to write.

    A trained model or a checkpoint in the folder stays until `publish`; so a finished run with the
    same settings may be made again, to the same bits.
    Raises ArgumentError where another run, an unfinished one, or something else lies there.
    """
    if not overwrite:
        _refuse_to_replace(folder, settings)
    work = folder
    _remove(folder / UNFINISHED)
    if any((folder / name).exists() for name in (FILE, CHECKPOINT)):
        work = folder / UNFINISHED
        work.mkdir(exist_ok=True)
    for name in OWN:
        (work / name).unlink(missing_ok=True)
    atomic_write(work / SETTINGS, json.dumps(settings, ensure_ascii=False, indent=2) + "\n")
    return work


def _refuse_to_replace(folder: Path, settings: dict[str, Any]) -> None:
    work = working(folder)
    before = read_settings(work)
    if before is None:
        if any(folder.iterdir()):
            raise ArgumentError(
                t(
                    "{path} holds something that is not a run: choose another --out, or "
                    "--overwrite to write there all the same.",
                    path=folder,
                )
            )
        return
    _compare(folder, before, settings)
    if _unfinished(work, settings["epochs"]):
        raise ArgumentError(
            t(
                "{path} holds an unfinished run with these settings: --resume goes on, "
                "--overwrite starts anew.",
                path=folder,
            )
        )


def publish(folder: Path, work: Path) -> None:
    """Put the files of a run that is done into its folder, each in the place of the old one."""
    if work != folder:
        # From here on the move is completed by whoever opens the folder next.
        os.rename(work, folder / FINISHED)
        _settle(folder)


def discard(folder: Path, work: Path) -> None:
    """Take away a replacement that came to nothing; what it was to replace stays."""
    if work != folder:
        _remove(work)


def _settle(folder: Path) -> None:
    done = folder / FINISHED
    if not done.is_dir():
        return
    for name in OWN:
        if (done / name).exists():
            os.replace(done / name, folder / name)
    _remove(done)


def _remove(inner: Path) -> None:
    if not inner.is_dir():
        return
    for name in OWN:
        for path in (inner / name, *inner.glob(f".{name}.*.tmp")):
            path.unlink(missing_ok=True)
    with suppress(OSError):
        # Not empty: somebody else's files stay.
        inner.rmdir()


def resumed(folder: Path, given: dict[str, Any]) -> dict[str, Any]:
    """The settings of the run to resume; `given`, what the command line says, must agree."""
    work = working(folder)
    if not (work / CHECKPOINT).exists():
        raise ArgumentError(
            t("{path} holds no checkpoint to resume from: leave out --resume.", path=folder)
        )
    settings = read_settings(work)
    if settings is None:
        raise ArgumentError(
            t("{path} holds a checkpoint without its {file}: it cannot be resumed from here.",
              path=folder, file=SETTINGS)
        )  # fmt: skip
    for name, value in given.items():
        if name in DECIDING and settings.get(name) != value:
            raise ArgumentError(
                t(
                    "The run in {path} has {name} = {before}, not {now}: leave that option out to "
                    "resume it.",
                    path=folder,
                    name=name,
                    before=_shown(settings.get(name)),
                    now=_shown(value),
                )
            )
    return settings


def _unfinished(folder: Path, epochs: int) -> bool:
    """Whether the run in the folder was cut short and could go on."""
    if not (folder / CHECKPOINT).exists():
        return False
    try:
        history = History.load(folder / HISTORY)
    except (OSError, FileFormatError, RecursionError):
        # Killed before it could say how far it got, or damaged: the checkpoint is worth keeping.
        return True
    if history.stopped is not None:
        return False
    return len(history) < epochs or not (folder / FILE).exists()


def _compare(folder: Path, before: dict[str, Any], settings: dict[str, Any]) -> None:
    for name in DECIDING:
        if before.get(name) != settings.get(name):
            raise ArgumentError(
                t(
                    "{path} holds a run with {name} = {before}, this one has {now}: choose another "
                    "--out, or --overwrite to replace it.",
                    path=folder,
                    name=name,
                    before=_shown(before.get(name)),
                    now=_shown(settings.get(name)),
                )
            )


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
