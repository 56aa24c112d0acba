"""Transforms of values: scaling, standardising, noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.data.random import Draws
from chainrule.data.transforms.base import Transform, check_floating


class ToFloat(Transform):
    """uint8 0 .. 255 becomes float32 0 .. 1; other integers and float64 become float32 as they are.

    The shape stays; float16 and float32 pass through.
    """

    by_rows = True

    def batch(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        return to_float(x)


class ToTensor(Transform):
    """Images as Pillow and NumPy hold them, [H, W] or [H, W, C], become float [C, H, W].

    Takes a sample, or a batch [N, H, W, C]; uint8 is divided by 255. PyTorch's name: the result
    is an array, of which the loader makes tensors.
    """

    by_rows = True

    def is_single(self, x: np.ndarray) -> bool:
        if x.ndim not in (2, 3, 4):
            raise ShapeError(
                t(
                    "ToTensor takes an image [H, W] or [H, W, C] or a batch [N, H, W, C]; got "
                    "shape {shape}.",
                    shape=x.shape,
                )
            )
        return x.ndim < 4

    def batch(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        if x.ndim == 3:
            return to_float(x)[:, None]
        if x.ndim != 4 or x.shape[-1] > 4:
            raise ShapeError(
                t(
                    "ToTensor takes images [N, H, W] or [N, H, W, C] with at most 4 channels "
                    "last; got shape {shape}. Use ToFloat() if the channels come first.",
                    shape=x.shape,
                )
            )
        return np.ascontiguousarray(to_float(x).transpose(0, 3, 1, 2))


class Normalize(Transform):
    """(x - mean) / std for each channel of [N, C, H, W], or each feature of [N, D].

    Args:
        mean, std: one number, or one a channel. std must be above zero.

    >>> from chainrule.data import transforms
    >>> import numpy as np
    >>> transforms.Normalize(0.5, 0.5)(np.ones((1, 2, 2), np.float32))
    array([[[1., 1.],
            [1., 1.]]], dtype=float32)
    """

    by_rows = True

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]):
        self.mean = np.atleast_1d(np.asarray(mean, dtype=np.float64))
        self.std = np.atleast_1d(np.asarray(std, dtype=np.float64))
        if self.mean.ndim > 1 or self.std.ndim > 1:
            raise ShapeError(t("Normalize: mean and std are numbers or one number a channel."))
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all()):
            raise ArgumentError(t("Normalize: mean and std must be finite."))
        if not (self.std > 0).all():
            raise ArgumentError(
                t(
                    "Normalize: std must be above zero, got {std}; write 1 for a channel that "
                    "never changes.",
                    std=self.std.tolist(),
                )
            )

    def batch(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        mean, std = (part.reshape(-1, *(1,) * (x.ndim - 2)) for part in self.moments(x))
        out = x - mean
        out /= std
        return out

    def moments(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation for each channel of x, of its dtype: [C] each.

        Raises DTypeError and ShapeError for an x that they do not fit.
        """
        check_floating("Normalize", x)
        channels = x.shape[1] if x.ndim > 1 else 1
        for name, value in (("mean", self.mean), ("std", self.std)):
            if len(value) not in (1, channels):
                raise ShapeError(
                    t(
                        "Normalize: {name} has {count} values, but the input of shape {shape} "
                        "has {channels} channels.",
                        name=name,
                        count=len(value),
                        shape=x.shape,
                        channels=channels,
                    )
                )
        mean, std = (np.broadcast_to(part, channels) for part in (self.mean, self.std))
        return mean.astype(x.dtype), std.astype(x.dtype)


class GaussianNoise(Transform):
    """Add normal noise to floating input.

    Args:
        mean, sigma: of the noise, in the units of x.
        clip: keep the result in 0 .. 1, as images are.
    """

    random = True

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True):
        if not (np.isfinite(mean) and np.isfinite(sigma) and sigma >= 0):
            raise ArgumentError(
                t(
                    "GaussianNoise: mean must be finite and sigma from 0 up; got {mean}, {sigma}.",
                    mean=mean,
                    sigma=sigma,
                )
            )
        self.mean, self.sigma, self.clip = float(mean), float(sigma), bool(clip)

    def batch(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        check_floating("GaussianNoise", x)
        assert draws is not None
        noise = draws.normal(len(x), x[0].size if len(x) else 0).reshape(x.shape)
        noise *= np.float32(self.sigma)
        noise += np.float32(self.mean)
        out = (x + noise).astype(x.dtype, copy=False)
        return np.clip(out, 0.0, 1.0, out=out) if self.clip else out


def to_float(x: np.ndarray) -> np.ndarray:
    """uint8 scaled to 0 .. 1 as float32; float16 and float32 unchanged; the rest as float32."""
    if x.dtype == np.uint8:
        out = x.astype(np.float32)
        out /= np.float32(255)
        return out
    return x if x.dtype in (np.float16, np.float32) else x.astype(np.float32)
