"""What a run recorded: one row an epoch, the loss of every step, statistics of layers."""

from __future__ import annotations

import json
import math
import os
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.base.constraints import Choice
from chainrule.base.errors import ArgumentError, FileFormatError
from chainrule.base.files import atomic_write
from chainrule.base.text import t

FORMAT = "chainrule-history"
VERSION = 1

# JSON has no word for these; as texts they survive any reader.
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

_SMALLER_IS_BETTER = ("loss", "error", "mse", "mae", "rmse", "perplexity")


def better_mode(monitor: str, mode: str = "auto") -> str:
    """ "min" or "max": `mode`, or for "auto" what the name of the monitored value suggests."""
    mode = Choice("auto", "min", "max").check(mode, "monitor", "mode")
    if mode != "auto":
        return mode
    name = monitor.removeprefix("val_")
    return "min" if any(name.endswith(word) for word in _SMALLER_IS_BETTER) else "max"


class History:
    """The record of a run.

    `history["val_loss"]` is that column, one value an epoch; `history.epochs` the rows, each with
    `epoch` (from 1), `loss`, the metrics, the same with `val_`, `lr` and `seconds`.

    Attributes:
        epochs: list of rows.
        step_loss, step_lr: one number a step (arrays of doubles).
        layers: layer → one mapping an epoch, from the `Recorder`.
        config: the settings of the run, plain JSON values.
        interrupted: the run was ended by Ctrl-C or SIGTERM and can be resumed.
        signal: the number of that signal; it is not stored.
        stopped: why the run ended before its last epoch, or None.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self.epochs: list[dict[str, float]] = []
        self.step_loss = array("d")
        self.step_lr = array("d")
        self.layers: dict[str, list[dict[str, float]]] = {}
        self.config: dict[str, Any] = dict(config or {})
        self.interrupted = False
        self.signal: int | None = None
        self.stopped: str | None = None

    # ---- reading -----------------------------------------------------------------------------

    def keys(self) -> list[str]:
        """The names of the columns, in the order of their first appearance."""
        return list(dict.fromkeys(key for row in self.epochs for key in row))

    def __getitem__(self, key: str) -> list[float]:
        known = self.keys()
        if key not in known:
            raise self._unknown(key, known)
        return [row.get(key, math.nan) for row in self.epochs]

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __len__(self) -> int:
        return len(self.epochs)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.epochs)

    def best(self, monitor: str | None = None, mode: str = "auto") -> dict[str, float]:
        """The row of the best epoch; the earliest of equals. NaN is never the best.

        monitor: a column; by default `val_loss`, or `loss` without validation.
        mode: "min", "max", or "auto": "min" for losses and errors, "max" for the rest.

        Raises ArgumentError when the column is not there or holds no number.
        """
        if monitor is None:
            monitor = "val_loss" if "val_loss" in self else "loss"
        values = self[monitor]
        sign = 1.0 if better_mode(monitor, mode) == "min" else -1.0
        ranked = [(sign * v, i) for i, v in enumerate(values) if not math.isnan(v)]
        if not ranked:
            raise ArgumentError(
                t("The history has no number under {key!r}: it has no best epoch.", key=monitor)
            )
        return self.epochs[min(ranked)[1]]

    def _unknown(self, key: str, known: list[str]) -> ArgumentError:
        return ArgumentError(
            t(
                "The history has no {key!r}; it has: {known}.",
                key=key,
                known=", ".join(known) or t("nothing yet"),
            )
        )

    def __repr__(self) -> str:
        if not self.epochs:
            return "History(0 epochs)"
        last = ", ".join(f"{k}={v:.4g}" for k, v in self.epochs[-1].items() if k != "epoch")
        return f"History({len(self)} epochs; {last})"

    # ---- storing -----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything, the steps as arrays: for a checkpoint."""
        return {
            "epochs": [dict(row) for row in self.epochs],
            "step_loss": np.array(self.step_loss, dtype=np.float64),
            "step_lr": np.array(self.step_lr, dtype=np.float64),
            "layers": {name: [dict(row) for row in rows] for name, rows in self.layers.items()},
            "config": dict(self.config),
            "interrupted": self.interrupted,
            "stopped": self.stopped,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become what `state_dict` was taken of."""
        self.epochs = [dict(row) for row in state["epochs"]]
        self.step_loss = array("d", np.asarray(state["step_loss"], dtype=np.float64).tolist())
        self.step_lr = array("d", np.asarray(state["step_lr"], dtype=np.float64).tolist())
        self.layers = {name: [dict(r) for r in rows] for name, rows in state["layers"].items()}
        self.config = dict(state["config"])
        self.interrupted, self.stopped = bool(state["interrupted"]), state["stopped"]

    def to_json(self) -> str:
        """The history as strict JSON; NaN and infinities are the texts NaN, Infinity, -Infinity."""
        state = self.state_dict()
        state["step_loss"], state["step_lr"] = self.step_loss.tolist(), self.step_lr.tolist()
        content = {"format": FORMAT, "version": VERSION, **state}
        return json.dumps(_to_words(content), ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> History:
        """The history that `to_json` wrote. Raises FileFormatError for any other text."""
        history = cls()
        try:
            content = json.loads(text)
            if content["format"] != FORMAT or content["version"] > VERSION:
                raise ValueError
            numbers = ("epochs", "step_loss", "step_lr", "layers")
            history.load_state_dict(content | {k: _from_words(content[k]) for k in numbers})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileFormatError(t("This is not the history of a chainrule run.")) from error
        return history

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_json` to `path`, whole or not at all."""
        atomic_write(path, self.to_json())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> History:
        """Read what `save` wrote. Raises FileFormatError for a file that is no history."""
        try:
            return cls.from_json(Path(path).read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise FileFormatError(
                t("{path}: this is not the history of a chainrule run.", path=path)
            ) from error


def _to_words(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _to_words(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_to_words(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def _from_words(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _from_words(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_from_words(part) for part in value]
    return _WORDS.get(value, value) if isinstance(value, str) else value
