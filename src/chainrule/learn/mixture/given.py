"""First values of a mixture that the user gives, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_array

from chainrule.base.text import t

Array = np.ndarray


class Given:
    """weights, means and precisions as given, or None. Raises ValueError for what cannot be."""

    def __init__(self, owner: Any, X: Array) -> None:
        components, features = owner.n_components, X.shape[1]
        kind = owner.covariance_type
        shapes = {
            "full": (components, features, features),
            "tied": (features, features),
            "diag": (components, features),
            "spherical": (components,),
        }
        self.weights = _array(owner.weights_init, "weights", (components,), X)
        self.means = _array(owner.means_init, "means", (components, features), X)
        self.precisions = _array(owner.precisions_init, "precisions", shapes[kind], X)
        if self.weights is not None:
            _check_weights(self.weights)
        if self.precisions is not None:
            _check_precisions(self.precisions, kind)


def _array(value: Any, name: str, shape: tuple[int, ...], X: Array) -> Array | None:
    if value is None:
        return None
    value = check_array(value, dtype=X.dtype, ensure_2d=False, allow_nd=True, copy=True)
    if value.shape != shape:
        raise ValueError(
            t(
                "The parameter '{name}' should have the shape of {wanted}, but got {given}",
                name=name,
                wanted=shape,
                given=value.shape,
            )
        )
    return value


def _check_weights(weights: Array) -> None:
    if np.any(weights < 0) or np.any(weights > 1):
        raise ValueError(
            t(
                "The parameter 'weights' should be in the range [0, 1], but got min value "
                "{least:.5f}, max value {most:.5f}",
                least=weights.min(),
                most=weights.max(),
            )
        )
    if not np.isclose(weights.sum(), 1, atol=1e-6):
        raise ValueError(
            t(
                "The parameter 'weights' should be normalized, but got sum(weights) = {total:.5f}",
                total=weights.sum(),
            )
        )


def _check_precisions(precisions: Array, kind: str) -> None:
    if kind in ("diag", "spherical"):
        if np.any(precisions <= 0):
            raise ValueError(t("'{kind} precision' should be positive", kind=kind))
        return
    swapped = np.swapaxes(precisions, -1, -2)
    symmetric = np.allclose(precisions, swapped)
    if not symmetric or np.any(np.linalg.eigvalsh(precisions) <= 0):
        raise ValueError(t("'{kind} precision' should be symmetric, positive-definite", kind=kind))
