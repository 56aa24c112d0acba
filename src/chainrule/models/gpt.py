"""A small GPT: a transformer that writes on, character by character.

Sources: A. Vaswani et al., "Attention is all you need", 2017; A. Radford et al., "Language models
are unsupervised multitask learners" (GPT-2), 2019.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from chainrule import nn
from chainrule.base.constraints import Bool, Int, Interval
from chainrule.base.dtypes import int64
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.models.char_rnn import check_length
from chainrule.models.registry import model
from chainrule.nn import functional as F
from chainrule.ops import functional as ops

# Deviation of the first weights, as in GPT-2.
_STD = 0.02


class CausalSelfAttention(nn.Module):
    """Each place looks at itself and the places before it: (N, T, width) → (N, T, width)."""

    def __init__(self, width: int, heads: int, dropout: float, bias: bool) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.c_attn = nn.Linear(width, 3 * width, bias)  # queries, keys and values at once
        self.c_proj = nn.Linear(width, width, bias)
        self.resid_dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        parts = self.c_attn(x).reshape(n, length, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        rate = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=rate, is_causal=True)
        return self.resid_dropout(self.c_proj(y.transpose(1, 2).reshape(n, length, width)))


class GPTBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): norms stand before, so the sum flows freely.

    The MLP has four times the width and GELU (its tanh form, as in GPT-2).
    """

    def __init__(self, width: int, heads: int, dropout: float, bias: bool) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, bias=bias)
        self.attn = CausalSelfAttention(width, heads, dropout, bias)
        self.ln_2 = nn.LayerNorm(width, bias=bias)
        self.mlp = nn.ModuleDict(
            {
                "c_fc": nn.Linear(width, 4 * width, bias),
                "gelu": nn.GELU(approximate="tanh"),
                "c_proj": nn.Linear(4 * width, width, bias),
                "dropout": nn.Dropout(dropout),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        y = self.ln_2(x)
        for layer in self.mlp.values():
            y = layer(y)
        return x + y


@model("gpt")
class GPT(nn.Module):
    """Token and place embeddings → blocks of causal attention and MLP → LayerNorm → logits.

    ids [N, T] (int64, below `classes`), T up to the context → logits [N, classes, T], as
    `cross_entropy` takes them. With `input_shape=(1024,)`, 50,257 classes, 12 layers, 12 heads and
    width 768 it is GPT-2's smallest: 124,439,808 parameters.

    Options:
        layers, heads, width: blocks, heads of each attention, size of the vectors.
        dropout: probability after the embeddings, of attention weights and after each branch.
        bias: whether linear layers and norms have one.
        tie_weights: the last layer's weight is the token embedding's (O. Press, L. Wolf, "Using the
            output embedding to improve language models", 2017).

    `input_shape` is (T,), the context: the most that it looks back.
    """

    usual_input = (64,)
    input_dtype = int64

    def __init__(
        self,
        input_shape: Sequence[int] = usual_input,
        classes: int = 96,
        layers: int = 4,
        heads: int = 4,
        width: int = 128,
        dropout: float = 0.0,
        bias: bool = True,
        tie_weights: bool = True,
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        check_length(owner, input_shape)
        self.context = Int(low=1).check(input_shape[0], owner, "input_shape")
        count = Int(low=1).check(layers, owner, "layers")
        heads = Int(low=1).check(heads, owner, "heads")
        width = Int(low=1).check(width, owner, "width")
        if width % heads:
            raise ArgumentError(
                t(
                    "{name}: width {width} must be a multiple of heads {heads}.",
                    name=owner,
                    width=width,
                    heads=heads,
                )
            )
        rate = Interval(0, 1).check(dropout, owner, "dropout")
        bias = Bool().check(bias, owner, "bias")
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(classes, width),
                "wpe": nn.Embedding(self.context, width),
                "drop": nn.Dropout(rate),
                "h": nn.ModuleList([GPTBlock(width, heads, rate, bias) for _ in range(count)]),
                "ln_f": nn.LayerNorm(width, bias=bias),
            }
        )
        self.lm_head = nn.Linear(width, classes, bias=False)
        self._draw(2 * count)
        if Bool().check(tie_weights, owner, "tie_weights"):
            embedding: Any = self.transformer["wte"]
            self.lm_head.weight = embedding.weight

    def _draw(self, branches: int) -> None:
        """Normal with deviation 0.02; of what ends a branch 0.02/√branches, since all branches are
        added up."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif "ln_" not in name:
                last = name.endswith("c_proj.weight")
                nn.init.normal_(parameter, 0, _STD / math.sqrt(branches) if last else _STD)

    def forward(self, ids: Tensor) -> Tensor:
        length = ids.shape[1]
        if length > self.context:
            raise ShapeError(
                t(
                    "{name} looks back over {context} characters at most, but got {length}: give "
                    "the last {context}.",
                    name=type(self).__name__,
                    context=self.context,
                    length=length,
                )
            )
        parts: Any = self.transformer
        x = parts["drop"](parts["wte"](ids) + parts["wpe"](ops.arange(length)))
        for block in parts["h"]:
            x = block(x)
        return self.lm_head(parts["ln_f"](x)).transpose(1, 2)  # type: ignore[no-any-return]
