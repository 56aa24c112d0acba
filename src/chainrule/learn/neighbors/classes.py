"""Classification and regression by the nearest neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin

from chainrule.base.text import t
from chainrule.learn.checks import ensure_fitted
from chainrule.learn.neighbors.base import Neighbors
from chainrule.learn.neighbors.working import neighbours_working
from chainrule.learn.working import Working


class KNeighborsClassifier(ClassifierMixin, Neighbors):
    """The majority of the k nearest samples.

    Parameters, defaults and attributes are those of scikit-learn's estimator of the same name.
    `working(X)` shows the neighbours of queries with their distances and votes.
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, *, trace: bool = False) -> KNeighborsClassifier:
        """Keeps the samples X [n, features] and labels y [n] or [n, outputs]."""
        self._fit_points(X, y, classes=True)
        return self

    def _shares(self, X: Any) -> list[np.ndarray]:
        """Each output's share of the votes, [m, classes]."""
        ensure_fitted(self, "_fit_method")
        distances, indices = self.kneighbors(X)
        weights = self._weights_of(distances)
        if weights is not None and np.any(np.all(weights == 0, axis=1)):
            raise ValueError(
                t(
                    "All neighbors of some sample is getting zero weights. Please modify "
                    "'weights' to avoid this case if you are using a user-defined function."
                )
            )
        m, k = indices.shape
        coded = self._y.reshape(self.n_samples_fit_, -1)
        classes = self.classes_ if self.outputs_2d_ else [self.classes_]
        rows = np.repeat(np.arange(m), k)
        out = []
        for column, names in enumerate(classes):
            place = rows * names.size + coded[indices, column].ravel()
            votes = np.bincount(
                place, None if weights is None else weights.ravel(), m * names.size
            ).reshape(m, names.size)
            out.append(votes / votes.sum(axis=1, keepdims=True))
        return out

    def predict(self, X: Any) -> np.ndarray:
        """The class with most votes, the first of equals; [m] or [m, outputs]."""
        shares = self._shares(X)
        if not self.outputs_2d_:
            return self.classes_[np.argmax(shares[0], axis=1)]
        picked = [names[np.argmax(s, axis=1)] for names, s in zip(self.classes_, shares)]
        return np.stack(picked, axis=1)

    def predict_proba(self, X: Any) -> Any:
        """Shares of the votes, [m, classes]; a list of them with several outputs."""
        shares = self._shares(X)
        return shares if self.outputs_2d_ else shares[0]

    def working(self, X: Any = None) -> Working:
        """The neighbours of the queries X (the first samples if None), distances and votes."""
        self._queried = X
        return super().working()

    def _working(self) -> Working:
        return neighbours_working(self, self._queried, classes=True)


class KNeighborsRegressor(RegressorMixin, Neighbors):
    """The mean of the k nearest samples' targets.

    Parameters, defaults and attributes are those of scikit-learn's estimator of the same name.
    `working(X)` shows the neighbours of queries with their distances and targets.
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, *, trace: bool = False) -> KNeighborsRegressor:
        """Keeps the samples X [n, features] and targets y [n] or [n, outputs]."""
        self._fit_points(X, y, classes=False)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Mean targets, weighted if `weights` says so; [m] or [m, outputs]."""
        ensure_fitted(self, "_fit_method")
        distances, indices = self.kneighbors(X)
        weights = self._weights_of(distances)
        targets = self._y.reshape(self.n_samples_fit_, -1)[indices]
        if weights is None:
            out = targets.mean(axis=1)
        else:
            out = np.einsum("mko,mk->mo", targets, weights) / weights.sum(axis=1)[:, None]
        return out[:, 0] if self._y.ndim == 1 else out

    def working(self, X: Any = None) -> Working:
        """The neighbours of the queries X (the first samples if None), distances and targets."""
        self._queried = X
        return super().working()

    def _working(self) -> Working:
        return neighbours_working(self, self._queried, classes=False)
