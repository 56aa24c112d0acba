"""The error function in float32.

Below 0.93 x + x·q(x²), above 1 − exp(−r(|x|)): −ln(1 − erf) is nearly a parabola.
"""

from __future__ import annotations

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.formula import Formula
from chainrule.compile.emit.math_exponential import negative_exp
from chainrule.compile.emit.types import Register

_SPLIT = 0.9277
_SMALL = (
    0.12837917, -0.37612635, 0.11283696, -0.026859395, 0.005200945, -0.00081409636, 8.360118e-05,
)  # fmt: skip
_LARGE = (
    -0.1286529, -0.63513345, -0.10626643, 0.023787493, -0.003654471, 0.00032575533, -1.152593e-05,
)  # fmt: skip


def erf(f: Function, x: Register) -> Register:
    """2/√π ∫₀ˣ e^(−t²) dt."""
    v = Formula(f, x.type)
    size = v.abs(x)
    small = v.fma(v.polynomial(v.mul(x, x), _SMALL), size, size)
    t = v.at_most(size, 4.0)
    exponent = v.sub(v.mul(v.polynomial(t, _LARGE), t), t)
    large = v.sub(1.0, negative_exp(v, exponent))
    return v.signed(v.select(v.test("olt", size, _SPLIT), small, large), x)
