"""What the scalers share: checks of tables with holes, moving and scaling columns, both ways."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from chainrule.learn.base import Explained
from chainrule.learn.checks import FLOATS, checked
from chainrule.learn.cluster.threads import each_range, ranges
from chainrule.learn.preprocessing.working import scaler_working
from chainrule.learn.working import Formula, Words, Working

# Numbers that are worked on at a time: two operations on them find them in the cache.
_BLOCK = 1 << 15
# So many numbers at least go through one operation: a row of few columns alone is mostly its start.
_RUN = 1024


class Scaler(  # type: ignore[misc]
    OneToOneFeatureMixin, TransformerMixin, Explained, BaseEstimator
):
    """Moves and scales column by column; NaN stays NaN and does not count.

    Subclasses have `partial_fit`, which adds a table to what was seen, `_columns` with the two
    rows of numbers that scale, and what `working()` shows of them.
    """

    _sparse: ClassVar[Any] = ("csr", "csc")
    _title: ClassVar[Words]
    _formula: ClassVar[Formula]
    copy: bool
    n_samples_seen_: Any

    def _checked(self, X: Any, reset: bool) -> Any:
        return checked(
            self, X, reset=reset, dtypes=FLOATS, accept_sparse=self._sparse,
            ensure_all_finite="allow-nan",
        )  # fmt: skip

    def _forget(self) -> None:
        """The scaler as it was before it saw anything."""
        if hasattr(self, "n_samples_seen_"):
            del self.n_samples_seen_

    def _room(self, X: Any, copy: bool) -> Any:
        """Where the result goes: X itself only if nobody wants a copy."""
        return X if not copy and X.flags.writeable else np.empty_like(X)

    def _scaled(self, X: Any, copy: bool, back: bool = False) -> Any:
        """(X − centre)/scale, or back X·scale + centre; centre and scale None are left out."""
        centre, scale = self._columns()
        if sp.issparse(X):
            out = X.copy() if copy else X
            if scale is not None:
                factors = np.asarray(scale, out.dtype)
                factors = factors[out.indices] if out.format == "csr" else np.repeat(
                    factors, np.diff(out.indptr)
                )  # fmt: skip
                (np.multiply if back else np.divide)(out.data, factors, out=out.data)
            return out
        steps: list[tuple[np.ufunc, Any]] = [(np.subtract, centre), (np.divide, scale)]
        if back:
            steps = [(np.multiply, scale), (np.add, centre)]
        return by_columns(X, [step for step in steps if step[1] is not None], self._room(X, copy))

    def _columns(self) -> tuple[Any, Any]:
        """(centre, scale) of `_scaled`; either may be None."""
        raise NotImplementedError

    def transform(self, X: Any) -> Any:
        """The scaled X: [N, p]."""
        check_is_fitted(self)
        return self._scaled(self._checked(X, reset=False), self.copy)

    def inverse_transform(self, X: Any) -> Any:
        """X before `transform`."""
        check_is_fitted(self)
        return self._scaled(self._checked(X, reset=False), self.copy, back=True)

    def _figures(self) -> dict[str, Any]:
        """What was taken of each column, by symbol."""
        raise NotImplementedError

    def _figures_again(self, X: Any, weight: Any) -> dict[str, Any]:
        """The same from a dense table, another way."""
        raise NotImplementedError

    def _working(self) -> Working:
        return scaler_working(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = bool(self._sparse)
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def by_columns(X: Any, steps: Any, out: Any) -> Any:
    """X [N, p] through operations with a row [p] each, into `out`, which may be X itself."""
    n, p = X.shape
    rows = [(do, np.asarray(row, X.dtype)) for do, row in steps]
    if not rows:
        if out is not X:
            out[...] = X
        return out
    group = _RUN // p
    whole = n // group * group if group > 1 else 0
    if whole and X.flags.c_contiguous and out.flags.c_contiguous:
        wide = [(do, np.tile(row, group)) for do, row in rows]
        shape = (-1, group * p)
        _in_blocks(X[:whole].reshape(shape), wide, out[:whole].reshape(shape))
    else:
        whole = 0
    _in_blocks(X[whole:], rows, out[whole:])
    return out


def _in_blocks(X: Any, rows: Any, out: Any) -> None:
    if not X.flags.c_contiguous:
        first = X
        for do, row in rows:
            first = do(first, row, out=out)
        return
    block = max(_BLOCK // X.shape[1], 1)

    def share(_: int, first: int, last: int) -> None:
        for i in range(first, last, block):
            some = slice(i, min(i + block, last))
            part = X[some]
            for do, row in rows:
                part = do(part, row, out=out[some])

    each_range(share, ranges(len(X), 2.0 * X.shape[1]))


def ends(X: Any) -> tuple[Any, Any]:
    """The smallest and largest number of each column [p], NaN left out."""
    low, high = _reduced(X, np.minimum), _reduced(X, np.maximum)
    if np.isnan(low).any():
        return np.fmin.reduce(X, axis=0), np.fmax.reduce(X, axis=0)
    return low, high


def _reduced(X: Any, keep: Any) -> Any:
    n, p = X.shape
    group = _RUN // p
    whole = n // group * group if group > 1 and X.flags.c_contiguous else 0
    if not whole:
        return keep.reduce(X, axis=0)
    found = keep.reduce(X[:whole].reshape(-1, group * p), axis=0).reshape(group, p)
    return keep.reduce(np.concatenate([found, X[whole:]]), axis=0)


def without_zeros(scale: Any, constant: Any = None) -> Any:
    """Scales by which to divide: columns without spread are left as they are."""
    scale = np.array(scale, dtype=np.result_type(scale, np.float32))
    scale[(scale == 0) if constant is None else constant] = 1.0
    return scale


def tiny(spread: Any) -> Any:
    """Whether a spread is one of rounding alone."""
    return spread < 10 * np.finfo(spread.dtype).eps
