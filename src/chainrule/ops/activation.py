"""Smooth activations (001 三, 003 §2): sigmoid, tanh, the exponential units, gated units."""

from __future__ import annotations

import math
from typing import Any

from chainrule.base.constraints import Choice, Int, Number, Positive
from chainrule.base.errors import ShapeError
from chainrule.base.shapes import normalize_axis
from chainrule.base.text import t
from chainrule.ops.op import Card, Elementwise, Op, op
from chainrule.ops.rectifier import with_inplace

# ---- the S-curves ---------------------------------------------------------------------------


@op
class Sigmoid(Elementwise):
    """1 / (1 + exp(−x)): from 0 to 1, ½ at 0; exactly 0 at −inf.

    >>> cr.sigmoid(cr.tensor([0.0, -cr.inf]))
    tensor([0.5000, 0.0000])
    """

    math = "1 / (1 + exp(-x))"
    saves = ("y",)
    dtypes = "float"
    edges = (-800.0, 0.0, 800.0)
    card = Card(
        en="A score as a probability. Its slope σ(1 − σ) is at most ¼, so it shrinks gradients.",
        zh="把得分变成概率。斜率 σ(1 − σ) 最大为 ¼，因此会使梯度变小。",
    )

    def forward(F, x):
        # exp(−x) may overflow to inf, and 1/inf is the right 0; both tails keep their digits.
        return 1.0 / (1.0 + F.exp(-x))

    def vjp(F, g, y, x):
        return (g * y * (1 - y),)


@op
class Tanh(Elementwise):
    """The hyperbolic tangent: from −1 to 1.

    >>> cr.tanh(cr.tensor([0.0, cr.inf]))
    tensor([0., 1.])
    """

    math = "tanh(x)"
    saves = ("y",)
    dtypes = "float"
    edges = (-800.0, 0.0, 800.0)
    card = Card(
        en="A sigmoid centred at zero; slope 1 − tanh², 1 at the origin, flat far out.",
        zh="以零为中心的 sigmoid；斜率 1 − tanh²，原点处为 1，远处平坦。",
    )

    def forward(F, x):
        return F.tanh(x)

    def vjp(F, g, y, x):
        return (g * (1 - y * y),)


@op
class Softsign(Elementwise):
    """x / (1 + |x|): an S-curve that flattens slowly. Smooth at 0, with slope 1."""

    math = "x / (1 + abs(x))"
    saves = ("x",)
    dtypes = "float"
    edges = (-800.0, 0.0, 800.0)
    card = Card(
        en="Like tanh, but it saturates polynomially, so gradients die later.",
        zh="类似 tanh，但按多项式速度饱和，梯度消失得更慢。",
    )

    def forward(F, x):
        return x / (1 + F.abs(x))

    def vjp(F, g, y, x):
        return (g / F.square(1 + F.abs(x)),)


@op
class Tanhshrink(Elementwise):
    """x − tanh(x)."""

    math = "x - tanh(x)"
    saves = ("x",)
    dtypes = "float"
    edges = (-800.0, 0.0, 800.0)
    card = Card(
        en="What tanh cuts off: flat at zero, slope 1 far out.",
        zh="tanh 削去的部分：零处平坦，远处斜率为 1。",
    )

    def forward(F, x):
        return x - F.tanh(x)

    def vjp(F, g, y, x):
        return (g * F.square(F.tanh(x)),)


# ---- logarithms of the sigmoid --------------------------------------------------------------


def _log1p_exp(F, x):
    """log(1 + exp(x)) without overflow."""
    return F.maximum(x, 0) + F.log1p(F.exp(-F.abs(x)))


@op
class Softplus(Elementwise):
    """log(1 + exp(beta·x)) / beta, and x itself where beta·x > threshold, as in PyTorch.

    >>> cr.nn.functional.softplus(cr.tensor([-cr.inf, 30.0]))
    tensor([ 0., 30.])
    """

    math = "log(1 + exp(beta * x)) / beta"
    params = {"beta": Positive(1.0, samples=(1.0, 2.0)), "threshold": Number(20.0)}
    saves = ("x",)
    dtypes = "float"
    autocast = "float32"
    domain = (-6.0, 6.0)
    edges = (-800.0, 0.0, 800.0)
    card = Card(
        en="A ReLU with a rounded corner; its slope is sigmoid(beta·x).",
        zh="拐角被磨圆的 ReLU；斜率是 sigmoid(beta·x)。",
    )

    def forward(F, x, *, beta, threshold):
        z = beta * x
        return F.where(F.greater(z, threshold), x, _log1p_exp(F, z) / beta)

    def vjp(F, g, y, x, *, beta, threshold):
        z = beta * x
        return (F.where(F.greater(z, threshold), g, g * F.sigmoid(z)),)


@op
class Logsigmoid(Elementwise):
    """log σ(x), also where σ(x) itself underflows."""

    math = "-log(1 + exp(-x))"
    saves = ("x",)
    dtypes = "float"
    autocast = "float32"
    edges = (-800.0, 0.0, 800.0)
    card = Card(
        en="The log-probability of a score; its slope is 1 − σ(x).",
        zh="得分对应的对数概率；斜率为 1 − σ(x)。",
    )

    def forward(F, x):
        return -_log1p_exp(F, -x)

    def vjp(F, g, y, x):
        return (g * F.sigmoid(-x),)


# ---- exponential linear units ---------------------------------------------------------------

# G. Klambauer et al., "Self-normalizing neural networks" (2017): mean 0 and variance 1 are a
# fixed point of the layer with these two numbers.
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def _split(F, x):
    """Where x > 0, and x with 0 in those places: exp would overflow there, unused."""
    positive = F.greater(x, 0)
    return positive, F.where(positive, 0.0, x)


@op
class Elu(Elementwise):
    """x above 0, alpha·(exp(x) − 1) below. At 0 the gradient is alpha.

    >>> cr.nn.functional.elu(cr.tensor([-cr.inf, 2.0]))
    tensor([-1.,  2.])
    """

    math = "where(x > 0, x, alpha * (exp(x) - 1))"
    params = {"alpha": Number(1.0, samples=(1.0, 0.5))}
    saves = ("x",)
    dtypes = "float"
    edges = (-800.0, 0.0, 800.0)
    card = Card(
        en="A ReLU that bends down to −alpha: mean outputs near zero, and no dead units.",
        zh="向下弯到 −alpha 的 ReLU：输出均值接近零，也没有死神经元。",
    )

    def forward(F, x, *, alpha):
        positive, low = _split(F, x)
        return F.where(positive, x, alpha * F.expm1(low))

    def vjp(F, g, y, x, *, alpha):
        positive, low = _split(F, x)
        return (F.where(positive, g, g * (alpha * F.exp(low))),)


@op
class Selu(Elementwise):
    """scale · elu(x, alpha) with the two constants that keep mean 0 and variance 1.

    At 0 the gradient is scale·alpha ≈ 1.758.
    """

    math = f"{_SELU_SCALE} * where(x > 0, x, {_SELU_ALPHA} * (exp(x) - 1))"
    saves = ("x",)
    dtypes = "float"
    edges = (-800.0, 0.0, 800.0)
    card = Card(
        en="An ELU scaled so that activations normalise themselves from layer to layer.",
        zh="缩放过的 ELU，使各层激活自行归一化。",
    )

    def forward(F, x):
        positive, low = _split(F, x)
        return F.where(positive, _SELU_SCALE * x, (_SELU_SCALE * _SELU_ALPHA) * F.expm1(low))

    def vjp(F, g, y, x):
        positive, low = _split(F, x)
        below = g * ((_SELU_SCALE * _SELU_ALPHA) * F.exp(low))
        return (F.where(positive, _SELU_SCALE * g, below),)


@op
class Celu(Elementwise):
    """x above 0, alpha·(exp(x/alpha) − 1) below: slope 1 on both sides of 0 for any alpha."""

    math = "where(x > 0, x, alpha * (exp(x / alpha) - 1))"
    params = {"alpha": Positive(1.0, samples=(1.0, 0.5))}
    saves = ("x",)
    dtypes = "float"
    edges = (-800.0, 0.0, 800.0)
    card = Card(
        en="An ELU without a kink, whatever alpha is.",
        zh="无论 alpha 取何值都没有折点的 ELU。",
    )

    def forward(F, x, *, alpha):
        positive, low = _split(F, x)
        return F.where(positive, x, alpha * F.expm1(low / alpha))

    def vjp(F, g, y, x, *, alpha):
        positive, low = _split(F, x)
        return (F.where(positive, g, g * F.exp(low / alpha)),)


# ---- units that gate themselves -------------------------------------------------------------


@op
class Silu(Elementwise):
    """x·σ(x), also called swish.

    >>> cr.nn.functional.silu(cr.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """

    math = "x / (1 + exp(-x))"
    saves = ("x",)
    dtypes = "float"
    edges = (-800.0, 0.0, 800.0)
    card = Card(
        en="x opens its own gate: smooth, slightly negative left of zero.",
        zh="x 自己打开自己的门：光滑，零的左侧略为负。",
    )

    def forward(F, x):
        return x * F.sigmoid(x)

    def vjp(F, g, y, x):
        s = F.sigmoid(x)
        return (g * (s + x * s * (1 - s)),)


@op
class Mish(Elementwise):
    """x·tanh(softplus(x))."""

    math = "x * tanh(log(1 + exp(x)))"
    saves = ("x",)
    dtypes = "float"
    edges = (-800.0, 0.0, 800.0)
    card = Card(en="SiLU with a gate of tanh and softplus.", zh="以 tanh 与 softplus 为门的 SiLU。")

    def forward(F, x):
        return x * F.tanh(_log1p_exp(F, x))

    def vjp(F, g, y, x):
        gate = F.tanh(_log1p_exp(F, x))
        return (g * (gate + x * F.sigmoid(x) * (1 - gate * gate)),)


_ROOT_HALF = math.sqrt(0.5)
_ROOT_2_OVER_PI = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


def _gelu_tanh(F, x):
    return F.tanh(_ROOT_2_OVER_PI * (x + _CUBIC * x * x * x))


@op
class Gelu(Elementwise):
    """x·Φ(x) with Φ the normal distribution; approximate="tanh" is the usual approximation.

    D. Hendrycks and K. Gimpel, "Gaussian error linear units" (2016).

    >>> cr.nn.functional.gelu(cr.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """

    math = "x / 2 * (1 + erf(x / sqrt(2)))"
    params = {"approximate": Choice("none", "tanh")}
    saves = ("x",)
    dtypes = "float"
    edges = (-800.0, 0.0, 800.0)
    card = Card(
        en="Each input is kept with the probability that a normal variable lies below it.",
        zh="每个输入按“标准正态变量小于它”的概率保留。",
    )

    def forward(F, x, *, approximate):
        s = F.erf(x * _ROOT_HALF) if approximate == "none" else _gelu_tanh(F, x)
        return 0.5 * x * (1 + s)

    def vjp(F, g, y, x, *, approximate):
        if approximate == "none":
            density = F.exp(-0.5 * x * x) * (0.5 * _ROOT_2_OVER_PI)
            return (g * (0.5 * (1 + F.erf(x * _ROOT_HALF)) + x * density),)
        s = _gelu_tanh(F, x)
        inner = _ROOT_2_OVER_PI * (1 + (3 * _CUBIC) * x * x)
        return (g * 0.5 * (1 + s + x * (1 - s * s) * inner),)


def _glu_shape(shapes: dict[str, tuple[int, ...]], params: dict[str, Any]) -> tuple[int, ...]:
    x, dim = shapes["x"], params["dim"]
    if not x or x[normalize_axis(dim, len(x))] % 2:
        raise ShapeError(
            t(
                "glu halves the input along axis {dim}, so that axis must have an even size; the "
                "input has shape {x}.",
                dim=dim,
                x=x,
            )
        )
    axis = normalize_axis(dim, len(x))
    return (*x[:axis], x[axis] // 2, *x[axis + 1 :])


def _halves(F, x, dim):
    axis = normalize_axis(dim, len(x.shape))
    before, n = (slice(None),) * axis, x.shape[axis] // 2
    return F.slice(x, (*before, slice(0, n))), F.slice(x, (*before, slice(n, 2 * n)))


@op
class Glu(Op):
    """a·σ(b), where a and b are the two halves of x along `dim`."""

    math = "a * sigmoid(b)"
    params = {"dim": Int(-1)}
    saves = ("x",)
    dtypes = "float"
    shape = staticmethod(_glu_shape)
    always_check = True
    method = False
    edges = (-800.0, 0.0, 800.0)
    samples = (((3, 4),), (((4, 3),), {"dim": 0}), (((2, 4, 2),), {"dim": 1}), ((0, 4),))
    card = Card(
        en="One half carries the values, the other decides how much of them passes.",
        zh="一半携带数值，另一半决定通过多少。",
    )

    def forward(F, x, *, dim):
        a, b = _halves(F, x, dim)
        return a * F.sigmoid(b)

    def vjp(F, g, y, x, *, dim):
        a, b = _halves(F, x, dim)
        s = F.sigmoid(b)
        pull = g * s
        return (F.concat([pull, pull * a * (1 - s)], normalize_axis(dim, len(x.shape))),)


with_inplace("elu", "selu", "celu", "silu", "mish")
