"""Transforms of a whole batch and its labels: samples mixed with one another.

They are collate functions: `DataLoader(dataset, 64, collate_fn=MixUp(10))`. Called with a batch,
`MixUp(10)(x, y)`, they are what torchvision's v2 transforms of these names are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.base.constraints import Int, Positive
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.data.collate import as_tensor, default_collate
from chainrule.data.random import Draws, current_draws
from chainrule.graph import Tensor


class _Mix:
    """Each sample meets the one before it in the batch (the first meets the last)."""

    def __init__(self, num_classes: int, alpha: float = 1.0) -> None:
        name = type(self).__name__
        self.num_classes = Int(low=2).check(num_classes, name, "num_classes")
        self.alpha = float(Positive().check(alpha, name, "alpha"))

    def __call__(self, x: Any, y: Any = None, draws: Draws | None = None) -> Any:
        """(x [N, …], labels int [N] or shares [N, num_classes]) → (x, shares [N, num_classes]);
        a list of samples (x, label) is put together first. Arrays give arrays."""
        if y is None:
            x, y = default_collate(self._samples(x))[:2]
        tensors = isinstance(x, Tensor)
        pictures = x.numpy() if tensors else np.asarray(x)
        labels = y.numpy() if isinstance(y, Tensor) else np.asarray(y)
        shares = self._shares(labels, len(pictures))
        if draws is None:
            draws = current_draws(len(pictures))
        # One number of the batch's first sample names the generator of the batch.
        seed = int(draws.uniform(len(pictures), 2)[0, 0] * 2**53) if len(pictures) else 0
        rng = np.random.default_rng(seed)
        out, kept = self.mix(pictures, float(rng.beta(self.alpha, self.alpha)), rng)
        own = np.float32(kept)
        mixed = own * shares + (1 - own) * np.roll(shares, 1, 0)
        return (as_tensor(out), as_tensor(mixed)) if tensors else (out, mixed)

    def mix(
        self, x: np.ndarray, share: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, float]:
        """The mixed pictures, and how much of each is its own."""
        raise NotImplementedError

    def _samples(self, batch: Any) -> Sequence[Any]:
        if not batch or not isinstance(batch[0], tuple | list) or len(batch[0]) < 2:
            raise ArgumentError(t("{name} takes samples (input, label).", name=type(self).__name__))
        return batch  # type: ignore[no-any-return]

    def _shares(self, labels: np.ndarray, n: int) -> np.ndarray:
        name = type(self).__name__
        if labels.shape == (n, self.num_classes) and labels.dtype.kind == "f":
            return labels.astype(np.float32)
        if labels.shape != (n,) or labels.dtype.kind not in "iu":
            raise ShapeError(
                t(
                    "{name} takes {n} integer labels, or shares of shape {shape}; got {dtype} of "
                    "shape {got}.",
                    name=name,
                    n=n,
                    shape=(n, self.num_classes),
                    dtype=labels.dtype,
                    got=labels.shape,
                )
            )
        if n and not (labels.min() >= 0 and labels.max() < self.num_classes):
            raise ArgumentError(
                t(
                    "{name}: a label is {label}, but the classes are 0 to {last}.",
                    name=name,
                    label=int(labels.min() if labels.min() < 0 else labels.max()),
                    last=self.num_classes - 1,
                )
            )
        return np.eye(self.num_classes, dtype=np.float32)[labels]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_classes={self.num_classes}, alpha={self.alpha:g})"


class MixUp(_Mix):
    """λx + (1 − λ)x′ with labels mixed alike, λ ~ Beta(α, α), one for the batch (Zhang et al.,
    "mixup: beyond empirical risk minimization", 2018).

    Args:
        num_classes: how many there are.
        alpha: of the Beta distribution; small: λ near 0 or 1.
    """

    def mix(
        self, x: np.ndarray, share: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, float]:
        if x.dtype.kind != "f":
            x = x.astype(np.float32)
        kept = x.dtype.type(share)
        return kept * x + (1 - kept) * np.roll(x, 1, 0), share


class CutMix(_Mix):
    """A rectangle of x′ pasted into x, labels by area (Yun et al., "CutMix", 2019); λ ~ Beta(α, α)
    is the share of x, one for the batch.

    Args:
        num_classes: how many there are.
        alpha: of the Beta distribution.
    """

    def mix(
        self, x: np.ndarray, share: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, float]:
        if x.ndim != 4:
            raise ShapeError(
                t("CutMix takes images [N, C, H, W], not a batch of shape {shape}.", shape=x.shape)
            )
        height, width = x.shape[2:]
        half = 0.5 * (1 - share) ** 0.5
        row, column = rng.integers(height), rng.integers(width)
        top, bottom = (int(np.clip(row + s * half * height, 0, height)) for s in (-1, 1))
        left, right = (int(np.clip(column + s * half * width, 0, width)) for s in (-1, 1))
        out = x.copy()
        out[:, :, top:bottom, left:right] = np.roll(x, 1, 0)[:, :, top:bottom, left:right]
        return out, 1 - (bottom - top) * (right - left) / (height * width)
