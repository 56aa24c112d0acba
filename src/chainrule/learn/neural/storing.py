"""A fitted network in the library's own file: plain values and tensors, nothing that is run."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.base.dtypes import as_dtype
from chainrule.base.errors import ArgumentError, FileFormatError
from chainrule.base.text import t
from chainrule.files import load_checkpoint, save_checkpoint
from chainrule.learn.neural import losses
from chainrule.learn.neural.network import made
from chainrule.train import History

_FORMAT, _VERSION = "chainrule-estimator", 1


def save(estimator: Any, path: Any) -> None:
    """Writes the estimator; see `NeuralEstimator.save`."""
    parameters = estimator.get_params(deep=False)
    plain = {name: value for name, value in parameters.items() if _is_plain(value)}
    fitted = {
        name: _packed(getattr(estimator, name))
        for name in ("classes_", "n_features_in_", "feature_names_in_", "n_outputs_")
        if hasattr(estimator, name)
    }
    state = {
        "format": _FORMAT,
        "version": _VERSION,
        "estimator": type(estimator).__name__,
        "parameters": plain,
        "given": sorted(set(parameters) - set(plain)),
        "fitted": fitted,
        "input_shape": list(estimator._input_shape),
        "outputs": estimator._sized,
        "rows": estimator._rows,
        "dtype": estimator._trainer.dtype.name,
        "output_shape": list(estimator._output_shape),
        "module": dict(estimator.module_.state_dict()),
        "optimizer": estimator._trainer.optimizer.state_dict(),
        "history": estimator.history_.state_dict(),
    }
    save_checkpoint(path, state)


def load(kind: Any, path: Any, parameters: dict[str, Any]) -> Any:
    """Reads an estimator; see `NeuralEstimator.load`."""
    state = load_checkpoint(path)
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise FileFormatError(t("{path}: this is no file of an estimator.", path=path))
    if state["version"] > _VERSION:
        raise FileFormatError(
            t("{path}: this estimator was written by a newer chainrule: update it.", path=path)
        )
    if state["estimator"] != kind.__name__:
        raise FileFormatError(
            t("{path} holds a {found}, not a {wanted}.",
              path=path, found=state["estimator"], wanted=kind.__name__)
        )  # fmt: skip
    missing = [name for name in state["given"] if name not in parameters]
    if missing:
        raise ArgumentError(
            t(
                "{path}: the file cannot hold {names}: give them, as in load(path, {first}=…).",
                path=path,
                names=", ".join(missing),
                first=missing[0],
            )
        )
    estimator = kind(**(state["parameters"] | parameters))
    for name, value in state["fitted"].items():
        setattr(estimator, name, _unpacked(value))
    estimator._input_shape, estimator._sized = tuple(state["input_shape"]), state["outputs"]
    estimator._rows = state["rows"]
    estimator._output_shape = tuple(state["output_shape"])
    estimator.module_ = made(
        estimator.module, estimator._options("module"), estimator._input_shape, estimator._sized
    )
    estimator.module_.to(as_dtype(state["dtype"]))
    estimator.module_.load_state_dict(state["module"])
    estimator._loss = losses.made_loss(estimator._named_loss(), estimator._options("loss"))
    estimator.history_ = History()
    estimator.history_.load_state_dict(state["history"])
    estimator.n_epochs_ = len(estimator.history_)
    estimator._optimizer_state = state["optimizer"]
    estimator._trainer = estimator._trainer_of(False, True)
    return estimator


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(k, str | int) and _is_plain(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return all(_is_plain(part) for part in value)
    return value is None or isinstance(value, bool | int | float | str)


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"values": value.tolist(), "dtype": value.dtype.str}
    return int(value)


def _unpacked(value: Any) -> Any:
    if isinstance(value, dict):
        return np.array(value["values"], dtype=np.dtype(value["dtype"]))
    return value
