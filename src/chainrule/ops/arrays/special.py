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


def erf(x: Any) -> Any:
    """The error function, to 2 ULP in float64; other dtypes are computed in float64."""
    x = np.asarray(x)
    z = np.asarray(x, np.float64)
    a = np.abs(z)
    small = _small(np.minimum(a, 0.46875))
    # Beyond 6 the result is 1 to the last bit, so one formula serves everything above 0.46875.
    large = 1 - _complement(np.clip(a, 0.46875, 6.0))
    out = np.copysign(np.where(a <= 0.46875, small, large), z)
    out = np.where(np.isnan(z), z, out)
    return out.astype(x.dtype if x.dtype.kind == "f" else np.float64)


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
