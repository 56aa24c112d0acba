"""Scalers by the ends, the largest size, or the quantiles of each column."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.base import _fit_context
from sklearn.utils.validation import check_is_fitted

from chainrule.learn.preprocessing.scaler import Scaler, by_columns, ends, tiny, without_zeros
from chainrule.learn.working import Formula, Words

# Numbers whose quantiles are taken at a time.
_NUMBERS = 1 << 17


class MinMaxScaler(Scaler):
    """x·scale + min, which maps each column onto feature_range. Args and attributes (data_min_,
    data_max_, data_range_, scale_, min_, n_samples_seen_) as in scikit-learn."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "feature_range": [tuple],
        "copy": ["boolean"],
        "clip": ["boolean"],
    }
    _sparse = False
    data_min_: Any
    data_max_: Any
    _title = Words("Scaling to a range", "缩放到区间")
    _formula = Formula("z = x·c + d,  c = (high − low)/(max − min),  d = low − min·c",
                       r"z=xc+d,\quad c=\frac{h-l}{\max-\min},\quad d=l-c\min")  # fmt: skip

    def __init__(
        self, feature_range: Any = (0, 1), *, copy: bool = True, clip: bool = False
    ) -> None:
        self.feature_range = feature_range
        self.copy = copy
        self.clip = clip

    def fit(self, X: Any, y: Any = None, *, trace: bool = False) -> Any:
        """Takes the smallest and largest value of each column of X [N, p]."""
        self._forget()
        self.partial_fit(X, y)
        self.trace_ = SimpleNamespace(X=X, weight=None) if trace else None
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None) -> Any:
        """Adds X [N, p] to what was seen."""
        low, high = self.feature_range
        if low >= high:
            raise ValueError(
                "Minimum of desired feature range must be smaller than maximum. Got "
                f"{self.feature_range}."
            )
        first = not hasattr(self, "n_samples_seen_")
        X = self._checked(X, reset=first)
        self.trace_ = None
        smallest, largest = ends(X)
        if not first:
            smallest = np.fmin(self.data_min_, smallest)
            largest = np.fmax(self.data_max_, largest)
        self.data_min_, self.data_max_ = smallest, largest
        self.data_range_ = spread = largest - smallest
        self.scale_ = ((high - low) / without_zeros(spread, tiny(spread))).astype(spread.dtype)
        self.min_ = low - smallest * self.scale_
        self.n_samples_seen_ = len(X) + (0 if first else self.n_samples_seen_)
        return self

    def transform(self, X: Any) -> Any:
        """The scaled X: [N, p]."""
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        steps = [(np.multiply, self.scale_), (np.add, self.min_)]
        out = by_columns(X, steps, self._room(X, self.copy))
        if self.clip:
            np.clip(out, *self.feature_range, out=out)
        return out

    def inverse_transform(self, X: Any) -> Any:
        """X before `transform`."""
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        steps = [(np.subtract, self.min_), (np.divide, self.scale_)]
        return by_columns(X, steps, self._room(X, self.copy))

    def _figures(self) -> dict[str, Any]:
        return {"min": self.data_min_, "max": self.data_max_, "c": self.scale_, "d": self.min_}

    def _figures_again(self, X: Any, weight: Any) -> dict[str, Any]:
        low, high = self.feature_range
        ordered = np.sort(X, axis=0)  # NaN last
        last = np.maximum((~np.isnan(X)).sum(axis=0) - 1, 0)
        smallest, largest = ordered[0], ordered[last, np.arange(X.shape[1])]
        spread = np.where(tiny(self.data_range_), 1.0, largest - smallest)
        scale = (high - low) / spread
        return {"min": smallest, "max": largest, "c": scale, "d": low - smallest * scale}


class MaxAbsScaler(Scaler):
    """x/max|x| of each column, which keeps zeros. Args and attributes (max_abs_, scale_,
    n_samples_seen_) as in scikit-learn; clip: never beyond ±1."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {"copy": ["boolean"], "clip": ["boolean"]}
    _title = Words("Scaling by the largest size", "按最大绝对值缩放")
    _formula = Formula("z = x/max|x|", r"z=x/\max|x|")
    max_abs_: Any

    def __init__(self, *, copy: bool = True, clip: bool = False) -> None:
        self.copy = copy
        self.clip = clip

    def fit(self, X: Any, y: Any = None, *, trace: bool = False) -> Any:
        """Takes the largest size of each column of X [N, p], dense or sparse."""
        self._forget()
        self.partial_fit(X, y)
        self.trace_ = SimpleNamespace(X=X, weight=None) if trace else None
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None) -> Any:
        """Adds X [N, p] to what was seen."""
        first = not hasattr(self, "n_samples_seen_")
        X = self._checked(X, reset=first)
        self.trace_ = None
        if sp.issparse(X):
            columns = X.tocsc()
            at = np.repeat(np.arange(X.shape[1]), np.diff(columns.indptr))
            largest = np.zeros(X.shape[1], X.dtype)
            np.fmax.at(largest, at, np.abs(columns.data))
        else:
            smallest, largest = ends(X)
            largest = np.fmax(largest, -smallest)
        self.max_abs_ = largest if first else np.fmax(self.max_abs_, largest)
        self.scale_ = without_zeros(self.max_abs_, tiny(self.max_abs_))
        self.n_samples_seen_ = X.shape[0] + (0 if first else self.n_samples_seen_)
        return self

    def _columns(self) -> tuple[Any, Any]:
        return None, self.scale_

    def transform(self, X: Any) -> Any:
        """The scaled X: [N, p]."""
        out = super().transform(X)
        if self.clip:
            data = out.data if sp.issparse(out) else out
            np.clip(data, -1.0, 1.0, out=data)
        return out

    def _figures(self) -> dict[str, Any]:
        return {"max|x|": self.max_abs_}

    def _figures_again(self, X: Any, weight: Any) -> dict[str, Any]:
        return {"max|x|": np.max(np.where(np.isnan(X), 0.0, np.abs(X)), axis=0)}


class RobustScaler(Scaler):
    """(x − median)/(difference of two quantiles): outliers hardly move it. Args and attributes
    (center_, scale_) as in scikit-learn; sparse data with with_centering=False."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "with_centering": ["boolean"],
        "with_scaling": ["boolean"],
        "quantile_range": [tuple],
        "copy": ["boolean"],
        "unit_variance": ["boolean"],
    }
    _sparse = ("csr", "csc")
    _title = Words("Robust scaling", "稳健缩放")
    _formula = Formula("z = (x − median)/(Q_high − Q_low)",
                       r"z=\frac{x-\mathrm{median}}{Q_h-Q_l}")  # fmt: skip

    def __init__(
        self,
        *,
        with_centering: bool = True,
        with_scaling: bool = True,
        quantile_range: Any = (25.0, 75.0),
        copy: bool = True,
        unit_variance: bool = False,
    ) -> None:
        self.with_centering = with_centering
        self.with_scaling = with_scaling
        self.quantile_range = quantile_range
        self.copy = copy
        self.unit_variance = unit_variance

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, *, trace: bool = False) -> Any:
        """Takes the quantiles of each column of X [N, p]."""
        low, high = self.quantile_range
        if not 0 <= low <= high <= 100:
            raise ValueError(f"Invalid quantile range: {self.quantile_range}")
        given, X = X, self._checked(X, reset=True)
        self.trace_ = SimpleNamespace(X=given, weight=None) if trace else None
        wanted = [low, 50, high]
        if sp.issparse(X):
            self._refuse_centre()
            columns = X.tocsc()
            found = [_quantiles(columns[:, [j]].toarray().T, wanted) for j in range(X.shape[1])]
        else:
            # Some columns at a time: their copies are little beside X.
            some = max(_NUMBERS // len(X), 1)
            found = [
                _quantiles(np.ascontiguousarray(X[:, j : j + some].T), wanted)
                for j in range(0, X.shape[1], some)
            ]
        below, middle, above = np.concatenate(found, axis=1)
        self.center_ = middle if self.with_centering else None
        self.scale_ = None
        if self.with_scaling:
            scale = np.asarray(above - below, np.float64)
            self.scale_ = without_zeros(scale, tiny(scale))
            if self.unit_variance:
                from scipy.stats import norm

                self.scale_ /= norm.ppf(high / 100) - norm.ppf(low / 100)
        return self

    def _refuse_centre(self) -> None:
        if self.with_centering:
            raise ValueError("Cannot center sparse matrices: use `with_centering=False` instead.")

    def _scaled(self, X: Any, copy: bool, back: bool = False) -> Any:
        if sp.issparse(X):
            self._refuse_centre()
        return super()._scaled(X, copy, back)

    def _columns(self) -> tuple[Any, Any]:
        return self.center_, self.scale_

    def _figures(self) -> dict[str, Any]:
        figures = {"median": self.center_, "Q_high − Q_low": self.scale_}
        return {name: value for name, value in figures.items() if value is not None}

    def _figures_again(self, X: Any, weight: Any) -> dict[str, Any]:
        low, high = (share / 100 for share in self.quantile_range)
        below, middle, above = np.empty((3, X.shape[1]))
        for j, column in enumerate(X.T):
            column = np.sort(column[~np.isnan(column)])
            below[j], middle[j], above[j] = (
                np.interp(share * (len(column) - 1), np.arange(len(column)), column)
                for share in (low, 0.5, high)
            )
        scale = without_zeros(above - below, tiny(above - below))
        if self.unit_variance:
            from scipy.stats import norm

            scale = scale / (norm.ppf(high) - norm.ppf(low))
        return {"median": middle, "Q_high − Q_low": scale}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not self.with_centering
        return tags


def _quantiles(columns: Any, shares: list[float]) -> Any:
    """Quantiles of rows, NaN left out: [shares, rows]."""
    found = np.nanpercentile if np.isnan(columns).any() else np.percentile
    return found(columns, shares, axis=1)
