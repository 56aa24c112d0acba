"""Recurrent layers over a whole sequence, one layer and one direction: what they share; plain RNN.

The input's share of the gates, x·W_ihᵀ + b, is one product for all time steps; what remains for the
`scan` along time is h·W_hhᵀ and the cell. Backward, a scan against time gives the gradients of the
gates before their functions, δz (001 §4 of the notes), and the weights' gradients are again one
product each over all steps: δW = Σ δz_t·I_tᵀ.

Sequences are (T, N, …): time, batch, features. `h0`, the state before the first step, is zero if
left out. `reverse`: from the last step to the first. `bfloat16`: what the products inside take is
rounded to it (mixed precision, which also rounds the inputs and the outputs). The steps of the
scans are objects that compare by value.

`mask` (T, N), boolean, is for sequences of different lengths: where it is false the states stay as
they are, and so do their gradients. In the direction against time a sequence so begins at its own
end.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.constraints import Bool, Choice
from chainrule.base.errors import ShapeError
from chainrule.base.text import t
from chainrule.graph.node import Node
from chainrule.graph.tensor import Tensor
from chainrule.ops.namespace import count
from chainrule.ops.op import Card, Op, op
from chainrule.ops.register import function
from chainrule.ops.windows import Ints_, Shapes

# ---- what all share -------------------------------------------------------------------------


def rows(F: Any, x: Any) -> Any:
    """(T, N, K) → (T·N, K)."""
    return F.reshape(x, (count(x.shape[:2], None), x.shape[2]))


def projected(F: Any, x: Any, weight: Any, bias: Any = None) -> Any:
    """x·Wᵀ + b for all time steps in one product: (T, N, K) → (T, N, G)."""
    z = F.matmul(rows(F, x), F.matrix_transpose(weight))
    return F.reshape(z if bias is None else z + bias, (*x.shape[:2], weight.shape[0]))


def both(a: Any, b: Any) -> Any:
    """a + b, either of which may be left out."""
    return b if a is None else a if b is None else a + b


def rounded(F: Any, x: Any, bfloat16: bool) -> Any:
    """x as a factor of a product: rounded, if products are done in bfloat16."""
    return F.astype(x, dtypes.bfloat16) if bfloat16 else x


def parts(F: Any, x: Any, n: int) -> list[Any]:
    """The columns of (N, n·H) as n arrays (N, H)."""
    size = x.shape[1] // n
    return [F.slice(x, (slice(None), slice(k * size, (k + 1) * size))) for k in range(n)]


def masks(F: Any, mask: Any) -> tuple[Any, ...]:
    """What a scan is given of a mask (T, N): nothing, or (T, N, 1)."""
    return () if mask is None else (F.expand_dims(mask, 2),)


def stay(F: Any, mask: Any, d: Any) -> tuple[Any, Any]:
    """The gradient d split into what goes through the step, and what passes it by or None."""
    return (d, None) if mask is None else (F.where(mask, d, 0.0), F.where(mask, 0.0, d))


def state(F: Any, x: Any, size: int, given: Any = None) -> Any:
    """The state before the first step: `given`, or zeros (N, size)."""
    return F.full((x.shape[1], size), 0, x.dtype) if given is None else given


def products(F: Any, d: Any, x: Any) -> Any:
    """Σ d_t·x_tᵀ over time and batch in one product: (T, N, G), (T, N, K) → (G, K)."""
    return F.matmul(F.matrix_transpose(rows(F, d)), rows(F, x))


def products_with_past(F: Any, d: Any, h: Any, h0: Any, reverse: bool) -> Any:
    """Σ d_t·h_{t−1}ᵀ."""
    n = d.shape[0]
    later, earlier, start = slice(1, n), slice(0, n - 1), 0
    if reverse:
        later, earlier, start = earlier, later, n - 1
    out = products(F, F.slice(d, (later,)), F.slice(h, (earlier,)))
    if h0 is None:
        return out
    return out + F.matmul(F.matrix_transpose(F.slice(d, (start,))), h0)


def sizes(owner: str, gates: int, shapes: Shapes) -> tuple[Ints_, Ints_]:
    """The shapes of all h_t and of all c_t, if those of the inputs fit together.

    Errors: ShapeError that names the input that does not fit.
    """
    x, w = shapes["x"], shapes["w_hh"]
    if len(x) != 3 or not x[0]:
        raise ShapeError(
            t(
                "{owner} takes a sequence (time, batch, features) of at least one time step, got "
                "shape {x}.",
                owner=owner,
                x=x,
            )
        )
    hidden = w[0] // gates if w else 0
    size = (*shapes.get("w_hr", ()), hidden)[0]
    wanted = {
        "w_hh": (gates * hidden, size), "w_ih": (gates * hidden, x[2]), "w_hr": (size, hidden),
        "b_ih": (gates * hidden,), "b_hh": (gates * hidden,),
        "h0": (x[1], size), "c0": (x[1], hidden), "mask": x[:2],
    }  # fmt: skip
    for name, shape in wanted.items():
        if shapes.get(name, shape) != shape:
            raise ShapeError(
                t(
                    "{owner}: {name} must have shape {wanted} beside x {x} and w_hh {w}, got "
                    "{got}.",
                    owner=owner,
                    name=name,
                    wanted=shape,
                    x=x,
                    w=w,
                    got=shapes[name],
                )
            )
    return (*x[:2], size), (*x[:2], hidden)


# For samples: a sequence of three time steps beside one of two.
AGES = np.array([[True, True], [True, True], [True, False]])


class Recurrent(Op):
    """Base of the three."""

    dtypes = "match"
    integers = ("mask",)
    axes = {
        "x": ("T, N, in",), "w_ih": ("gates·H, in",), "w_hh": ("gates·H, H",),
        "h0": ("N, H",), "c0": ("N, H",),
    }  # fmt: skip
    always_check = True
    method = False
    domain = (-1.0, 1.0)


class Gated(Recurrent):
    """Base of the two whose gates are outputs, because the gradient reads them. Only gradients of
    gradients come back through those; what does not come is None, where zeros would cost time."""

    sequences: tuple[str, ...]  # the outputs that have a value for each time step

    @classmethod
    def backward(cls, F: Any, node: Node, grads: Any, saved: Any) -> list[Any]:
        n = len(node.edges)
        assert cls.vjp is not None
        results = cls.vjp(F, grads, saved[n:], *saved[:n], **node.params)
        return [
            None if edge is None else r() if r.__class__ is FunctionType else r
            for edge, r in zip(node.edges, results, strict=True)
        ]


class Given(tuple[str, ...]):
    """The names of the outputs that a gradient comes back for; in a step, those of the last x."""

    __slots__ = ()

    def plus(self, d: Any, name: str, x: Any) -> Any:
        """d + ∂/∂name."""
        return d + x[self.index(name) - len(self)] if name in self else d


def given(names: tuple[str, ...], grads: Any) -> tuple[Given, tuple[Any, ...]]:
    """The outputs among `names` that a gradient comes back for, and these gradients."""
    pairs = [(k, g) for k, g in zip(names, grads, strict=True) if g is not None]
    return Given(k for k, _ in pairs), tuple(g for _, g in pairs)


# ---- plain ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class RNNStep:
    """h_t = f(z_t + h_{t−1}·W_hhᵀ)."""

    nonlinearity: str
    masked: bool
    bfloat16: bool

    def __call__(self, F: Any, carry: Any, x: Any, constants: Any) -> Any:
        a = x[0] + F.matmul(rounded(F, carry[0], self.bfloat16), constants[0])
        h = F.tanh(a) if self.nonlinearity == "tanh" else F.maximum(a, 0)
        h = F.where(x[1], h, carry[0]) if self.masked else h
        return (h,), (h,)


@dataclass(frozen=True)
class RNNStepBack:
    """δz_t = (δh_t + what comes from t + 1) ⊙ f′, and δh_{t−1} = δz_t·W_hh."""

    nonlinearity: str
    masked: bool
    bfloat16: bool

    def __call__(self, F: Any, carry: Any, x: Any, constants: Any) -> Any:
        g, h = x[:2]
        d, passing = stay(F, x[2] if self.masked else None, g + carry[0])
        d = d * (1 - h * h) if self.nonlinearity == "tanh" else F.where(F.less_equal(h, 0), 0.0, d)
        d = rounded(F, d, self.bfloat16)
        return (both(F.matmul(d, constants[0]), passing),), (d,)


@op
class RNN(Recurrent):
    """h_t = f(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh) for each time step: (T, N, K) → (T, N, H)."""

    math = "h_t = f(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)"
    autocast = ("x", "w_ih", "w_hh", "h0")
    params = {
        "nonlinearity": Choice("tanh", "relu"),
        "reverse": Bool(False),
        "bfloat16": Bool(False),
    }
    optional = ("b_ih", "b_hh", "h0", "mask")
    saves = {
        "x": ("w_ih", "w_hh", "mask", "y"), "w_ih": ("x", "w_hh", "mask", "y"),
        "w_hh": ("h0", "w_hh", "mask", "y"), "b_ih": ("w_hh", "mask", "y"),
        "b_hh": ("w_hh", "mask", "y"), "h0": ("w_hh", "mask", "y"),
    }  # fmt: skip
    samples = (
        ((4, 2, 3), (5, 3), (5, 5), (5,), (5,), (2, 5), None),
        (((3, 2, 3), (4, 3), (4, 4), None, None, None, None), {"nonlinearity": "relu"}),
        (((3, 2, 3), (4, 3), (4, 4), (4,), (4,), (2, 4), None), {"reverse": True}),
        ((1, 1, 2), (2, 2), (2, 2), None, (2,), None, None),
        ((3, 2, 3), (4, 3), (4, 4), (4,), (4,), (2, 4), AGES),
        (((3, 2, 2), (3, 2), (3, 3), None, None, None, AGES), {"reverse": True}),
    )
    card = Card(
        en="One matrix, again and again: the gradient over k steps holds W_hh to the power k, so "
        "it vanishes or explodes.",
        zh="同一矩阵反复相乘：跨 k 步的梯度含有 W_hh 的 k 次幂，因此会消失或爆炸。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        return sizes("rnn", 1, shapes)[0]

    def forward(
        F, x, w_ih, w_hh, b_ih=None, b_hh=None, h0=None, mask=None, *, nonlinearity, reverse,
        bfloat16,
    ):  # fmt: skip
        xs = projected(F, x, w_ih, both(b_ih, b_hh)), *masks(F, mask)
        carry, constants = (state(F, x, w_hh.shape[1], h0),), (F.matrix_transpose(w_hh),)
        step = RNNStep(nonlinearity, mask is not None, bfloat16)
        _, (y,) = F.scan(step, carry, xs, constants, reverse=reverse)
        return y

    def vjp(F, g, y, x, w_ih, w_hh, b_ih, b_hh, h0, mask, *, nonlinearity, reverse, bfloat16):
        step = RNNStepBack(nonlinearity, mask is not None, bfloat16)
        carry, xs = (state(F, y, y.shape[2]),), (g, y, *masks(F, mask))
        (past,), (d,) = F.scan(step, carry, xs, (w_hh,), reverse=not reverse)
        bias = None if b_ih is None and b_hh is None else F.sum(d, (0, 1))
        return (
            lambda: projected(F, d, F.matrix_transpose(w_ih)),
            lambda: products(F, d, x),
            lambda: products_with_past(F, d, rounded(F, y, bfloat16), h0, reverse),
            bias,
            bias,
            past,
            None,
        )


@function()
def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """One step of a plain RNN: tanh(W_ih x + b_ih + W_hh h + b_hh), for x (N, K) and h (N, H)."""
    return RNN.function(step_of("rnn_tanh_cell", input), w_ih, w_hh, b_ih, b_hh, hx, None)[0]


@function()
def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """One step of a plain RNN: max(W_ih x + b_ih + W_hh h + b_hh, 0), for x (N, K) and h (N, H)."""
    x = step_of("rnn_relu_cell", input)
    return RNN.function(x, w_ih, w_hh, b_ih, b_hh, hx, None, nonlinearity="relu")[0]


def step_of(owner: str, input: Tensor) -> Tensor:
    """The input (N, K) of a cell as a sequence of one time step.

    Errors: ShapeError for another number of axes.
    """
    if input.ndim != 2:
        raise ShapeError(
            t("{owner} takes input of shape (batch, features), got {x}.", owner=owner,
              x=input.shape)
        )  # fmt: skip
    return input.reshape(1, *input.shape)
