"""Gated recurrent units over a whole sequence."""

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
class GRUStep:
    """a = W_hh h_{t−1} + b_hh; r, z = σ(x + a), n = tanh(x + r ⊙ a), h = n + z ⊙ (h_{t−1} − n)."""

    masked: bool
    bfloat16: bool

    def __call__(self, F: Any, carry: Any, x: Any, constants: Any) -> Any:
        (before,) = carry
        a = F.matmul(rounded(F, before, self.bfloat16), constants[0])
        a = a + constants[1] if len(constants) > 1 else a
        x_r, x_z, x_n = parts(F, x[0], 3)
        a_r, a_z, a_n = parts(F, a, 3)
        r, z = F.sigmoid(x_r + a_r), F.sigmoid(x_z + a_z)
        n = F.tanh(x_n + r * a_n)
        h = n + z * (before - n)
        h = F.where(x[1], h, before) if self.masked else h
        return (h,), (h, before, r, z, n, a_n)


@dataclass(frozen=True)
class GRUStepBack:
    """From δh: δn = δh ⊙ (1 − z), δz = δh ⊙ (h_{t−1} − n), and through r ⊙ a to δr and δa; what
    reaches x and what reaches a differ by the factor r in the third gate."""

    given: Given
    masked: bool
    bfloat16: bool

    def __call__(self, F: Any, carry: Any, x: Any, constants: Any) -> Any:
        before, r, z, n, a_n = x[:5]
        plus = self.given.plus
        dh, passing = stay(F, x[5] if self.masked else None, plus(carry[0], "y", x))
        dn = plus(dh - dh * z, "n", x) * (1 - n * n)
        dz = plus(dh * (before - n), "z", x) * z * (1 - z)
        dr = plus(dn * a_n, "r", x) * r * (1 - r)
        of_x = rounded(F, F.concat([dr, dz, dn], 1), self.bfloat16)
        of_a = rounded(F, F.concat([dr, dz, plus(dn * r, "a_n", x)], 1), self.bfloat16)
        past = plus(dh * z + F.matmul(of_a, constants[0]), "before", x)
        return (both(past, passing),), (of_x, of_a)


@op
class GRU(Gated):
    """A state that two gates mix with a candidate n: (T, N, K) → (T, N, H).

    Gates in PyTorch's order r, z, n; w_ih (3H, K), w_hh (3H, H). Outputs: all h_t, and for each
    step what the gradient reads: h_{t−1}, the gates, and the state's share of the candidate.
    """

    math = "h_t = (1 - z) * n + z * h_(t-1)"
    autocast = ("x", "w_ih", "w_hh")
    params = {"reverse": Bool(False), "bfloat16": Bool(False)}
    optional = ("b_ih", "b_hh", "h0", "mask")
    outputs = ("y", "before", "r", "z", "n", "a_n")
    saves = {
        "x": ("w_ih", "w_hh", "mask", "y"), "w_ih": ("x", "w_hh", "mask", "y"),
        "w_hh": ("w_hh", "mask", "y"), "b_ih": ("w_hh", "mask", "y"),
        "b_hh": ("w_hh", "mask", "y"), "h0": ("w_hh", "mask", "y"),
    }  # fmt: skip
    samples = (
        ((3, 2, 3), (6, 3), (6, 2), (6,), (6,), (2, 2), None),
        (((3, 1, 2), (9, 2), (9, 3), None, None, None, None), {"reverse": True}),
        ((2, 2, 1), (3, 1), (3, 1), (3,), None, (2, 1), None),
        (((1, 2, 2), (6, 2), (6, 2), None, (6,), (2, 2), None), {"reverse": True}),
        ((3, 2, 2), (6, 2), (6, 2), (6,), (6,), (2, 2), AGES),
        (((3, 2, 1), (6, 1), (6, 2), None, (6,), None, AGES), {"reverse": True}),
    )
    card = Card(
        en="An LSTM with one state less: the gate z both keeps the old and lets in the new.",
        zh="比 LSTM 少一个状态：门 z 既保留旧值，又放入新值。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> tuple[Ints_, ...]:
        return (sizes("gru", 3, shapes)[0],) * 6

    def forward(F, x, w_ih, w_hh, b_ih=None, b_hh=None, h0=None, mask=None, *, reverse, bfloat16):
        xs = projected(F, x, w_ih, b_ih), *masks(F, mask)
        constants = (
            (F.matrix_transpose(w_hh),) if b_hh is None else (F.matrix_transpose(w_hh), b_hh)
        )
        carry = (state(F, x, w_hh.shape[1], h0),)
        step = GRUStep(mask is not None, bfloat16)
        return F.scan(step, carry, xs, constants, reverse=reverse)[1]

    def vjp(F, g, y, x, w_ih, w_hh, b_ih, b_hh, h0, mask, *, reverse, bfloat16):
        names, grads = given(GRU.outputs, g)
        step = GRUStepBack(names, mask is not None, bfloat16)
        carry, xs = (state(F, y[0], y[0].shape[2]),), (*y[1:], *masks(F, mask), *grads)
        (past,), (of_x, of_a) = F.scan(step, carry, xs, (w_hh,), reverse=not reverse)
        return (
            lambda: projected(F, of_x, F.matrix_transpose(w_ih)),
            lambda: products(F, of_x, x),
            lambda: products(F, of_a, rounded(F, y[1], bfloat16)),
            lambda: F.sum(of_x, (0, 1)),
            lambda: F.sum(of_a, (0, 1)),
            past,
            None,
        )


@function()
def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """One step of a GRU for x (N, K) and h (N, H): the new h."""
    return GRU.function(step_of("gru_cell", input), w_ih, w_hh, b_ih, b_hh, hx, None)[0][0]
