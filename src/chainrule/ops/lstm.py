"""Long short-term memory over a whole sequence, with the equations of 001 §4 of the notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chainrule.base.constraints import Bool
from chainrule.graph.tensor import Tensor
from chainrule.ops.op import Card, op
from chainrule.ops.recurrent import (
    AGES,
    Gated,
    Given,
    both,
    given,
    masks,
    parts,
    products,
    products_with_past,
    projected,
    rounded,
    sizes,
    state,
    stay,
    step_of,
)
from chainrule.ops.register import function
from chainrule.ops.windows import Ints_, Shapes


@dataclass(frozen=True)
class LSTMStep:
    """(4-1): i, f, o = σ(z), g = tanh(z), c = f ⊙ c_{t−1} + i ⊙ g, h = o ⊙ tanh(c); with W_hr,
    h = (o ⊙ tanh(c))·W_hrᵀ."""

    projected: bool
    masked: bool
    bfloat16: bool

    def __call__(self, F: Any, carry: Any, x: Any, constants: Any) -> Any:
        h, before = rounded(F, carry[0], self.bfloat16), carry[1]
        z_i, z_f, z_g, z_o = parts(F, x[0] + F.matmul(h, constants[0]), 4)
        i, f, g, o = F.sigmoid(z_i), F.sigmoid(z_f), F.tanh(z_g), F.sigmoid(z_o)
        c = f * before + i * g
        h = o * F.tanh(c)
        h = F.matmul(rounded(F, h, self.bfloat16), constants[1]) if self.projected else h
        if self.masked:
            h, c = F.where(x[1], h, carry[0]), F.where(x[1], c, before)
        return (h, c), (h, before, i, f, g, o)


@dataclass(frozen=True)
class LSTMStepBack:
    """(4-3) to (4-12); c_t is worked out again, which is cheaper than to keep it."""

    given: Given
    projected: bool
    masked: bool
    bfloat16: bool

    def __call__(self, F: Any, carry: Any, x: Any, constants: Any) -> Any:
        before, i, f, g, o = x[:5]
        plus = self.given.plus
        mask = x[5] if self.masked else None
        dh, passing_h = stay(F, mask, plus(carry[0], "y", x))
        dc, passing_c = stay(F, mask, carry[1])
        dh = rounded(F, dh, self.bfloat16) if self.projected else dh
        dm = F.matmul(dh, constants[1]) if self.projected else dh
        tanh_c = F.tanh(f * before + i * g)
        dc = dc + dm * o * (1 - tanh_c * tanh_c)
        di = plus(dc * g, "i", x) * i * (1 - i)
        df = plus(dc * before, "f", x) * f * (1 - f)
        dg = plus(dc * i, "g", x) * (1 - g * g)
        do = plus(dm * tanh_c, "o", x) * o * (1 - o)
        dz = rounded(F, F.concat([di, df, dg, do], 1), self.bfloat16)
        past_h = both(F.matmul(dz, constants[0]), passing_h)
        past = past_h, both(plus(dc * f, "before", x), passing_c)
        return past, (dz, dh) if self.projected else (dz,)


@op
class LSTM(Gated):
    """A memory c_t that gates write to, forget from and read: (T, N, K) → (T, N, H).

    Gates in PyTorch's order i, f, g, o. w_ih (4H, K); w_hh (4H, P), P the size of h: H, or with the
    projection w_hr (P, H) its number of rows. Outputs: all h_t, the last c, and for each step what
    the gradient reads: c_{t−1} and the gates.
    """

    math = "c_t = f * c_(t-1) + i * g, h_t = o * tanh(c_t)"
    autocast = ("x", "w_ih", "w_hh", "h0", "w_hr")
    params = {"reverse": Bool(False), "bfloat16": Bool(False)}
    optional = ("b_ih", "b_hh", "h0", "c0", "w_hr", "mask")
    outputs = ("y", "c_n", "before", "i", "f", "g", "o")
    saves = {
        "x": ("w_ih", "w_hh", "w_hr", "mask", "y"), "w_ih": ("x", "w_hh", "w_hr", "mask", "y"),
        "w_hh": ("h0", "w_hh", "w_hr", "mask", "y"), "b_ih": ("w_hh", "w_hr", "mask", "y"),
        "b_hh": ("w_hh", "w_hr", "mask", "y"), "h0": ("w_hh", "w_hr", "mask", "y"),
        "c0": ("w_hh", "w_hr", "mask", "y"), "w_hr": ("w_hh", "w_hr", "mask", "y"),
    }  # fmt: skip
    samples = (
        ((3, 2, 3), (8, 3), (8, 2), (8,), (8,), (2, 2), (2, 2), None, None),
        (((3, 1, 2), (12, 2), (12, 3), None, None, None, None, None, None), {"reverse": True}),
        ((3, 2, 2), (12, 2), (12, 2), (12,), (12,), (2, 2), (2, 3), (2, 3), None),
        (((2, 1, 2), (8, 2), (8, 1), None, (8,), None, (1, 2), (1, 2), None), {"reverse": True}),
        ((1, 2, 1), (4, 1), (4, 1), (4,), (4,), None, (2, 1), None, None),
        ((3, 2, 2), (8, 2), (8, 2), (8,), (8,), (2, 2), (2, 2), None, AGES),
        (((3, 2, 1), (8, 1), (8, 1), (8,), (8,), None, None, (1, 2), AGES), {"reverse": True}),
    )
    card = Card(
        en="Along the memory the gradient is only multiplied by the forget gate, "
        "δc_(t−1) = δc_t ⊙ f_t, so it need not vanish over long times.",
        zh="沿记忆单元传播时梯度只乘遗忘门，δc_(t−1) = δc_t ⊙ f_t，因此长时间也不必消失。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> tuple[Ints_, ...]:
        h, c = sizes("lstm", 4, shapes)
        return h, c[1:], c, c, c, c, c

    def forward(
        F, x, w_ih, w_hh, b_ih=None, b_hh=None, h0=None, c0=None, w_hr=None, mask=None, *,
        reverse, bfloat16,
    ):  # fmt: skip
        xs = projected(F, x, w_ih, both(b_ih, b_hh)), *masks(F, mask)
        carry = state(F, x, w_hh.shape[1], h0), state(F, x, w_hh.shape[0] // 4, c0)
        constants = tuple(F.matrix_transpose(w) for w in (w_hh, w_hr) if w is not None)
        step = LSTMStep(w_hr is not None, mask is not None, bfloat16)
        (_, c_n), sequences = F.scan(step, carry, xs, constants, reverse=reverse)
        return sequences[0], c_n, *sequences[1:]

    def vjp(F, g, y, x, w_ih, w_hh, b_ih, b_hh, h0, c0, w_hr, mask, *, reverse, bfloat16):
        h, _, before, i, f, gate, o = y
        names, grads = given(("y", "before", "i", "f", "g", "o"), (g[0], *g[2:]))
        carry = state(F, h, h.shape[2]), state(F, h, i.shape[2], g[1])
        constants = (w_hh,) if w_hr is None else (w_hh, w_hr)
        step = LSTMStepBack(names, w_hr is not None, mask is not None, bfloat16)
        xs = (before, i, f, gate, o, *masks(F, mask), *grads)
        (dh, dc), (dz, *rest) = F.scan(step, carry, xs, constants, reverse=not reverse)
        bias = None if b_ih is None and b_hh is None else F.sum(dz, (0, 1))
        return (
            lambda: projected(F, dz, F.matrix_transpose(w_ih)),
            lambda: products(F, dz, x),
            lambda: products_with_past(F, dz, rounded(F, h, bfloat16), h0, reverse),
            bias,
            bias,
            dh,
            dc,
            lambda: products(F, rest[0], rounded(F, o * F.tanh(f * before + i * gate), bfloat16)),
            None,
        )


@function()
def lstm_cell(
    input: Tensor, hx: tuple[Tensor, Tensor], w_ih: Tensor, w_hh: Tensor,
    b_ih: Tensor | None = None, b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """One step of an LSTM for x (N, K) and hx = (h, c), both (N, H): the new h and c."""
    outputs = LSTM.function(step_of("lstm_cell", input), w_ih, w_hh, b_ih, b_hh, *hx, None, None)
    return outputs[0][0], outputs[1]
