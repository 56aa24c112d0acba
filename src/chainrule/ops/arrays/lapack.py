"""Decompositions and solutions by LAPACK: what runs on the host in every mode.

Each takes arrays of matrices (…, m, n) and gives a tuple of arrays; `shapes` tells theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.base.shapes import broadcast_shapes
from chainrule.base.text import t

Shape = tuple[int, ...]


class HostFunction(NamedTuple):
    """`run(*arrays, **params)` gives a tuple of arrays; `shapes(*shapes, **params)` theirs."""

    run: Callable[..., tuple[np.ndarray, ...]]
    shapes: Callable[..., tuple[Shape, ...]]


def host(name: str, *x: Any, **params: Any) -> tuple[np.ndarray, ...]:
    """The results of one function, in the dtype of the operands."""
    dtype = np.result_type(*(v.dtype for v in x))
    try:
        found = HOST[name].run(*x, **params)
    except np.linalg.LinAlgError as error:
        raise ArgumentError(
            t(
                "{name}: {error}. A matrix here is singular, not positive definite, or not finite.",
                name=name,
                error=error,
            )
        ) from None
    return tuple(np.asarray(y, dtype) for y in found)


def host_shapes(name: str, *x: Any, **params: Any) -> tuple[np.ndarray, ...]:
    """Arrays of the results' shapes and dtype, for a trace; their content is never read."""
    dtype = np.result_type(*(v.dtype for v in x))
    return tuple(np.empty(s, dtype) for s in HOST[name].shapes(*(v.shape for v in x), **params))


def _solve(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
    return (np.linalg.solve(a, b),)


def _solve_shapes(a: Shape, b: Shape) -> tuple[Shape, ...]:
    return ((*broadcast_shapes(a[:-2], b[:-2]), *b[-2:]),)


def _cholesky(a: np.ndarray) -> tuple[np.ndarray, ...]:
    return (np.linalg.cholesky(a),)


def _svd(a: np.ndarray, full: bool) -> tuple[np.ndarray, ...]:
    return tuple(np.linalg.svd(a, full_matrices=full))


def _svd_shapes(a: Shape, full: bool) -> tuple[Shape, ...]:
    *batch, m, n = a
    k = min(m, n)
    return (*batch, m, m if full else k), (*batch, k), (*batch, n if full else k, n)


def _qr(a: np.ndarray, full: bool) -> tuple[np.ndarray, ...]:
    return tuple(np.linalg.qr(a, mode="complete" if full else "reduced"))


def _qr_shapes(a: Shape, full: bool) -> tuple[Shape, ...]:
    *batch, m, n = a
    k = m if full else min(m, n)
    return (*batch, m, k), (*batch, k, n)


def _det(a: np.ndarray) -> tuple[np.ndarray, ...]:
    return (np.linalg.det(a),)


def _cofactor(a: np.ndarray) -> tuple[np.ndarray, ...]:
    """The matrix of cofactors: det(U)·det(V)·U·diag(products of the other s)·Vᵀ, which needs no
    inverse: it is right for singular matrices, too."""
    n = a.shape[-1]
    u, s, vh = np.linalg.svd(a)
    others = np.where(np.eye(n, dtype=bool), np.ones((), a.dtype), s[..., None, :])
    turn = np.linalg.det(u) * np.linalg.det(vh)
    return (turn[..., None, None] * (u * np.prod(others, -1)[..., None, :]) @ vh,)


def _pinv(a: np.ndarray, rtol: float, atol: float) -> tuple[np.ndarray, ...]:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    least = np.maximum(atol, rtol * s.max(-1, keepdims=True, initial=0))
    kept = s > least
    inverse = np.where(kept, 1 / np.where(kept, s, 1), 0)
    return (np.swapaxes(vh, -1, -2) @ (inverse[..., None] * np.swapaxes(u, -1, -2)),)


HOST: dict[str, HostFunction] = {
    "solve": HostFunction(_solve, _solve_shapes),
    "cholesky": HostFunction(_cholesky, lambda a: (a,)),
    "eigen": HostFunction(lambda a: tuple(np.linalg.eigh(a)), lambda a: (a[:-1], a)),
    "singular": HostFunction(_svd, _svd_shapes),
    "orthogonal": HostFunction(_qr, _qr_shapes),
    "det": HostFunction(_det, lambda a: (a[:-2],)),
    "log_det": HostFunction(lambda a: tuple(np.linalg.slogdet(a)), lambda a: (a[:-2], a[:-2])),
    "cofactor": HostFunction(_cofactor, lambda a: (a,)),
    "pseudo_inverse": HostFunction(_pinv, lambda a, **_: ((*a[:-2], a[-1], a[-2]),)),
}
