"""Attention with several heads."""

from __future__ import annotations

from typing import Any

from chainrule.base.constraints import Int, Interval
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor, no_grad
from chainrule.nn import functional as F
from chainrule.nn import init
from chainrule.nn.layers.linear import Linear
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter, blank


class MultiheadAttention(Module):
    """Every query gets a mixture of the values, by shares that each of `num_heads` heads works out
    from the query and the keys: A. Vaswani et al., "Attention is all you need", NeurIPS 2017.

    query (L, N, E), key (S, N, kdim), value (S, N, vdim), or with `batch_first` N before L and S,
    or without N → (L, N, E), and unless `need_weights=False` the weights (N, L, S), averaged over
    the heads, or of each (N, heads, L, S). `attn_mask` (L, S) or (N·heads, L, S) and
    `key_padding_mask` (N, S) forbid where they are true, or are added to the scores.
    `add_bias_kv`: a learned key and value more; `add_zero_attn`: a key and value of zeros more. A
    query that may look at no key gets zeros.

    >>> attention = cr.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = cr.ones(1, 4, 8)
    >>> output, weights = attention(x, x, x)
    >>> output.shape, weights.shape
    ((1, 4, 8), (1, 4, 4))
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.embed_dim = size = Int(low=1).check(embed_dim, name, "embed_dim")
        self.num_heads = Int(low=1).check(num_heads, name, "num_heads")
        if embed_dim % num_heads:
            raise ArgumentError(
                t(
                    "{name}: embed_dim {size} must be a multiple of num_heads {heads}.",
                    name=name,
                    size=embed_dim,
                    heads=num_heads,
                )
            )
        self.kdim = size if kdim is None else Int(low=1).check(kdim, name, "kdim")
        self.vdim = size if vdim is None else Int(low=1).check(vdim, name, "vdim")
        self.dropout = Interval(0, 1).check(dropout, name, "dropout")
        self.batch_first = bool(batch_first)
        self.head_dim = size // num_heads
        self.add_zero_attn = bool(add_zero_attn)
        alike = self.kdim == size and self.vdim == size
        wanted = {
            "q_proj_weight": None if alike else (size, size),
            "k_proj_weight": None if alike else (size, self.kdim),
            "v_proj_weight": None if alike else (size, self.vdim),
            "in_proj_weight": (3 * size, size) if alike else None,
            "in_proj_bias": (3 * size,) if bias else None,
            "bias_k": (1, 1, size) if add_bias_kv else None,
            "bias_v": (1, 1, size) if add_bias_kv else None,
        }
        for key, shape in wanted.items():
            value = None if shape is None else blank(shape, device, dtype)
            self.register_parameter(key, value)
        self.out_proj = Linear(size, size, bias=bias, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the projections of the inputs anew: Xavier, and zero biases (bias_k, bias_v: Xavier
        too). That of the output keeps its weight."""
        for weight in (
            self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight,
        ):  # fmt: skip
            if weight is not None:
                init.xavier_uniform_(weight)
        with no_grad():
            for bias in (self.in_proj_bias, self.out_proj.bias):
                if bias is not None:
                    init.zeros_(bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        turned = self.batch_first and query.ndim == 3
        if turned:
            # One tensor stays one, so that its three projections are one product.
            found = {id(x): x.transpose(0, 1) for x in (query, key, value)}
            query, key, value = (found[id(x)] for x in (query, key, value))
        output, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight,
            self.in_proj_bias, self.bias_k, self.bias_v, self.add_zero_attn, self.dropout,
            self.out_proj.weight, self.out_proj.bias, training=self.training,
            key_padding_mask=key_padding_mask, need_weights=need_weights, attn_mask=attn_mask,
            use_separate_proj_weight=self.in_proj_weight is None,
            q_proj_weight=self.q_proj_weight, k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight, average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )  # fmt: skip
        return (output.transpose(0, 1) if turned else output), weights
