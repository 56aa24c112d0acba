"""Data for a run: training and test part, normalised by what the training part shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule import data, models
from chainrule.base.errors import DataError
from chainrule.base.text import t
from chainrule.cli.measure import Measured, measure
from chainrule.data import transforms
from chainrule.data.readers.load import picture_sizes
from chainrule.graph import no_grad
from chainrule.nn import functional as F
from chainrule.ops import functional as ops

DIGITS = "digits28"
# Of a source that does not say what to test on.
TEST_SHARE = 0.2
_SOME = 4096
# Images scaled at a time.
_IMAGES = 256


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
    resized: bool = False  # whether inputs were scaled to input_shape

    metrics: ClassVar = ("accuracy",)

    @property
    def pixels(self) -> bool:
        """Whether the inputs are stored as pixels 0 .. 255."""
        return bool(self.images.dtype == np.uint8)

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


class Parts(NamedTuple):
    """Both parts as they are stored. Of a source without parts, both lie in the same dataset."""

    train: data.ArrayDataset
    test: data.ArrayDataset
    rows: NDArray[Any]  # of `train` to learn from
    held: NDArray[Any]  # of `test`
    mean: tuple[float, ...]
    std: tuple[float, ...]
    tested_on: str
    resized: bool


def prepare(
    source: str,
    recipe: models.Recipe,
    seed: int,
    input_shape: tuple[int, ...] | None = None,
    augment: bool = True,
    batch_size: int | None = None,
) -> Prepared:
    """Load, split, normalise and augment what a run is trained and tested on.

    A source without a test part gives a fifth of its samples, drawn by the seed. Where the last
    batch would be a single image, which batch norm cannot take, a deep network goes without it.
    Raises DataError and its kind for data that cannot be used.
    """
    parts = read_parts(source, recipe, seed, input_shape)
    train, test = parts.train, parts.test
    if len(train.classes) < 2:
        raise DataError(t("{source} has one class only: there is nothing to learn.", source=source))
    steps: list[Any] = [transforms.ToFloat()]
    normalise = transforms.Normalize(parts.mean, parts.std)
    if augment and recipe.augmentation is not None and len(train.input_shape) == 3:
        steps.append(recipe.augmentation.transform())
    shown = train.with_transform(transforms.Compose([*steps, normalise]))
    tested = test.with_transform(transforms.Compose([transforms.ToFloat(), normalise]))
    assert test.y is not None
    rows = parts.rows
    if recipe.picture is not None and batch_size and len(rows) > 1 == len(rows) % batch_size:
        rows = rows[:-1]
    return Prepared(
        data.Subset(shown, rows),
        data.Subset(tested, parts.held),
        test.x[parts.held],
        test.y[parts.held],
        train.input_shape,
        train.classes,
        parts.mean,
        parts.std,
        parts.tested_on,
        parts.resized,
    )


def read_parts(
    source: str, recipe: models.Recipe, seed: int, input_shape: tuple[int, ...] | None
) -> Parts:
    """Load and split, and bring pictures to a size that the model takes."""
    splits = data.available_splits(source)
    size = _picture_size(source, recipe, input_shape)
    options: dict[str, Any] = {"input_shape": input_shape, "transform": None, "size": size}
    if size is not None and input_shape is not None:
        options["channels"] = input_shape[0]
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
    mean: tuple[float, ...] = (recipe.mean,)
    std: tuple[float, ...] = (recipe.std,)
    if source != DIGITS:
        mean, std = _moments(train.x, rows)
    small = len(train.input_shape) == 3 and min(train.input_shape[1:]) < recipe.least
    if small:
        height, width = train.input_shape[1:]
        factor = recipe.least / min(height, width)
        size = round(height * factor), round(width * factor)
        same = train is test
        train = _with_inputs(train, resized(train.x, size))
        test = train if same else _with_inputs(test, resized(test.x, size))
    return Parts(train, test, rows, held, mean, std, tested_on, size is not None)


# ---- pictures of another size ----------------------------------------------------------------


def _picture_size(
    source: str, recipe: models.Recipe, input_shape: tuple[int, ...] | None
) -> tuple[int, ...] | None:
    """(height, width) that a folder of pictures is read at; None as they are, and for others."""
    sizes = picture_sizes(source)
    if not sizes:
        return None
    if input_shape is not None:
        is_image = len(input_shape) == 3 and input_shape[0] in (1, 3, 4)
        return input_shape[1:] if is_image else None
    side = recipe.picture
    if len(sizes) == 1 and (side is None or max(next(iter(sizes))) <= side):
        return None
    if side is None:
        raise DataError(
            t(
                "{source} holds pictures of different sizes: --input 1,28,28, say, scales all to "
                "28×28, in grey.",
                source=source,
            )
        )
    return side, side


def resized(x: NDArray[Any], size: tuple[int, ...]) -> NDArray[Any]:
    """Images [N, C, H, W] brought to [N, C, *size], bilinear, the dtype as it was."""
    out = np.empty((*x.shape[:2], *size), x.dtype)
    whole = x.dtype.kind in "iu"
    with no_grad():
        for start in range(0, len(x), _IMAGES):
            part = ops.tensor(x[start : start + _IMAGES].astype(np.float32))
            y = F.interpolate(part, size, mode="bilinear", antialias=True).numpy()
            out[start : start + _IMAGES] = np.rint(y) if whole else y
    return out


def _with_inputs(dataset: data.ArrayDataset, x: NDArray[Any]) -> data.ArrayDataset:
    return data.ArrayDataset(
        x, dataset.y, dataset.transform, classes=dataset.classes, name=dataset.name
    )


# ---- splitting and normalising ---------------------------------------------------------------


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
