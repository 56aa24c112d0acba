"""Products of columns up to a degree."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, combinations_with_replacement
from math import comb
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numba import njit
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from chainrule.learn.base import Explained
from chainrule.learn.checks import checked
from chainrule.learn.working import Formula, Words, Working

_SHOWN = 12


class PolynomialFeatures(TransformerMixin, Explained, BaseEstimator):  # type: ignore[misc]
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
    def fit(self, X: Any, y: Any = None, *, trace: bool = False) -> Any:
        """Counts the columns of X [N, p]; trace: keep X for `working()`."""
        given, X = X, checked(self, X, reset=True, accept_sparse=("csr", "csc"))
        self.n_output_features_ = self._count(X.shape[1])
        self.trace_ = given if trace else None
        return self

    def _count(self, p: int) -> int:
        """How many products there are, without making them."""
        low, high = self._degrees()
        ways = [
            comb(p, degree) if self.interaction_only else comb(p + degree - 1, degree)
            for degree in range(max(low, 1), high + 1)
        ]
        return sum(ways) + bool(self.include_bias)

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
        X = checked(self, X, reset=False, order="C", accept_sparse=("csr", "csc"))
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

    def _working(self) -> Working:
        working = Working(Words("Polynomial features", "多项式特征"))
        step = working.step(
            Words("The products", "各项乘积"), Formula("z = Π x_j^k_j", r"z=\prod_j x_j^{k_j}")
        )
        names = self.get_feature_names_out()[:_SHOWN]
        powers, X = self.powers_[:_SHOWN], self.trace_
        heads = (Words("product", "乘积"), Words("degree", "次数"))
        if X is None:
            step.table(heads, list(zip(names, powers.sum(axis=1).tolist())))
            return working
        first: Any = X[:1] if sp.issparse(X) else np.asarray(X, np.float64)[:1]
        x = np.asarray(first.toarray() if sp.issparse(first) else first)[0]
        z = self.transform(first)
        z = np.asarray(z.toarray() if sp.issparse(z) else z)[0, :_SHOWN]

        def rows(values: Any) -> list[tuple[Any, ...]]:
            degrees = powers.sum(axis=1)
            return [(n, int(d), float(v)) for n, d, v in zip(names, degrees, values)]

        step.line("x", "", x)
        step.table(
            (*heads, Words("first sample", "首个样本")),
            rows(z),
            lambda: rows(np.prod(x[None].astype(np.float64) ** powers, axis=1)),
            tolerance=1e-6,
        )
        return working

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
