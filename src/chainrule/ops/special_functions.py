"""Special functions: the error function's relatives, gamma, Bessel, sinc, logit.

They are worked out in float64 and rounded once to the input's dtype, which keeps float32 results
within one unit in the last place.
"""

from __future__ import annotations

import math
from typing import Any

from chainrule.base.constraints import Int, Optional
from chainrule.base.constraints import Number as Real
from chainrule.ops.functions import function
from chainrule.ops.op import REGISTRY, Card, Elementwise, op

_PI, _SQRT_PI = math.pi, math.sqrt(math.pi)
_INF, _NAN = math.inf, math.nan


class _Special(Elementwise):
    """A function of one float, in float64 inside."""

    dtypes = "float"
    autocast = "float32"


def _wide(F: Any, x: Any) -> Any:
    return F.astype(x, "float64")


def _horner(F: Any, coefficients: Any, x: Any) -> Any:
    """c₀ + c₁x + c₂x² + …"""
    y = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        y = y * x + c
    return y


def _chebyshev(F: Any, coefficients: Any, x: Any) -> Any:
    """c₀T₀(x) + c₁T₁(x) + … by Clenshaw's recurrence."""
    b, after = coefficients[-1], 0.0
    for c in reversed(coefficients[1:-1]):
        b, after = c + 2 * x * b - after, b
    return coefficients[0] + x * b - after


def _nearest(F: Any, x: Any) -> Any:
    """x less the nearest integer: what sin(πx) depends on, up to its sign."""
    return x - F.round(x)


# ---- the error function ---------------------------------------------------------------------

# Chebyshev coefficients of (1 + 2x)·exp(x²)·erfc(x) in t = (x − 3.75)/(x + 3.75), worked out with
# 40 digits; the variable is that of M. M. Shepherd and J. G. Laframboise, Math. Comp. 36 (1981).
_ERFC = (
    1.1775789345674017541, -0.0045900545806464773309, -0.084249133366517915584,
    0.059209939998191890498, -0.026658668435305752277, 0.0090749976707052650939,
    -0.0024131635404176081909, 0.00049077583652580863229, -0.000069169733025012063671,
    4.1390279860730101675e-6, 7.7403830661984906686e-7, -2.1886401049234395661e-7,
    1.0764999465670910377e-8, 4.5219598112182868979e-9, -7.7544002088313511065e-10,
    -6.3180883408866844944e-11, 2.8687950109306698981e-11, 1.945586854577734723e-13,
    -9.6546967484334389059e-13, 3.2525481481487398415e-14, 3.3478119482868053878e-14,
    -1.8645628804193131015e-15, -1.2507950530688647085e-15, 7.418235256624043463e-17,
    5.0681489047961113168e-17,
)  # fmt: skip


def _complement(F: Any, a: Any) -> Any:
    """erfc(a) for a ≥ 0 with all its digits, down to where it underflows."""
    a = F.minimum(a, 30.0)
    # exp(−a²) in two factors: rounding a² alone would cost digits.
    rough = F.trunc(a * 16) / 16
    scale = F.exp(-rough * rough) * F.exp(-(a - rough) * (a + rough))
    return scale * _chebyshev(F, _ERFC, (a - 3.75) / (a + 3.75)) / (1 + 2 * a)


@op
class Erfc(_Special):
    """1 − erf(x), with all its digits where erf is close to 1."""

    math = "erfc(x)"
    saves = ("x",)
    edges = (-30.0, 0.0, 30.0)
    card = Card(
        en="The two tails of the bell curve beyond x√2; its slope is −2/√π·exp(−x²).",
        zh="钟形曲线在 x√2 之外的两侧尾部；斜率为 −2/√π·exp(−x²)。",
    )

    def forward(F, x):
        z = _wide(F, x)
        a = F.abs(z)
        tail = _complement(F, a)
        y = F.where(F.less(a, 0.5), 1 - F.erf(z), F.where(F.less(z, 0), 2 - tail, tail))
        return F.astype(F.where(F.isnan(z), z, y), x.dtype)

    def vjp(F, g, y, x):
        return (g * (-2 / _SQRT_PI) * F.exp(-x * x),)


@op
class Erfinv(_Special):
    """The number whose erf is x; ±inf at ±1, NaN beyond.

    S. Winitzki's approximation (2008), refined three times by Halley's rule.
    """

    math = "erfinv(x)"
    saves = ("y",)
    domain = (-0.95, 0.95)
    edges = (0.0,)
    card = Card(
        en="Turns uniform numbers in (−1, 1) into normal ones (times √2).",
        zh="把 (−1, 1) 上的均匀数变为正态数（再乘 √2）。",
    )

    def forward(F, x):
        z = _wide(F, x)
        a = F.abs(z)
        inside = F.less(a, 1.0)
        a = F.where(inside, a, 0.5 * F.ones_like(a))
        w = F.log1p(-a * a)
        h = 2 / (_PI * 0.147) + 0.5 * w
        # √(√(h² − w/0.147) − h), without the difference.
        y = F.sqrt((-w / 0.147) / (F.sqrt(h * h - w / 0.147) + h))
        for _ in range(3):
            # Beyond ½ the complement has the digits: 1 − a is exact there.
            error = F.where(F.less(a, 0.5), F.erf(y) - a, (1 - a) - _complement(F, y))
            step = error * (_SQRT_PI / 2) * F.exp(y * y)
            y = y - step / (1 + y * step)
        ends = F.where(F.equal(F.abs(z), 1.0), _INF, _NAN)
        return F.astype(F.sign(z) * F.where(inside, y, ends), x.dtype)

    def vjp(F, g, y, x):
        return (g * (_SQRT_PI / 2) * F.exp(y * y),)


# ---- gamma ----------------------------------------------------------------------------------

# Bernoulli numbers B₂ … B₁₈.
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798)
_STIRLING = tuple(b / (2 * k * (2 * k - 1)) for k, b in enumerate(_BERNOULLI, 1))
_DIGAMMA = tuple(b / (2 * k) for k, b in enumerate(_BERNOULLI, 1))
_SHIFT = 10  # the asymptotic series are used from here on


@op
class Lgamma(_Special):
    """ln |Γ(x)|; +inf at 0 and the negative integers.

    Recurrence up to 10, then Stirling's series; below ½ by reflection.
    """

    math = "lgamma(x)"
    saves = ("x",)
    domain = (0.3, 5.0)
    card = Card(
        en="The logarithm of the factorial, for all numbers: n! = exp(lgamma(n + 1)).",
        zh="推广到实数的阶乘的对数：n! = exp(lgamma(n + 1))。",
    )

    def forward(F, x):
        z = _wide(F, x)
        low = F.less(z, 0.5)
        r = F.where(low, 1 - z, z)
        small = F.less(r, float(_SHIFT))
        product = F.ones_like(z)
        for k in range(_SHIFT):
            product = product * F.where(small, r + k, F.ones_like(z))
        u = F.where(small, r + _SHIFT, r)
        v = 1 / u
        series = v * _horner(F, _STIRLING, v * v) + 0.5 * math.log(2 * _PI)
        y = (u * (F.log(u) - 1) - 0.5 * F.log(u)) + (series - F.log(product))
        sine = F.abs(F.sin(_PI * _nearest(F, F.where(low, z, 0.5 * F.ones_like(z)))))
        y = F.where(low, math.log(_PI) - F.log(sine) - y, y)
        return F.astype(F.where(F.equal(F.abs(z), _INF), _INF, y), x.dtype)

    def vjp(F, g, y, x):
        return (g * F.digamma(x),)


@op
class Digamma(_Special):
    """The slope of ln Γ; ∓inf at ±0, NaN at the negative integers."""

    math = "digamma(x)"
    saves = ("x",)
    domain = (0.3, 5.0)
    card = Card(
        en="How fast the factorial grows: close to ln x − 1/(2x).",
        zh="阶乘增长的快慢：接近 ln x − 1/(2x)。",
    )

    def forward(F, x):
        z = _wide(F, x)
        low = F.less(z, 0.5)
        r = F.where(low, 1 - z, z)
        small = F.less(r, float(_SHIFT))
        taken = F.zeros_like(z)
        for k in range(_SHIFT):
            taken = taken + 1 / (r + k)
        u = F.where(small, r + _SHIFT, r)
        v = 1 / u
        y = F.log(u) - 0.5 * v - v * v * _horner(F, _DIGAMMA, v * v)
        y = y - F.where(small, taken, F.zeros_like(z))
        away = _nearest(F, F.where(low, z, 0.25 * F.ones_like(z)))
        y = F.where(low, y - _PI / F.tan(_PI * away), y)
        y = F.where(F.equal(away, 0), _NAN, y)
        return F.astype(F.where(F.equal(z, 0), -1 / z, y), x.dtype)

    def vjp(F, g, y, x):
        return (g * F.polygamma(x, n=1),)


@op
class Polygamma(_Special):
    """The n-th derivative of digamma; for n ≥ 2, NaN at negative numbers.

    (−1)ⁿ⁺¹ n! ζ(n + 1, x) with the zeta function by Euler's and Maclaurin's formula.
    """

    math = "polygamma(n, x)"
    params = {"n": Int(low=0)}
    saves = ("x",)
    domain = (0.4, 5.0)
    samples = tuple((shapes, {"n": n}) for n in (0, 1, 2, 3) for shapes in (((3, 4),), ((),)))
    card = Card(
        en="digamma (n = 0) and its derivatives: trigamma, tetragamma, …",
        zh="digamma（n = 0）及其各阶导数：trigamma、tetragamma……",
    )

    def forward(F, x, *, n):
        if n == 0:
            return F.digamma(x)
        z = _wide(F, x)
        if n == 1:
            low = F.less(z, 0.5)
            y = _zeta(F, 2, F.where(low, 1 - z, z))
            sine = F.sin(_PI * _nearest(F, F.where(low, z, 0.5 * F.ones_like(z))))
            return F.astype(F.where(low, (_PI / sine) * (_PI / sine) - y, y), x.dtype)
        y = (-1.0) ** (n + 1) * math.factorial(n) * _zeta(F, n + 1, z)
        return F.astype(F.where(F.less(z, 0), _NAN, y), x.dtype)

    def vjp(F, g, y, x, *, n):
        return (g * F.polygamma(x, n=n + 1),)


def _zeta(F: Any, s: int, z: Any) -> Any:
    """Σ (z + k)^−s over k ≥ 0, for z > 0."""
    total = F.zeros_like(z)
    for k in range(_SHIFT):
        total = total + F.pow(z + k, float(-s))
    u = z + _SHIFT
    v = 1 / u
    factor = float(s)
    series = []
    for k, b in enumerate(_BERNOULLI, 1):
        series.append(b * factor / math.factorial(2 * k))
        factor *= (s + 2 * k - 1) * (s + 2 * k)
    last = F.pow(v, float(s))
    return total + last * (u / (s - 1) + 0.5 + v * _horner(F, series, v * v))


@function("polygamma")
def polygamma(n: Any, input: Any) -> Any:
    """The n-th derivative of digamma at `input`; `x.polygamma(n)` as a method."""
    n, input = (input, n) if isinstance(input, int) else (n, input)
    return REGISTRY["polygamma"].function(input, n)


@function("mvlgamma")
def mvlgamma(input: Any, p: int) -> Any:
    """The logarithm of the multivariate gamma function of dimension p, for input > (p − 1)/2."""
    total = p * (p - 1) / 4 * math.log(_PI)
    for j in range(p):
        total = Lgamma.function(input - j / 2) + total
    return total


# ---- Bessel ---------------------------------------------------------------------------------

_FAR = 20.0  # from here on the asymptotic series has all digits


def _near_terms(order: int) -> list[float]:
    return [1 / (math.factorial(k) * math.factorial(k + order)) for k in range(40)]


def _far_terms(order: int) -> list[float]:
    out = [1.0]
    for k in range(1, 26):
        out.append(-out[-1] * (4 * order * order - (2 * k - 1) ** 2) / (8.0 * k))
    return out


def _bessel(F: Any, order: int, x: Any) -> Any:
    """I₀ or I₁ at |x|: power series, far out the asymptotic one (DLMF 10.25.2 and 10.40.1)."""
    a = F.abs(x)
    near = F.minimum(a, _FAR)
    q = 0.25 * near * near
    inner = _horner(F, _near_terms(order), q)
    inner = 0.5 * near * inner if order else inner
    far = F.maximum(a, _FAR)
    outer = _horner(F, _far_terms(order), 1 / far)
    half = F.exp(0.5 * far)  # two halves, so that the last results do not overflow early
    outer = half * (outer / F.sqrt(2 * _PI * far)) * half
    return F.where(F.less(a, _FAR), inner, outer)


@op
class I0(_Special):
    """The modified Bessel function of order 0."""

    name = "i0"
    math = "bessel_i(0, x)"
    saves = ("x",)
    edges = (-30.0, 0.0, 30.0)
    card = Card(
        en="An even bowl that grows like exp(|x|)/√(2π|x|); the Kaiser window is made of it.",
        zh="偶函数，按 exp(|x|)/√(2π|x|) 增长；Kaiser 窗由它构成。",
    )

    def forward(F, x):
        return F.astype(_bessel(F, 0, _wide(F, x)), x.dtype)

    def vjp(F, g, y, x):
        return (g * F.i1(x),)


@op
class I1(_Special):
    """The modified Bessel function of order 1, the slope of i0."""

    name = "i1"
    math = "bessel_i(1, x)"
    saves = ("x", "y")
    edges = (-30.0, 0.0, 30.0)
    card = Card(
        en="The slope of i0; odd, close to x/2 near zero.",
        zh="i0 的斜率；奇函数，零附近约为 x/2。",
    )

    def forward(F, x):
        z = _wide(F, x)
        return F.astype(F.sign(z) * _bessel(F, 1, z), x.dtype)

    def vjp(F, g, y, x):
        zero = F.equal(x, 0)
        share = F.where(zero, 0.5, y / F.where(zero, F.ones_like(x), x))
        return (g * (F.i0(x) - share),)


# ---- sinc, logit ----------------------------------------------------------------------------

# The slope of sinc is −π²x·Σ cₖ(πx)²ᵏ.
_SINC_SLOPE = tuple(
    (-1.0) ** k * (2 * k + 2) / math.factorial(2 * k + 3) for k in range(8)
)  # fmt: skip


@op
class Sinc(_Special):
    """sin(πx)/(πx), and 1 at 0; exactly 0 at the other integers."""

    math = "where(x == 0, 1, sin(pi * x) / (pi * x))"
    saves = ("x", "y")
    edges = (-2.0, 0.0, 2.0)
    card = Card(
        en="The ideal low-pass filter: 1 at zero, 0 at every other integer.",
        zh="理想低通滤波器：零处为 1，其他整数处为 0。",
    )

    def forward(F, x):
        z = _wide(F, x)
        zero = F.equal(z, 0)
        n = F.round(z)
        odd = F.abs(n - 2 * F.round(0.5 * n))
        sine = (1 - 2 * odd) * F.sin(_PI * (z - n))
        y = F.where(zero, 1.0, sine / (_PI * F.where(zero, F.ones_like(z), z)))
        return F.astype(F.where(F.equal(F.abs(z), _INF), _NAN, y), x.dtype)

    def vjp(F, g, y, x):
        near = F.less(F.abs(x), 0.3)
        z = F.where(near, x, F.zeros_like(x))
        series = (-_PI * _PI) * z * _horner(F, _SINC_SLOPE, (_PI * _PI) * z * z)
        w = F.where(near, F.ones_like(x), x)
        return (g * F.where(near, series, (F.cos(_PI * w) - y) / w),)


@op
class Logit(_Special):
    """ln(x/(1 − x)), the inverse of the sigmoid; with `eps`, x is first limited to [eps, 1 − eps].

    Without `eps`, NaN outside [0, 1].
    """

    math = "log(x / (1 - x))"
    params = {"eps": Optional(Real(low=0.0, high=0.5, samples=(0.2,)))}
    saves = ("x",)
    domain = (0.05, 0.95)
    card = Card(
        en="The log-odds of a probability: what a sigmoid's input must have been.",
        zh="概率的对数几率：sigmoid 的输入原本应为多少。",
    )

    def forward(F, x, *, eps):
        z = _wide(F, x)
        z = z if eps is None else F.minimum(F.maximum(z, eps), 1 - eps)
        # Near ½ the ratio is close to 1: 2x − 1 is exact, and log1p keeps its digits.
        middle = F.log1p((2 * z - 1) / (1 - z))
        return F.astype(F.where(F.less(z, 0.25), F.log(z / (1 - z)), middle), x.dtype)

    def vjp(F, g, y, x, *, eps):
        slope = g / (x * (1 - x))
        low = 0.0 if eps is None else eps
        inside = F.bitwise_and(F.greater_equal(x, low), F.less_equal(x, 1 - low))
        return (F.where(inside, slope, _NAN if eps is None else F.zeros_like(g)),)
