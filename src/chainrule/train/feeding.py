"""From what a user gives as data to a DataLoader, and from its batches to tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.base.dtypes import DType
from chainrule.base.errors import ArgumentError, DataError
from chainrule.base.text import t
from chainrule.data import ArrayDataset, DataLoader, Dataset, IterableDataset, TensorDataset
from chainrule.graph import Tensor
from chainrule.ops import functional as ops


def make_loader(
    data: Any,
    name: str,
    batch_size: int,
    *,
    shuffle: bool = False,
    seed: int | None = None,
    num_workers: int = 0,
    dtype: DType | None = None,
) -> DataLoader:
    """A loader over `data`; a DataLoader is taken as it is.

    Args:
        data: DataLoader, Dataset, or a tuple (x, y) of arrays or tensors. A dataset that
            `continues` (TextStreams) gives whole batches itself, in their order.
        name: what the data are for, for errors.
        dtype: of the model; floating arrays are converted to it once, here.

    Raises:
        DataError: no samples.
        ArgumentError: data of another kind.
    """
    if isinstance(data, DataLoader):
        loader = data
    else:
        dataset = _dataset(data, name, dtype)
        streaming = isinstance(dataset, IterableDataset)
        ordered = getattr(dataset, "continues", False)
        if not streaming and not len(dataset):
            raise _empty(name)
        loader = DataLoader(
            dataset,
            None if ordered else batch_size,
            shuffle=None if streaming else shuffle and not ordered,
            seed=seed,
            num_workers=num_workers,
        )
    if length(loader) == 0:
        raise _empty(name)
    return loader


def _empty(name: str) -> DataError:
    return DataError(t("The {name} data are empty: there is no batch to work on.", name=name))


def _dataset(data: Any, name: str, dtype: DType | None) -> Any:
    if isinstance(data, Dataset) or (
        hasattr(data, "__getitem__") and hasattr(data, "__len__") and not _is_plain(data)
    ):
        return data
    if isinstance(data, tuple) and data and all(_is_array(part) for part in data):
        if any(isinstance(part, Tensor) for part in data):
            return TensorDataset(
                *(p if isinstance(p, Tensor) else Tensor(_fit(np.asarray(p), dtype)) for p in data)
            )
        if len(data) <= 2:
            x, y = (*(_fit(np.asarray(part), dtype) for part in data), None)[:2]
            return ArrayDataset(x, y)
        return TensorDataset(*(Tensor(_fit(np.asarray(part), dtype)) for part in data))
    raise ArgumentError(
        t(
            "The {name} data must be a DataLoader, a Dataset or a tuple (x, y) of arrays, "
            "not {kind}.",
            name=name,
            kind=type(data).__name__,
        )
    )


def _is_plain(data: Any) -> bool:
    return isinstance(data, tuple | list | dict | str | bytes | np.ndarray | Tensor)


def _is_array(part: Any) -> bool:
    return isinstance(part, Tensor | np.ndarray | list) or hasattr(part, "__array__")


def _fit(array: np.ndarray, dtype: DType | None) -> np.ndarray:
    if array.dtype.kind == "f" and dtype is not None and array.dtype != dtype.numpy:
        return array.astype(dtype.numpy)
    return array


def length(loader: DataLoader) -> int | None:
    """Batches an epoch; None for a stream that does not know."""
    try:
        return len(loader)
    except TypeError:
        return None


def unpack(batch: Any, dtype: DType, with_target: bool = True) -> tuple[tuple[Tensor, ...], Any]:
    """(inputs, target) of a batch: the last of its tensors is the target, the others are inputs.

    Floating inputs are converted to `dtype`. Without a target: a lone tensor is the input.
    """
    parts: Sequence[Any] = batch if isinstance(batch, list | tuple) else [batch]
    if with_target and len(parts) < 2:
        raise DataError(
            t(
                "Training needs batches of (input, target); this one has {n} part. Give (x, y) "
                "arrays, or a dataset whose samples are tuples (an autoencoder's target is its "
                "input: (x, x)).",
                n=len(parts),
            )
        )
    if not all(isinstance(part, Tensor) for part in parts):
        raise DataError(
            t(
                "A batch must hold tensors (input, target), not {kinds}.",
                kinds=", ".join(type(part).__name__ for part in parts),
            )
        )
    inputs = parts[:-1] if len(parts) > 1 else parts
    return tuple(fit(x, dtype) for x in inputs), parts[-1] if len(parts) > 1 else None


def initial_state(model: Any, loader: DataLoader, rows: int) -> Any:
    """What a recurrent model (one with `initial_state`) begins an epoch of continuing batches with;
    None for other models and data."""
    if getattr(loader.dataset, "continues", False) and hasattr(model, "initial_state"):
        return model.initial_state(rows)
    return None


def carried(states: Any, dtype: DType) -> Any:
    """The states as the next step gets them: cut off from the gradients, in the model's dtype."""
    if isinstance(states, tuple | list):
        return tuple(carried(each, dtype) for each in states)
    return fit(states.detach(), dtype)


def fit(x: Tensor, dtype: DType) -> Tensor:
    """`x` in `dtype` if it is floating."""
    have = x.dtype
    return x.to(dtype) if have is not dtype and have.is_floating_point else x


def join(outputs: list[Any]) -> np.ndarray:
    """The outputs of batches as one array."""
    if not outputs:
        raise _empty(t("prediction"))
    if not isinstance(outputs[0], Tensor):
        raise ArgumentError(
            t(
                "predict puts tensors together, but the model returned {kind}: call the model "
                "yourself.",
                kind=type(outputs[0]).__name__,
            )
        )
    joined = outputs[0] if len(outputs) == 1 else ops.cat(outputs)
    # bfloat16 lies in a float32 array already, which NumPy can show.
    return np.asarray(joined._data)
