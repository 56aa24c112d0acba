"""Autoencoders on the command line: their target is their input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule import data, models
from chainrule.base.text import t
from chainrule.cli.measure import Measured, logits_of
from chainrule.cli.prepare import read_parts
from chainrule.data import transforms
from chainrule.graph import Tensor

# Inputs with more numbers are not compared with principal components: those take too long.
_FEATURES = 2048


@dataclass(frozen=True)
class PreparedInputs:
    """Inputs in two parts, for a model that restores them from a short code."""

    train: Any
    test: Any
    input_shape: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    tested_on: str
    resized: bool
    pixels: bool

    classes: ClassVar[tuple[str, ...]] = ()
    metrics: ClassVar[tuple[str, ...]] = ()

    @property
    def options(self) -> dict[str, Any]:
        """What the model takes beside the shape of its input."""
        return {"output": "sigmoid" if self.pixels else None}

    def headline(self, model: str, parameters: str, source: str) -> str:
        """What is trained on what."""
        return t(
            "{model}, {parameters} parameters, on {n} examples of {data}; tested on {m}.",
            model=model,
            parameters=parameters,
            n=f"{len(self.train):,}",
            data=source,
            m=f"{len(self.test):,}",
        )

    def saved(self) -> dict[str, Any]:
        """What goes into the model's file."""
        return {"mean": self.mean, "std": self.std}

    def measure(self, model: Any, seed: int) -> Measured:
        """Mean squared error on the test part, and that of principal components."""
        numbers = {"squared_error": float(np.mean(errors(model, self.test)))}
        x = _rows(self.train)
        if x.shape[1] <= _FEATURES:
            size = model.encode(Tensor(self.test.tensors[0].numpy()[:1]).to(_dtype(model))).shape[1]
            numbers["components_error"] = _components_error(x, _rows(self.test), size)
        return Measured(numbers)

    def verdict(self, measured: Measured) -> str:
        """The sentence after training."""
        numbers = measured.metrics
        said = t(
            "Test squared error {error:.5f} ({where}).",
            error=numbers["squared_error"],
            where=self.tested_on,
        )
        if "components_error" not in numbers:
            return said
        return said + t(
            " As many principal components leave {error:.5f}.", error=numbers["components_error"]
        )


def prepare(settings: dict[str, Any], recipe: models.Recipe) -> PreparedInputs:
    """What an autoencoder learns from, by the settings of its run: pixels as 0 .. 1, other numbers
    normalised. Raises DataError and its kind for data that cannot be used."""
    shape = tuple(settings["input"]) if settings["input"] else None
    parts = read_parts(settings["data"], recipe, settings["seed"], shape)
    pixels = parts.train.x.dtype == np.uint8
    mean, std = ((0.0,), (1.0,)) if pixels else (parts.mean, parts.std)
    prepared = transforms.Compose([transforms.ToFloat(), transforms.Normalize(mean, std)])
    inputs = []
    for dataset, rows in ((parts.train, parts.rows), (parts.test, parts.held)):
        x = Tensor(np.asarray(prepared(dataset.x[rows]), np.float32))
        inputs.append(data.TensorDataset(x, x))
    return PreparedInputs(
        inputs[0], inputs[1], parts.train.input_shape, mean, std, parts.tested_on, parts.resized,
        pixels,
    )  # fmt: skip


def of_inputs(model: Any) -> bool:
    """Whether a loaded model restores its inputs."""
    return model.config["name"] == "autoencoder"  # type: ignore[no-any-return]


def errors(model: Any, dataset: Any) -> NDArray[np.float64]:
    """The mean squared difference of each input and what the model makes of it [N]."""
    outputs = logits_of(model, dataset)[0]
    inputs = np.concatenate([np.asarray(x) for x, *_ in _batches(dataset)])
    axes = tuple(range(1, outputs.ndim))
    out: NDArray[np.float64] = np.square(outputs - inputs).mean(axis=axes)
    return out


def _batches(dataset: Any) -> Any:
    for batch in data.DataLoader(dataset, 256):
        yield [part.numpy() for part in batch]


def _rows(dataset: Any) -> NDArray[np.float64]:
    x = dataset.tensors[0].numpy().astype(np.float64)
    out: NDArray[np.float64] = x.reshape(len(x), -1)
    return out


def _components_error(x: NDArray[Any], held: NDArray[Any], size: int) -> float:
    """What is left of `held` without the `size` directions along which x varies most."""
    mean = x.mean(axis=0)
    _, axes = np.linalg.eigh((x - mean).T @ (x - mean))
    kept = axes[:, -size:]
    rest = held - mean
    rest = rest - rest @ kept @ kept.T
    return float(np.square(rest).mean())


def _dtype(model: Any) -> Any:
    return next(model.parameters()).dtype
