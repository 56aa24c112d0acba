"""Window functions for signals: how much each of n samples counts.

`periodic=True` (the default) gives one period of a periodic function, for spectra; False the
symmetric window, for filters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.devices import check_device
from chainrule.base.errors import ArgumentError, DTypeError
from chainrule.base.text import t
from chainrule.graph.convert import cast_array
from chainrule.graph.tensor import Tensor


def _window(
    n: int, periodic: bool, shape: Callable[[np.ndarray], np.ndarray], dtype: Any, device: Any,
    requires_grad: bool,
) -> Tensor:  # fmt: skip
    """`shape` at n points of [0, 1]."""
    check_device(device)
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    if not kind.is_floating_point:
        raise DTypeError(t("A window is made of floating-point numbers, not {d}.", d=kind.name))
    if n < 0:
        raise ArgumentError(t("A window has a length ≥ 0, not {n}.", n=n))
    points = np.arange(n) / max(n if periodic else n - 1, 1)
    values = shape(points) if n != 1 else np.ones(1)
    return Tensor(cast_array(values, kind), kind, requires_grad)


def _cosines(*coefficients: float) -> Callable[[np.ndarray], np.ndarray]:
    """a₀ − a₁ cos 2πx + a₂ cos 4πx − …"""
    return lambda x: (
        sum((-1) ** k * a * np.cos(2 * math.pi * k * x) for k, a in enumerate(coefficients))
        + np.zeros_like(x)
    )


def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """sin²(πx): a cosine bell that reaches 0."""
    return _window(window_length, periodic, _cosines(0.5, 0.5), dtype, device, requires_grad)


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *,
    dtype: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """alpha − beta·cos 2πx: a bell on a pedestal, with low first side lobes."""
    return _window(window_length, periodic, _cosines(alpha, beta), dtype, device, requires_grad)


def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """0.42 − 0.5·cos 2πx + 0.08·cos 4πx: a narrower bell."""
    bell = _cosines(0.42, 0.5, 0.08)
    return _window(window_length, periodic, bell, dtype, device, requires_grad)


def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """1 − |2x − 1|: a triangle."""
    return _window(
        window_length, periodic, lambda x: 1 - np.abs(2 * x - 1), dtype, device, requires_grad
    )


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """I₀(beta·√(1 − (2x − 1)²)) / I₀(beta): the larger beta, the narrower."""

    def shape(x: np.ndarray) -> np.ndarray:
        return np.i0(beta * np.sqrt(np.maximum(1 - (2 * x - 1) ** 2, 0))) / np.i0(beta)

    return _window(window_length, periodic, shape, dtype, device, requires_grad)
