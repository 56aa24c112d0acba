"""Whitening: features without correlation, each of variance one (N2)."""

from __future__ import annotations

import numpy as np

from chainrule.base.constraints import Choice, NonNegative
from chainrule.base.errors import ArgumentError, DataError, ShapeError
from chainrule.base.text import t
from chainrule.data.random import Draws
from chainrule.data.transforms.base import Transform, check_floating


class Whiten(Transform):
    """W (x − mean), with W W ᵀ the inverse of the covariance Σ = U Λ Uᵀ of the data it was made of.

    `Whiten(x)` measures mean and covariance of x [N, …] once; samples are flattened for it and
    come back in their shape.

    Args:
        x: the samples to measure, two or more.
        kind: "zca", W = U (Λ + ε)^−½ Uᵀ, which stays as near to x as whitening can; "pca",
            W = (Λ + ε)^−½ Uᵀ, components by falling variance.
        eps: ε, added to the variances so that directions without any do not explode, as a share
            of the largest.
    """

    def __init__(self, x: np.ndarray, kind: str = "zca", eps: float = 1e-5) -> None:
        self.kind = Choice("zca", "pca").check(kind, "Whiten", "kind")
        self.eps = float(NonNegative().check(eps, "Whiten", "eps"))
        x = np.asarray(x)
        if x.ndim < 2 or len(x) < 2 or 0 in x.shape:
            raise ShapeError(
                t(
                    "Whiten takes samples [N, …] to measure, two or more; got shape {shape}.",
                    shape=x.shape,
                )
            )
        flat = x.reshape(len(x), -1).astype(np.float64)
        if not np.isfinite(flat).all():
            raise DataError(t("Whiten: the samples must be finite."))
        self._shape = x.shape[1:]
        self._mean = flat.mean(0)
        centred = flat - self._mean
        variances, axes = np.linalg.eigh(centred.T @ centred / len(x))
        variances, axes = variances[::-1].clip(0), axes[:, ::-1]
        least = self.eps * variances[0]
        if variances[-1] + least <= 0:
            raise ArgumentError(t("Whiten: some directions have no variance: give eps above zero."))
        # Signs of axes are arbitrary: the largest entry of each is positive.
        axes = axes * np.sign(axes[np.abs(axes).argmax(0), range(axes.shape[1])])
        matrix = axes / np.sqrt(variances + least)
        self._matrix = matrix @ axes.T if self.kind == "zca" else matrix

    def batch(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        check_floating("Whiten", x)
        if x.shape[1:] != self._shape:
            raise ShapeError(
                t(
                    "Whiten was made of samples of shape {own}, not {shape}.",
                    own=self._shape,
                    shape=x.shape[1:],
                )
            )
        flat = x.reshape(len(x), -1) - self._mean.astype(x.dtype)
        return (flat @ self._matrix.astype(x.dtype)).reshape(x.shape)

    def inverse(self, x: np.ndarray) -> np.ndarray:
        """The samples again from whitened ones [N, …]."""
        flat = np.asarray(x, np.float64).reshape(len(x), -1)
        back = flat @ np.linalg.pinv(self._matrix) + self._mean
        return back.reshape(len(x), *self._shape)
