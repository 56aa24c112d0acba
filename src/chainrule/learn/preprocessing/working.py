"""The working of the scalers: what was taken of each column, and samples before and after."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from chainrule.learn.working import Bars, Formula, Words, Working

_SHOWN = 8  # columns
_SAMPLES = 3


def _dense(X: Any) -> Any:
    return np.asarray(X.toarray() if sp.issparse(X) else X, np.float64)


def _names(scaler: Any, count: int) -> list[str]:
    return [str(name) for name in scaler.get_feature_names_out()[:count]]


def scaler_working(scaler: Any) -> Working:
    """The Working of a fitted scaler; with samples and recomputed figures if X was kept."""
    trace = getattr(scaler, "trace_", None)
    X = None if trace is None else _dense(trace.X)
    working = Working(scaler._title)
    figures = scaler._figures()
    shown = min(_SHOWN, scaler.n_features_in_)
    names = _names(scaler, shown)
    step = working.step(Words("What is taken of each column", "每列取出的量"), scaler._formula)

    def rows(of: dict[str, Any]) -> list[tuple[Any, ...]]:
        return [
            (name, *(float(of[symbol][j]) for symbol in figures)) for j, name in enumerate(names)
        ]

    # float32 columns are summed in double precision, but kept in their own.
    single = any(np.asarray(value).dtype == np.float32 for value in figures.values())
    near = 1e-5 if single else 1e-7
    again = None
    if X is not None and trace is not None:
        weight = trace.weight

        def again() -> list[tuple[Any, ...]]:
            return rows(scaler._figures_again(X, weight))

    step.table(
        (Words("column", "列"), *figures),
        rows(figures),
        again,
        tolerance=near,
    )
    if not figures:
        step.note("Nothing: the columns stay as they are.", "无：各列保持原样。")
    if X is None:
        step.note(
            "fit(..., trace=True) keeps the samples, and shows them scaled.",
            "fit(..., trace=True) 会保留样本，并展示缩放后的值。",
        )
        return working
    _samples(working, scaler, X, names, near)
    return working


def _samples(working: Working, scaler: Any, X: Any, names: list[str], near: float) -> None:
    few, shown = X[:_SAMPLES], len(names)
    step = working.step(
        Words("Samples before and after", "样本缩放前后"), Formula("x → z", r"x\mapsto z")
    )

    def rows(before: Any, after: Any) -> list[tuple[Any, ...]]:
        return [
            (i, name, float(before[i, j]), float(after[i, j]))
            for i in range(len(few))
            for j, name in enumerate(names)
        ]

    scaled = scaler.transform(scaler.trace_.X)
    z = _dense(scaled)
    near = 1e-4 if scaled.dtype == np.float32 else max(near, 1e-6)

    def again() -> list[tuple[Any, ...]]:
        # There and back: what comes out is x, and z itself follows from two of its values.
        back = _dense(scaler.inverse_transform(z[:_SAMPLES]))
        return rows(np.where(_clipped(scaler), few, back), z)

    heads = (Words("sample", "样本"), Words("column", "列"), "x", "z")
    step.table(heads, rows(few, z), again, tolerance=near)
    with np.errstate(all="ignore"):
        before, after = (
            [float(np.std(part[:, j][~np.isnan(part[:, j])])) for j in range(shown)]
            for part in (X, z)
        )
    step.picture(Bars(Words("Spread before", "缩放前的标准差"), dict(zip(names, before))))
    step.picture(Bars(Words("Spread after", "缩放后的标准差"), dict(zip(names, after))))


def _clipped(scaler: Any) -> bool:
    return bool(getattr(scaler, "clip", False))
