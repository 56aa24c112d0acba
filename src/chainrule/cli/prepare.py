"""Data for a run: training and test part, normalised by what the training part shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule import data, models
from chainrule.base.errors import DataError
from chainrule.base.text import t
from chainrule.cli.measure import Measured, measure
from chainrule.data import transforms

DIGITS = "digits28"
# Of a source that does not say what to test on.
TEST_SHARE = 0.2
_SOME = 4096


@dataclass(frozen=True)
class Prepared:
    """Both parts, ready for a loader, and what it takes to prepare others the same way."""

    train: Any
    test: Any
    images: NDArray[Any]  # the test inputs as stored, for pictures
    targets: NDArray[Any]  # of the test part
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    tested_on: str

    metrics: ClassVar = ("accuracy",)

    @property
    def options(self) -> dict[str, Any]:
        """What the model takes beside the shape of its input and its classes."""
        return {}

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
        """What the model is worth on the test part."""
        return measure(model, self.test, len(self.classes))

    def verdict(self, measured: Measured) -> str:
        """The sentence after training."""
        return t(
            "Test accuracy {accuracy:.4f}, loss {loss:.4f} ({where})",
            accuracy=measured.metrics["accuracy"],
            loss=measured.metrics["loss"],
            where=self.tested_on,
        )


def prepare(
    source: str,
    recipe: models.Recipe,
    seed: int,
    input_shape: tuple[int, ...] | None = None,
    augment: bool = True,
) -> Prepared:
    """Load, split, normalise and augment what a run is trained and tested on.

    A source without a test part gives a fifth of its samples, drawn by the seed.
    Raises DataError and its kind for data that cannot be used.
    """
    splits = data.available_splits(source)
    options: dict[str, Any] = {"input_shape": input_shape, "transform": None}
    if "train" in splits and "test" in splits:
        train, test = (data.load(source, split, **options) for split in ("train", "test"))
        if train.input_shape != test.input_shape:
            raise DataError(
                t(
                    "{source}: the training examples are {train} and the test examples {test}: "
                    "both parts must have the same shape.",
                    source=source,
                    train="×".join(map(str, train.input_shape)),
                    test="×".join(map(str, test.input_shape)),
                )
            )
        tested_on = t("{source}, {n} test examples", source=source, n=f"{len(test):,}")
        if source == DIGITS:
            tested_on = t("{source}, the last {n}", source=source, n=f"{len(test):,}")
        rows: Any = np.arange(len(train))
        held: Any = np.arange(len(test))
    else:
        train = test = data.load(source, **options)
        if len(train) < 2:
            raise DataError(t("{source} holds one sample: there is nothing to test on.",
                              source=source))  # fmt: skip
        rows, held = (part.indices for part in split_off(train, seed))
        tested_on = t("{source}, {n} examples held out", source=source, n=f"{len(held):,}")
    if 0 in train.input_shape:
        raise DataError(t("{source} has no features: there is nothing to learn from.",
                          source=source))  # fmt: skip
    if len(train.classes) < 2:
        raise DataError(t("{source} has one class only: there is nothing to learn.", source=source))
    mean: tuple[float, ...] = (recipe.mean,)
    std: tuple[float, ...] = (recipe.std,)
    if source != DIGITS:
        mean, std = _moments(train.x, rows)
    steps: list[Any] = [transforms.ToFloat()]
    normalise = transforms.Normalize(mean, std)
    if augment and recipe.augmentation is not None and len(train.input_shape) == 3:
        steps.append(recipe.augmentation.transform())
    shown = train.with_transform(transforms.Compose([*steps, normalise]))
    tested = test.with_transform(transforms.Compose([transforms.ToFloat(), normalise]))
    assert test.y is not None
    return Prepared(
        data.Subset(shown, rows),
        data.Subset(tested, held),
        test.x[held],
        test.y[held],
        train.input_shape,
        train.classes,
        mean,
        std,
        tested_on,
    )


def split_off(dataset: Any, seed: int) -> list[data.Subset]:
    """Training and test part of a dataset that has no parts of its own; the seed names them."""
    least = max(1, round(TEST_SHARE * len(dataset)))
    return data.random_split(dataset, [len(dataset) - least, least], seed=seed)


def _moments(x: NDArray[Any], rows: NDArray[Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel or feature over the training rows, pixels as 0 .. 1."""
    axes = (0, *range(2, x.ndim))
    scale = 1 / 255 if x.dtype == np.uint8 else 1.0
    sums = [np.zeros(x.shape[1]), np.zeros(x.shape[1])]
    centre = x[rows[:_SOME]].astype(np.float64).mean(axis=axes, keepdims=True)
    for start in range(0, len(rows), _SOME):
        part = x[rows[start : start + _SOME]] - centre
        sums[0] += part.sum(axis=axes)
        sums[1] += np.square(part).sum(axis=axes)
    n = len(rows) * (x[0].size // x.shape[1])
    shift = sums[0] / n
    mean = centre.reshape(-1) + shift
    deviation = np.sqrt(np.maximum(sums[1] / n - shift**2, 0.0))
    # A channel that never changes is left as it is.
    deviation[deviation * scale < 1e-6] = 1 / scale
    return tuple((mean * scale).tolist()), tuple((deviation * scale).tolist())
