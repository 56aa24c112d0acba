"""Scaled dot product attention: one operation with a derived gradient, and PyTorch's function.

A. Vaswani et al., "Attention is all you need", NeurIPS 2017.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.base.constraints import Bool, Interval, Number
from chainrule.base.dtypes import bool_
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.shapes import broadcast_shapes
from chainrule.base.text import t
from chainrule.graph.node import Node
from chainrule.graph.tensor import Tensor
from chainrule.ops.creation import ones
from chainrule.ops.dispatch import apply
from chainrule.ops.op import Card, Op, op
from chainrule.ops.random import MaskedScale, dropout
from chainrule.ops.recurrent import rounded
from chainrule.ops.register import function
from chainrule.ops.windows import Ints_, Shapes


def _shape(shapes: Shapes, params: dict[str, Any]) -> tuple[Ints_, Ints_]:
    q, k, v = shapes["query"], shapes["key"], shapes["value"]
    fits = min(map(len, (q, k, v))) > 1 and q[-1] == k[-1] and k[-2] == v[-2]
    if not fits:
        raise ShapeError(
            t(
                "Attention takes query (…, L, E), key (…, S, E) and value (…, S, V), got {q}, {k} "
                "and {v}.",
                q=q,
                k=k,
                v=v,
            )
        )
    scores = (*broadcast_shapes(q[:-2], k[:-2]), q[-2], k[-2])
    for name in ("bias", "allowed", "kept"):
        mask = shapes.get(name, ())
        ends = zip(mask[-2:], scores[len(scores) - len(mask[-2:]) :])
        if any(n not in (1, m) for n, m in ends) or (name == "kept" and mask not in ((), scores)):
            raise ShapeError(
                t(
                    "Attention: a mask has shape {mask}, which does not broadcast to the scores "
                    "of every query and key, {scores}.",
                    mask=mask,
                    scores=scores,
                )
            )
        scores = broadcast_shapes(scores, mask)
    return (*broadcast_shapes(scores[:-2], v[:-2]), q[-2], v[-1]), scores


# For samples: which of four keys the queries of two batches may look at.
SEEN = np.array([[[True, False, True, True]], [[False, False, False, False]]])


@op
class Attention(Op):
    """softmax(scale·QKᵀ + bias)·V: (…, L, E), (…, S, E), (…, S, V) → (…, L, V), and the weights.

    `bias` is added to the scores (…, L, S); where `allowed` is false, and with `causal` where a key
    comes after its query, a score counts as −∞. A query that may look at no key gets zeros. `kept`
    are the weights that dropout leaves; they are scaled by 1/(1 − p). The weights returned are
    those before dropout.
    """

    math = "softmax(scale * query @ key.T + bias) @ value"
    params = {
        "scale": Number(1.0), "causal": Bool(False), "p": Interval(0.0, 1.0, 0.0),
        "bfloat16": Bool(False),
    }  # fmt: skip
    optional = ("bias", "allowed", "kept")
    integers = ("allowed", "kept")
    axes = {
        "query": ("L, E", "N, L, E", "N, heads, L, E"),
        "key": ("S, E", "N, S, E", "N, heads, S, E"),
        "value": ("S, V", "N, S, V", "N, heads, S, V"),
    }
    outputs = ("y", "weights")
    saves = {
        "query": ("key", "value", "kept", "y"), "key": ("query", "value", "kept", "y"),
        "value": ("kept", "y"), "bias": ("value", "kept", "y"),
    }  # fmt: skip
    dtypes = "match"
    autocast = ("query", "key", "value")
    shape = staticmethod(_shape)
    always_check = True
    method = False
    domain = (-1.5, 1.5)
    samples = (
        (((2, 3, 4), (2, 5, 4), (2, 5, 2), None, None, None), {"scale": 0.5}),
        ((3, 2), (3, 2), (3, 2), (3, 3), None, None),
        (((2, 2, 3, 2), (2, 3, 2), (1, 3, 2), None, None, None), {"causal": True}),
        ((2, 3, 2), (2, 4, 2), (2, 4, 3), (3, 1), SEEN, None),
        (((2, 3, 2), (4, 2), (2, 4, 3), None, None, np.broadcast_to(SEEN, (2, 3, 4))), {"p": 0.25}),
        ((2, 0, 2), (2, 3, 2), (2, 3, 1), None, None, None),
        ((3, 2), (0, 2), (0, 1), None, None, None),
    )
    card = Card(
        en="Each query asks all keys and gets a mixture of their values, in shares of the "
        "softmax. With Y = PV the softmax gives ∂S = P ⊙ (∂P − Σ ∂P ⊙ P).",
        zh="每个查询询问所有键，按 softmax 的份额混合它们的值。由 Y = PV，softmax 给出 "
        "∂S = P ⊙ (∂P − Σ ∂P ⊙ P)。",
    )

    @classmethod
    def backward(cls, F: Any, node: Node, grads: Any, saved: Any) -> list[Any]:
        # The base would put zeros in place of the gradient of the weights, which hardly ever comes.
        n = len(node.edges)
        assert cls.vjp is not None
        results = cls.vjp(F, grads, saved[n:], *saved[:n], **node.params)
        return [
            None if edge is None or r is None else r()
            for edge, r in zip(node.edges, results, strict=True)
        ]

    def forward(
        F, query, key, value, bias=None, allowed=None, kept=None, *, scale, causal, p, bfloat16
    ):
        s = F.matmul(query, F.matrix_transpose(key)) * scale
        s = s if bias is None else s + bias
        s = s if allowed is None else F.where(allowed, s, -math.inf)
        if causal:
            rows, columns = s.shape[-2:]
            later = F.reshape(F.arange(rows, "int64"), (rows, 1))
            s = F.where(F.less_equal(F.arange(columns, "int64"), later), s, -math.inf)
        weights = shares(F, s, bias is not None or allowed is not None)
        mixed = weights if kept is None else F.masked_scale(weights, kept, p=p)
        return F.matmul(rounded(F, mixed, bfloat16), value), weights

    def vjp(
        F, g, y, query, key, value, bias, allowed, kept, *, scale, causal, p, bfloat16
    ):  # fmt: skip
        (g, g_weights), (_, weights) = g, y

        def undropped(x):
            return x if kept is None else F.masked_scale(x, kept, p=p)

        def of_scores():
            d = None if g is None else undropped(F.matmul(g, F.matrix_transpose(value)))
            d = g_weights if d is None else d if g_weights is None else d + g_weights
            pull = d * weights
            return pull - weights * F.sum(pull, -1, True)

        found = []

        def scores():
            if not found:
                found.append(of_scores())
            return found[0]

        def of_query():
            return F.sum_to(F.matmul(rounded(F, scores(), bfloat16), key) * scale, query.shape)

        def of_key():
            d = F.matrix_transpose(rounded(F, scores(), bfloat16))
            return F.sum_to(F.matmul(d, query) * scale, key.shape)

        def of_value():
            if g is None:
                return None
            mixed = F.matrix_transpose(rounded(F, undropped(weights), bfloat16))
            return F.sum_to(F.matmul(mixed, g), value.shape)

        def of_bias():
            return F.sum_to(scores(), bias.shape)

        return of_query, of_key, of_value, of_bias, None, None


def shares(F: Any, s: Any, may_be_empty: bool) -> Any:
    """The softmax of scores over the last axis; zeros where all of them are −∞."""
    if 0 in s.shape:
        return s
    top = F.max(s, -1, True)
    if may_be_empty:
        top = F.where(F.equal(top, -math.inf), 0.0, top)
    e = F.exp(s - top)
    total = F.sum(e, -1, True)
    return e / (F.where(F.equal(total, 0.0), 1.0, total) if may_be_empty else total)


# ---- public forms ---------------------------------------------------------------------------


def attend(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, allowed: Tensor | None,
    p: float = 0.0, causal: bool = False, scale: float | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The mixtures, and the weights after dropout with probability p."""
    owner = "scaled_dot_product_attention"
    p = Attention.params["p"].check(p, owner, "dropout_p")
    scale = 1 / math.sqrt(query.shape[-1] or 1) if scale is None else scale
    params = Attention.validate({"scale": scale, "causal": bool(causal), "p": p})
    kept = None
    if p:
        given = {"query": query, "key": key, "value": value, "bias": bias, "allowed": allowed}
        scores = _shape({k: x.shape for k, x in given.items() if x is not None}, params)[1]
        kept = dropout(ones(scores), p).ne(0)
    y, weights = apply(Attention, query, key, value, bias, allowed, kept, **params)
    return y, weights if kept is None else apply(MaskedScale, weights, kept, p=p)


@function()
def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
    dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(QKᵀ·scale + mask)·V: query (…, L, E), key (…, S, E), value (…, S, V) → (…, L, V).

    `attn_mask` broadcasts to (…, L, S): boolean, true where a query may look at a key; or floating,
    added to the scores. `is_causal`: query i looks at keys 0 to i. `scale`: else 1/√E. `dropout_p`:
    the share of weights to drop, also in evaluation. `enable_gqa`: query may have a multiple of the
    heads (axis −3) of key and value, and neighbours share one. A query that may look at no key
    gets zeros.

    >>> q = k = v = cr.ones(1, 4, 8)
    >>> cr.nn.functional.scaled_dot_product_attention(q, k, v).shape
    (1, 4, 8)
    """
    if attn_mask is not None and is_causal:
        raise ArgumentError(
            t(
                "scaled_dot_product_attention: is_causal=True is a mask of its own: leave "
                "attn_mask out, or put both into it."
            )
        )
    if enable_gqa:
        key, value = (_repeated(query, x) for x in (key, value))
    boolean = attn_mask is not None and attn_mask.dtype is bool_
    bias, allowed = (None, attn_mask) if boolean else (attn_mask, None)
    return attend(query, key, value, bias, allowed, dropout_p, is_causal, scale)[0]


def _repeated(query: Tensor, x: Tensor) -> Tensor:
    """x with each of its heads repeated, so that there are as many as query has."""
    heads, have = (y.shape[-3] if y.ndim > 2 else 0 for y in (query, x))
    if not have or heads % have:
        raise ShapeError(
            t(
                "scaled_dot_product_attention: the heads of query (axis −3 of {query}) must be a "
                "multiple of those of key and value, {x}.",
                query=tuple(query.shape),
                x=tuple(x.shape),
            )
        )
    wide = (*x.shape[:-2], heads // have, *x.shape[-2:])
    return x.unsqueeze(-3).expand(wide).reshape(*x.shape[:-3], heads, *x.shape[-2:])
