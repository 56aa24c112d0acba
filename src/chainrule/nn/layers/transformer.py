"""The Transformer: its layers, stacks of them, and the whole.

A. Vaswani et al., "Attention is all you need", NeurIPS 2017; with `norm_first`, the normalisation
stands before each part instead of behind it: R. Xiong et al., "On layer normalization in the
Transformer architecture", ICML 2020.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from chainrule.base.constraints import Int
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn import init
from chainrule.nn.containers import ModuleList
from chainrule.nn.layers.attention import MultiheadAttention
from chainrule.nn.layers.dropout import Dropout
from chainrule.nn.layers.linear import Linear
from chainrule.nn.layers.norm import LayerNorm
from chainrule.nn.module import Module
from chainrule.ops import functional as ops

Activation = Callable[[Tensor], Tensor]


def _activation(name: str, given: str | Activation) -> Activation:
    found: Any = {"relu": F.relu, "gelu": F.gelu}.get(given) if isinstance(given, str) else given
    if not callable(found):
        raise ArgumentError(
            t(
                "{name}: activation must be 'relu', 'gelu' or a function, got {given!r}.",
                name=name,
                given=given,
            )
        )
    return found  # type: ignore[no-any-return]


def _causal(hint: bool | None, mask: Tensor | None) -> bool:
    return bool(hint) and mask is not None


class _Layer(Module):
    """What encoder and decoder layers share: attention, two linear layers, dropout."""

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int, dropout: float,
        activation: str | Activation, layer_norm_eps: float, batch_first: bool, norm_first: bool,
        bias: bool, device: Any, dtype: Any, crossed: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        heads: dict[str, Any] = {"dropout": dropout, "bias": bias, "batch_first": batch_first}
        self.self_attn = MultiheadAttention(d_model, nhead, **heads, **options)
        if crossed:
            self.multihead_attn = MultiheadAttention(d_model, nhead, **heads, **options)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **options)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **options)
        self.norm_first = bool(norm_first)
        parts = range(1, 4 if crossed else 3)
        for i in parts:
            self.add_module(f"norm{i}", LayerNorm(d_model, layer_norm_eps, bias=bias, **options))
        for i in parts:
            self.add_module(f"dropout{i}", Dropout(dropout))
        self.activation = _activation(type(self).__name__, activation)

    def _add(self, i: int, x: Tensor, part: Activation) -> Tensor:
        """x and what part `i` makes of it, normalised before or after."""
        norm, dropout = self.get_submodule(f"norm{i}"), self.get_submodule(f"dropout{i}")
        if self.norm_first:
            return x + dropout(part(norm(x)))  # type: ignore[no-any-return]
        return norm(x + dropout(part(x)))  # type: ignore[no-any-return]

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))  # type: ignore[no-any-return]


class TransformerEncoderLayer(_Layer):
    """Self-attention, then two linear layers, each with a residual and layer normalisation:
    (T, N, d_model), or (N, T, d_model) with `batch_first`, or (T, d_model) → the same shape.

    `src_mask` (T, T) and `src_key_padding_mask` (N, T) as the masks of `MultiheadAttention`.

    >>> layer = cr.nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> layer(cr.ones(1, 4, 8)).shape
    (1, 4, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
            norm_first, bias, device, dtype, crossed=False,
        )  # fmt: skip

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            return self.self_attn(  # type: ignore[no-any-return]
                x, x, x, key_padding_mask=src_key_padding_mask, need_weights=False,
                attn_mask=src_mask, is_causal=_causal(is_causal, src_mask),
            )[0]  # fmt: skip

        return self._add(2, self._add(1, src, attend), self._feed_forward)


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to the encoder's output `memory`, then two linear layers, each with
    a residual and layer normalisation; shapes as for `TransformerEncoderLayer`.

    `tgt_mask` (T, T), `memory_mask` (T, S), `tgt_key_padding_mask` (N, T) and
    `memory_key_padding_mask` (N, S) as the masks of `MultiheadAttention`.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
            norm_first, bias, device, dtype, crossed=True,
        )  # fmt: skip

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            return self.self_attn(  # type: ignore[no-any-return]
                x, x, x, key_padding_mask=tgt_key_padding_mask, need_weights=False,
                attn_mask=tgt_mask, is_causal=_causal(tgt_is_causal, tgt_mask),
            )[0]  # fmt: skip

        def look(x: Tensor) -> Tensor:
            return self.multihead_attn(  # type: ignore[no-any-return]
                x, memory, memory, key_padding_mask=memory_key_padding_mask, need_weights=False,
                attn_mask=memory_mask, is_causal=_causal(memory_is_causal, memory_mask),
            )[0]  # fmt: skip

        return self._add(3, self._add(2, self._add(1, tgt, attend), look), self._feed_forward)


# ---- stacks ---------------------------------------------------------------------------------


class _Stack(Module):
    """`num_layers` copies of one layer, and a normalisation behind the last."""

    def __init__(self, layer: Module, num_layers: int, norm: Module | None) -> None:
        super().__init__()
        self.num_layers = Int(low=0).check(num_layers, type(self).__name__, "num_layers")
        self.layers = ModuleList([copy.deepcopy(layer) for _ in range(num_layers)])
        self.norm = norm


class TransformerEncoder(_Stack):
    """`num_layers` copies of `encoder_layer`, one after the other, then `norm`.

    `enable_nested_tensor` and `mask_check` are PyTorch's and change nothing here: in evaluation
    PyTorch may give zeros at padded places, where here stands what the layers compute.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__(encoder_layer, num_layers, norm)

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        x = src
        for layer in self.layers:
            x = layer(
                x, src_mask=mask, src_key_padding_mask=src_key_padding_mask,
                is_causal=_causal(is_causal, mask),
            )  # fmt: skip
        return x if self.norm is None else self.norm(x)  # type: ignore[no-any-return]


class TransformerDecoder(_Stack):
    """`num_layers` copies of `decoder_layer`, one after the other, then `norm`."""

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(decoder_layer, num_layers, norm)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        x = tgt
        for layer in self.layers:
            x = layer(
                x, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=_causal(tgt_is_causal, tgt_mask),
                memory_is_causal=_causal(memory_is_causal, memory_mask),
            )  # fmt: skip
        return x if self.norm is None else self.norm(x)  # type: ignore[no-any-return]


class Transformer(Module):
    """Encoder and decoder: src (S, N, d_model), tgt (T, N, d_model), or N first with `batch_first`,
    or without N → (T, N, d_model). The masks are those of the two stacks; is_causal says that a
    mask is the causal one."""

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = F.relu,
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        arguments = (
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
            norm_first, bias, device, dtype,
        )  # fmt: skip
        if custom_encoder is None:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, **options)
            layer: Module = TransformerEncoderLayer(*arguments)
            custom_encoder = TransformerEncoder(layer, num_encoder_layers, norm)
        if custom_decoder is None:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, **options)
            layer = TransformerDecoderLayer(*arguments)
            custom_decoder = TransformerDecoder(layer, num_decoder_layers, norm)
        self.encoder, self.decoder = custom_encoder, custom_decoder
        self.d_model, self.nhead, self.batch_first = d_model, nhead, bool(batch_first)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        a, b, axis = tuple(src.shape), tuple(tgt.shape), 0 if self.batch_first else 1
        alike = len(a) == len(b) and (len(a) == 2 or a[axis] == b[axis])
        if not alike or {a[-1], b[-1]} != {self.d_model}:
            raise ShapeError(
                t(
                    "Transformer takes src and tgt of the same number of axes and sequences, with "
                    "d_model {size} features, got shapes {src} and {tgt}.",
                    size=self.d_model,
                    src=a,
                    tgt=b,
                )
            )
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        return self.decoder(  # type: ignore[no-any-return]
            tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """(sz, sz): 0 up to the diagonal, −∞ behind it, so that no place looks at a later one."""
        return ops.triu(ops.full((sz, sz), -math.inf, dtype=dtype), diagonal=1)  # type: ignore[no-any-return]
