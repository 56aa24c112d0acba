"""Scalers (row N2 of the notes: zero-centre, normalise, whiten) and polynomial features."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, combinations_with_replacement
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp
from numba import njit
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    OneToOneFeatureMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

_FLOATS = [np.float64, np.float32]
# Rows that are worked on at a time, so that they stay in the cache.
_BLOCK = 2048


class _Scaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """(x − centre)/scale, column by column; NaN stays NaN and does not count."""

    _allow_nan: ClassVar[bool] = True

    def _checked(self, X: Any, reset: bool, copy: bool = False) -> Any:
        return validate_data(
            self,
            X,
            reset=reset,
            accept_sparse="csr" if self.__sklearn_tags__().input_tags.sparse else False,
            dtype=_FLOATS,
            copy=copy,
            force_writeable=not copy and not reset,
            ensure_all_finite="allow-nan" if self._allow_nan else True,
        )

    def _shift(self, X: Any, centre: Any, scale: Any, back: bool = False) -> Any:
        """X (changed in place) moved and scaled, or moved back."""
        if sp.issparse(X):
            if scale is not None:
                factor = (scale if back else 1.0 / scale)[X.indices]
                X.data *= factor.astype(X.dtype)
            return X
        centre = None if centre is None else centre.astype(X.dtype, copy=False)
        scale = None if scale is None else scale.astype(X.dtype, copy=False)
        for i in range(0, len(X), _BLOCK):
            rows = X[i : i + _BLOCK]
            if back:
                rows *= 1.0 if scale is None else scale
                rows += 0.0 if centre is None else centre
                continue
            if centre is not None:
                rows -= centre
            if scale is not None:
                rows /= scale
        return X

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self._allow_nan
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _no_zeros(scale: Any, constant: Any = None) -> Any:
    """Columns without spread are left as they are."""
    scale = np.asarray(scale, np.float64).copy()
    scale[(scale == 0) if constant is None else constant] = 1.0
    return scale


class StandardScaler(_Scaler):
    """(x − mean)/standard deviation. Args and attributes (mean_, var_, scale_, n_samples_seen_) as
    in scikit-learn; sparse data with with_mean=False."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "copy": ["boolean"],
        "with_mean": ["boolean"],
        "with_std": ["boolean"],
    }

    def __init__(self, *, copy: bool = True, with_mean: bool = True, with_std: bool = True) -> None:
        self.copy = copy
        self.with_mean = with_mean
        self.with_std = with_std

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Takes means and variances of X [N, p]."""
        X = self._checked(X, reset=True)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        if sp.issparse(X):
            if self.with_mean:
                raise ValueError(
                    "Cannot center sparse matrices: pass `with_mean=False` instead. See docstring "
                    "for motivation and alternatives."
                )
            seen, mean, var = _sparse_moments(X, weight)
        else:
            seen, mean, var = _moments(X, weight)
        self.mean_ = mean if self.with_mean or self.with_std else None
        self.var_ = var if self.with_std else None
        self.n_samples_seen_ = seen[0] if np.ptp(seen) == 0 else seen
        self.scale_ = None
        if self.with_std:
            # A variance within the rounding of its own sum is that of a constant column.
            eps = np.finfo(np.float64).eps
            constant = var <= seen * eps * var + (seen * mean * eps) ** 2
            self.scale_ = _no_zeros(np.sqrt(var), constant)
        return self

    def transform(self, X: Any, copy: bool | None = None) -> Any:
        """The scaled X: [N, p]."""
        check_is_fitted(self)
        X = self._checked(X, reset=False, copy=self.copy if copy is None else copy)
        if sp.issparse(X) and self.with_mean:
            raise ValueError("Cannot center sparse matrices: pass `with_mean=False` instead.")
        return self._shift(X, self.mean_ if self.with_mean else None, self.scale_)

    def inverse_transform(self, X: Any, copy: bool | None = None) -> Any:
        """X before `transform`."""
        check_is_fitted(self)
        X = self._checked(X, reset=False, copy=self.copy if copy is None else copy)
        return self._shift(X, self.mean_ if self.with_mean else None, self.scale_, back=True)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not self.with_mean
        return tags


def _moments(X: Any, weight: Any) -> tuple[Any, Any, Any]:
    """(weight counted, mean, variance) of each column, NaN left out, in blocks and two passes."""
    n, p = X.shape
    weight = np.ones(n) if weight is None else weight
    holes = bool(np.isnan(X.sum(dtype=np.float64)))
    seen, total = np.full(p, weight.sum()), np.zeros(p)
    if holes:
        seen = weight @ ~np.isnan(X)
    for i in range(0, n, _BLOCK):
        rows = X[i : i + _BLOCK]
        total += weight[i : i + _BLOCK] @ (np.nan_to_num(rows, nan=0.0) if holes else rows)
    mean = total / np.where(seen > 0, seen, np.nan)
    square, rest = np.zeros(p), np.zeros(p)
    for i in range(0, n, _BLOCK):
        rows = X[i : i + _BLOCK] - mean
        if holes:
            rows[np.isnan(rows)] = 0.0
        rest += weight[i : i + _BLOCK] @ rows
        rows *= rows
        square += weight[i : i + _BLOCK] @ rows
    count = np.where(seen > 0, seen, np.nan)
    # The second term takes the rounding of the mean out again (Chan, Golub and LeVeque 1983).
    return (
        seen.astype(np.int64) if (seen == np.round(seen)).all() else seen,
        mean,
        (square - rest * rest / count) / count,
    )


def _sparse_moments(X: Any, weight: Any) -> tuple[Any, Any, Any]:
    n, p = X.shape
    weight = np.ones(n) if weight is None else weight
    rows = np.repeat(np.arange(n), np.diff(X.indptr))
    good = ~np.isnan(X.data)
    at, w, x = X.indices[good], weight[rows[good]], X.data[good].astype(np.float64)
    seen = weight.sum() - np.bincount(X.indices[~good], weight[rows[~good]], p)
    mean = np.bincount(at, w * x, p) / seen
    zeros = seen - np.bincount(at, w, p)
    var = (np.bincount(at, w * (x - mean[at]) ** 2, p) + zeros * mean * mean) / seen
    return seen.astype(np.int64) if (seen == np.round(seen)).all() else seen, mean, var


class MinMaxScaler(_Scaler):
    """x·scale + min, which maps each column onto feature_range. Args and attributes (data_min_,
    data_max_, data_range_, scale_, min_, n_samples_seen_) as in scikit-learn."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "feature_range": [tuple],
        "copy": ["boolean"],
        "clip": ["boolean"],
    }

    def __init__(
        self, feature_range: Any = (0, 1), *, copy: bool = True, clip: bool = False
    ) -> None:
        self.feature_range = feature_range
        self.copy = copy
        self.clip = clip

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Any:
        """Takes the smallest and largest value of each column of X [N, p]."""
        low, high = self.feature_range
        if low >= high:
            raise ValueError(
                "Minimum of desired feature range must be smaller than maximum. Got "
                f"{self.feature_range}."
            )
        X = self._checked(X, reset=True)
        self.data_min_ = np.fmin.reduce(X, axis=0)
        self.data_max_ = np.fmax.reduce(X, axis=0)
        self.data_range_ = self.data_max_ - self.data_min_
        tiny = self.data_range_ < 10 * np.finfo(X.dtype).eps
        self.scale_ = ((high - low) / _no_zeros(self.data_range_, tiny)).astype(X.dtype)
        self.min_ = low - self.data_min_ * self.scale_
        self.n_samples_seen_ = len(X)
        return self

    def transform(self, X: Any) -> Any:
        """The scaled X: [N, p]."""
        check_is_fitted(self)
        X = self._checked(X, reset=False, copy=self.copy)
        X *= self.scale_
        X += self.min_
        if self.clip:
            np.clip(X, *self.feature_range, out=X)
        return X

    def inverse_transform(self, X: Any) -> Any:
        """X before `transform`."""
        check_is_fitted(self)
        X = self._checked(X, reset=False, copy=self.copy)
        X -= self.min_
        X /= self.scale_
        return X


class RobustScaler(_Scaler):
    """(x − median)/(difference of two quantiles): outliers hardly move it. Args and attributes
    (center_, scale_) as in scikit-learn, for dense data."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "with_centering": ["boolean"],
        "with_scaling": ["boolean"],
        "quantile_range": [tuple],
        "copy": ["boolean"],
        "unit_variance": ["boolean"],
    }

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
    def fit(self, X: Any, y: Any = None) -> Any:
        """Takes the quantiles of each column of X [N, p]."""
        low, high = self.quantile_range
        if not 0 <= low <= high <= 100:
            raise ValueError(f"Invalid quantile range: {self.quantile_range}")
        X = self._checked(X, reset=True)
        columns = np.ascontiguousarray(X.T)
        found = np.nanpercentile if np.isnan(columns).any() else np.percentile
        below, middle, above = found(columns, [low, 50, high], axis=1)
        self.center_ = middle if self.with_centering else None
        self.scale_ = None
        if self.with_scaling:
            scale = above - below
            tiny = scale < 10 * np.finfo(np.float64).eps
            self.scale_ = _no_zeros(scale, tiny)
            if self.unit_variance:
                from scipy.stats import norm

                self.scale_ /= norm.ppf(high / 100) - norm.ppf(low / 100)
        return self

    def transform(self, X: Any) -> Any:
        """The scaled X: [N, p]."""
        check_is_fitted(self)
        return self._shift(self._checked(X, reset=False, copy=self.copy), self.center_, self.scale_)

    def inverse_transform(self, X: Any) -> Any:
        """X before `transform`."""
        check_is_fitted(self)
        X = self._checked(X, reset=False, copy=self.copy)
        return self._shift(X, self.center_, self.scale_, back=True)


class Whitener(  # type: ignore[misc]
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """(x − mean)·W with W so that the columns are uncorrelated and have variance 1.

    Args:
        method: "zca" W = V·Λ^(−½)·Vᵀ keeps the columns where they were; "pca" W = V·Λ^(−½) turns
            them onto the eigenvectors of the covariance V·Λ·Vᵀ.
        epsilon: added to the eigenvalues, so that noise is not blown up.

    Attributes: mean_ [p], covariance_ [p, p], eigenvalues_ [p] from the largest on, eigenvectors_
        [p, p] in columns, whitening_ [p, p].
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "method": [StrOptions({"zca", "pca"})],
        "epsilon": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, *, method: str = "zca", epsilon: float = 1e-12) -> None:
        self.method = method
        self.epsilon = epsilon

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Any:
        """Takes the covariance of X [N, p], N ≥ 2."""
        X = validate_data(self, X, dtype=_FLOATS, ensure_min_samples=2)
        self.mean_ = X.mean(axis=0, dtype=np.float64)
        centred = X - self.mean_
        self.covariance_ = centred.T @ centred / len(X)
        values, vectors = la.eigh(self.covariance_, check_finite=False)
        self.eigenvalues_, self.eigenvectors_ = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
        # Directions without spread have nothing to scale: they become 0.
        small = self.eigenvalues_ <= 1e-14 * max(self.eigenvalues_[0], 1e-300)
        size = self.eigenvalues_ + self.epsilon
        factor = np.where(small, 0.0, 1.0 / np.sqrt(np.where(small, 1.0, size)))
        self.whitening_ = self.eigenvectors_ * factor
        if self.method == "zca":
            self.whitening_ = self.whitening_ @ self.eigenvectors_.T
        return self

    def transform(self, X: Any) -> Any:
        """The whitened X: [N, p]."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False)
        return ((X - self.mean_) @ self.whitening_).astype(X.dtype, copy=False)

    def inverse_transform(self, X: Any) -> Any:
        """X before `transform`, as far as its directions have spread."""
        check_is_fitted(self)
        X = np.asarray(X)
        return X @ la.pinv(self.whitening_) + self.mean_

    @property
    def _n_features_out(self) -> int:
        return len(self.mean_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class PolynomialFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """All products of columns up to a degree, such as 1, x₁, x₂, x₁², x₁x₂, x₂² (formula 2-1).

    Args: as in scikit-learn; degree: the highest, or (lowest, highest).

    Attributes: powers_ [outputs, p], n_output_features_.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "degree": [Interval(Integral, 0, None, closed="left"), "array-like"],
        "interaction_only": ["boolean"],
        "include_bias": ["boolean"],
        "order": [StrOptions({"C", "F"})],
    }

    def __init__(
        self,
        degree: Any = 2,
        *,
        interaction_only: bool = False,
        include_bias: bool = True,
        order: str = "C",
    ) -> None:
        self.degree = degree
        self.interaction_only = interaction_only
        self.include_bias = include_bias
        self.order = order

    def _degrees(self) -> tuple[int, int]:
        ends = (0, self.degree) if isinstance(self.degree, Integral) else tuple(self.degree)
        whole = len(ends) == 2 and all(isinstance(end, Integral) for end in ends)
        if not whole or not 0 <= int(ends[0]) <= int(ends[1]):
            raise ValueError(
                "degree=(min_degree, max_degree) must be non-negative integers that fulfil "
                f"min_degree <= max_degree, got {self.degree}."
            )
        low, high = int(ends[0]), int(ends[1])
        if high == 0 and not self.include_bias:
            raise ValueError(
                "Setting degree to zero and include_bias to False would result in an empty output "
                "array."
            )
        return low, high

    def _terms(self, p: int) -> Iterator[tuple[int, ...]]:
        """The columns of each product, by degree."""
        low, high = self._degrees()
        choose = combinations if self.interaction_only else combinations_with_replacement
        for degree in range(0 if self.include_bias else 1, high + 1):
            if degree == 0 or degree >= low:
                yield from choose(range(p), degree)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Any:
        """Counts the columns of X [N, p]."""
        X = validate_data(self, X, accept_sparse=("csr", "csc"))
        terms = list(self._terms(X.shape[1]))
        self.n_output_features_ = len(terms)
        return self

    @property
    def powers_(self) -> Any:
        """Exponent of each input column in each product: [outputs, p]."""
        check_is_fitted(self)
        p = self.n_features_in_
        rows = [np.bincount(term, minlength=p) for term in self._terms(p)]
        return np.array(rows, np.int64).reshape(len(rows), p)

    def transform(self, X: Any) -> Any:
        """The products: [N, outputs]."""
        check_is_fitted(self)
        X = validate_data(
            self, X, order="C", dtype=_FLOATS, reset=False, accept_sparse=("csr", "csc")
        )
        terms = list(self._terms(X.shape[1]))
        if sp.issparse(X):
            return _sparse_products(X, terms)
        # A product is one with a column less, times that column: every product is one operation.
        place: dict[tuple[int, ...], int] = {term: i for i, term in enumerate(terms)}
        parents = np.array([place.get(term[:-1], -1) for term in terms], np.int64)
        last = np.array([term[-1] if term else -1 for term in terms], np.int64)
        lone = [i for i, term in enumerate(terms) if len(term) > 1 and parents[i] < 0]
        out = np.empty((len(X), len(terms)), X.dtype)
        X = np.ascontiguousarray(X)
        _products(X, parents, last, out, 0)
        for i in lone:  # the lowest degree asked for has no parents among the outputs
            out[:, i] = np.prod(X[:, terms[i]], axis=1)
        if lone:
            _products(X, parents, last, out, lone[-1] + 1)
        return np.asfortranarray(out) if self.order == "F" else out

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Names such as "1", "x0", "x0^2", "x0 x1"."""
        names = _check_feature_names_in(self, input_features)
        out = []
        for row in self.powers_:
            parts = [f"{names[j]}^{k}" if k > 1 else names[j] for j, k in enumerate(row) if k]
            out.append(" ".join(parts) or "1")
        return np.asarray(out, object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


@njit(cache=True, nogil=True)
def _products(X: Any, parents: Any, last: Any, out: Any, first: int) -> None:
    """out[:, k] = out[:, parents[k]]·X[:, last[k]] from column `first` on."""
    n, outputs = out.shape
    for i in range(n):
        for k in range(first, outputs):
            if last[k] < 0:
                out[i, k] = 1.0
            elif parents[k] < 0:
                out[i, k] = X[i, last[k]]
            else:
                out[i, k] = out[i, parents[k]] * X[i, last[k]]


def _sparse_products(X: Any, terms: list[tuple[int, ...]]) -> Any:
    kind, columns = X.format, X.tocsc()
    parts = []
    for term in terms:
        part = sp.csc_matrix(np.ones((X.shape[0], 1), X.dtype)) if not term else None
        for j in term:
            column = columns[:, [j]]
            part = column if part is None else part.multiply(column)
        parts.append(part)
    return sp.hstack(parts, format=kind, dtype=X.dtype)
