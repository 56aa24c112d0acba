"""What lies in a run folder, and whether a run may write into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chainrule.base.errors import ArgumentError, FileFormatError
from chainrule.base.files import atomic_write
from chainrule.base.text import t
from chainrule.models.runs import FILE
from chainrule.train import History
from chainrule.train.trainer import CHECKPOINT

SETTINGS = "settings.json"
REPORT = "report.html"
HISTORY = "history.json"
OWN = (SETTINGS, CHECKPOINT, FILE, HISTORY, REPORT)

# Settings that decide the numbers of a run; the others may change when it is resumed.
DECIDING = (
    "model", "data", "input", "epochs", "batch_size", "optimizer", "lr", "seed", "precision",
    "augment",
)  # fmt: skip


def read_settings(folder: Path) -> dict[str, Any] | None:
    """The settings of the run in a folder; None where there are none."""
    path = folder / SETTINGS
    if not path.exists():
        return None
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(settings, dict):
            raise ValueError
    except ValueError:
        raise FileFormatError(
            t("{path}: these are not the settings of a run; --overwrite starts anew.", path=path)
        ) from None
    return settings


def claim(folder: Path, settings: dict[str, Any], overwrite: bool) -> None:
    """Make the folder ready for a new run with these settings.

    Raises ArgumentError where another run, an unfinished one, or something else lies there.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(20, "not a folder", str(folder))
    if folder.is_dir() and not overwrite:
        before = read_settings(folder)
        if before is None and any(folder.iterdir()):
            raise ArgumentError(
                t(
                    "{path} holds something that is not a run: choose another --out, or "
                    "--overwrite to write there all the same.",
                    path=folder,
                )
            )
        if before is not None:
            _compare(folder, before, settings)
            if _unfinished(folder, settings["epochs"]):
                raise ArgumentError(
                    t(
                        "{path} holds an unfinished run with these settings: --resume goes on, "
                        "--overwrite starts anew.",
                        path=folder,
                    )
                )
    folder.mkdir(parents=True, exist_ok=True)
    for name in OWN:
        (folder / name).unlink(missing_ok=True)
    atomic_write(folder / SETTINGS, json.dumps(settings, ensure_ascii=False, indent=2) + "\n")


def resumed(folder: Path, given: dict[str, Any]) -> dict[str, Any]:
    """The settings of the run to resume; `given`, what the command line says, must agree."""
    if not (folder / CHECKPOINT).exists():
        raise ArgumentError(
            t("{path} holds no checkpoint to resume from: leave out --resume.", path=folder)
        )
    settings = read_settings(folder)
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
    except (FileNotFoundError, FileFormatError):
        # Killed before it could say how far it got.
        return not (folder / FILE).exists()
    return len(history) < epochs and history.stopped is None


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
