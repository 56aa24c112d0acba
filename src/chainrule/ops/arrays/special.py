"""Functions that NumPy lacks."""

from __future__ import annotations

from typing import Any

import numpy as np

# W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969):
# |x| ≤ 0.46875, then up to 4, then beyond. Leading coefficient last.
_A = (3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3)
_A4 = 1.85777706184603153e-1
_B = (2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3)
_C = (
    5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1, 2.98635138197400131e2,
    8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3,
)  # fmt: skip
_C8 = 2.15311535474403846e-8
_D = (
    1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
    3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
)  # fmt: skip


# The [13/8] rational approximation of erf on [−4, 4], good to float32 (Eigen uses it), highest
# power first: x · P(x²) / Q(x²).
_P = (
    -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
    -7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02,
)  # fmt: skip
_Q = (
    -1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03,
    -1.42647390514189e-02,
)  # fmt: skip


def erf(x: Any) -> Any:
    """The error function: to 2 ULP in float64 and in float32."""
    x = np.asarray(x)
    if x.dtype == np.float32:
        return _single(x)
    z = np.asarray(x, np.float64)
    a = np.abs(z)
    small = _small(np.minimum(a, 0.46875))
    # Beyond 6 the result is 1 to the last bit, so one formula serves everything above 0.46875.
    large = 1 - _complement(np.clip(a, 0.46875, 6.0))
    out = np.copysign(np.where(a <= 0.46875, small, large), z)
    return np.where(np.isnan(z), z, out)


def _single(x: Any) -> Any:
    z = np.clip(x.astype(np.float64), -4.0, 4.0)
    s = z * z
    top, bottom = np.full_like(z, _P[0]), np.full_like(z, _Q[0])
    for c in _P[1:]:
        top *= s
        top += c
    for c in _Q[1:]:
        bottom *= s
        bottom += c
    top *= z
    top /= bottom
    return top.astype(np.float32)


def _small(a: Any) -> Any:
    s = a * a
    top, bottom = _A4 * s, s
    for p, q in zip(_A[:3], _B[:3], strict=True):
        top, bottom = (top + p) * s, (bottom + q) * s
    return a * (top + _A[3]) / (bottom + _B[3])


def _complement(a: Any) -> Any:
    top, bottom = _C8 * a, a
    for p, q in zip(_C[:7], _D[:7], strict=True):
        top, bottom = (top + p) * a, (bottom + q) * a
    # exp(−a²) in two factors: rounding a² alone would cost digits.
    rough = np.trunc(a * 16) / 16
    scale = np.exp(-rough * rough) * np.exp(-(a - rough) * (a + rough))
    return scale * (top + _C[7]) / (bottom + _D[7])
