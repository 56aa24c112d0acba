"""Attention with several heads, in the form in which PyTorch's modules call it."""

from __future__ import annotations

from typing import Any

from chainrule.base.dtypes import bool_
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.attention import attend
from chainrule.ops.creation import full, zeros
from chainrule.ops.dispatch import cast
from chainrule.ops.linalg import Linear
from chainrule.ops.register import function
from chainrule.ops.shaping import Cat

OWNER = "multi_head_attention_forward"


@function()
def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Projects query (L, N, E), key and value (S, N, …), attends in `num_heads` heads, and projects
    back: (L, N, E), and the weights (N, L, S), or (N, heads, L, S) unless averaged; also without N.

    Masks forbid where they are true, or are added to the scores: `attn_mask` (L, S) or
    (N·heads, L, S), `key_padding_mask` (N, S). in_proj_weight (3E, E) holds the projections of
    query, key and value; with `use_separate_proj_weight` they stand apart and key and value may
    have other sizes. `bias_k`, `bias_v` (1, 1, E) and `add_zero_attn` put one more key behind the
    others. `static_k`, `static_v` (N·heads, S, E/heads) replace the projected ones. `is_causal`
    only says that attn_mask is the causal one. A query that may look at no key gets zeros, where
    PyTorch gives NaN if weights are asked for.
    """
    batched = _check(query, key, value, embed_dim_to_check, num_heads)
    if is_causal and attn_mask is None:
        raise ArgumentError(
            t("{owner}: is_causal=True is a hint about attn_mask, so give attn_mask as well.",
              owner=OWNER)
        )  # fmt: skip
    if not batched:
        query, key, value = (x.unsqueeze(1) for x in (query, key, value))
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    whole = None if use_separate_proj_weight else in_proj_weight
    q, k, v = _project(query, key, value, whole, separate, in_proj_bias)

    length, batch, size = q.shape
    if bias_k is not None and bias_v is not None:
        one = (1, batch, size)
        k, v = Cat.function([k, bias_k.expand(one)]), Cat.function([v, bias_v.expand(one)])
    q, k, v = (_heads(x, num_heads) for x in (q, k, v))
    k = k if static_k is None else static_k.reshape(batch, num_heads, *static_k.shape[1:])
    v = v if static_v is None else static_v.reshape(batch, num_heads, *static_v.shape[1:])
    if add_zero_attn:
        row = zeros((batch, num_heads, 1, size // num_heads), dtype=k.dtype)
        k, v = Cat.function([k, row], -2), Cat.function([v, row], -2)

    bias = allowed = None
    for mask in _masks(attn_mask, key_padding_mask, (batch, num_heads, length), key.shape[0]):
        more = k.shape[2] - mask.shape[3]
        forbidding = mask.dtype is bool_
        mask = ~mask if forbidding else cast(mask, q.dtype)
        if more:
            end = full((*mask.shape[:3], more), 1 if forbidding else 0).to(mask.dtype)
            mask = Cat.function([mask, end], -1)
        if forbidding:
            allowed = mask if allowed is None else allowed & mask
        else:
            bias = mask if bias is None else bias + mask

    y, weights = attend(q, k, v, bias, allowed, dropout_p if training else 0.0)
    y = y.permute(2, 0, 1, 3).reshape(length, batch, size)
    y = Linear.function(y, out_proj_weight, out_proj_bias)
    y = y if batched else y.squeeze(1)
    if not need_weights:
        return y, None
    weights = weights.mean(1) if average_attn_weights else weights
    return y, weights if batched else weights.squeeze(0)


def _check(query: Tensor, key: Tensor, value: Tensor, embed_dim: int, heads: int) -> bool:
    """Refuses what does not fit together; whether there is a batch."""
    shapes = [tuple(x.shape) for x in (query, key, value)]
    ranks = {len(s) for s in shapes}
    if ranks not in ({2}, {3}) or shapes[1][:-1] != shapes[2][:-1]:
        raise ShapeError(
            t(
                "{owner} takes query (L, N, E), key and value (S, N, …), all without N or none, "
                "got shapes {q}, {k} and {v}.",
                owner=OWNER,
                q=shapes[0],
                k=shapes[1],
                v=shapes[2],
            )
        )
    if shapes[0][-1] != embed_dim or embed_dim % heads:
        raise ShapeError(
            t(
                "{owner}: query has {size} features; they must be embed_dim {embed_dim}, and a "
                "multiple of the {heads} heads.",
                owner=OWNER,
                size=shapes[0][-1],
                embed_dim=embed_dim,
                heads=heads,
            )
        )
    return ranks == {3}


def _project(
    query: Tensor, key: Tensor, value: Tensor, whole: Tensor | None,
    separate: tuple[Tensor | None, ...], bias: Tensor | None,
) -> Any:  # fmt: skip
    linear = Linear.function
    if whole is None:
        biases = (None,) * 3 if bias is None else bias.chunk(3)
        rows = zip((query, key, value), separate, biases, strict=True)
        return tuple(linear(x, w, b) for x, w, b in rows)
    if query is key is value:
        return linear(query, whole, bias).chunk(3, -1)
    size = query.shape[-1]
    parts = [(query, slice(0, size)), (key, slice(size, 3 * size))]
    if key is not value:
        parts[1:] = [(key, slice(size, 2 * size)), (value, slice(2 * size, 3 * size))]
    out = [linear(x, whole[at], None if bias is None else bias[at]) for x, at in parts]
    return (out[0], *out[1].chunk(2, -1)) if key is value else tuple(out)


def _heads(x: Tensor, heads: int) -> Tensor:
    """(S, N, E) → (N, heads, S, E/heads)."""
    return x.reshape(*x.shape[:2], heads, x.shape[2] // heads).permute(1, 2, 0, 3)


def _masks(
    attn_mask: Tensor | None, padding: Tensor | None, size: tuple[int, int, int], keys: int
) -> list[Tensor]:
    """The masks that there are, in a form that broadcasts to (N, heads, L, S)."""
    batch, heads, length = size
    found = []
    for name, mask, shapes in (
        ("attn_mask", attn_mask, ((length, keys), (batch * heads, length, keys))),
        ("key_padding_mask", padding, ((batch, keys),)),
    ):
        if mask is None:
            continue
        if tuple(mask.shape) not in shapes:
            raise ShapeError(
                t(
                    "{owner}: {name} must have shape {wanted}, got {got}.",
                    owner=OWNER,
                    name=name,
                    wanted=t(" or ").join(map(str, shapes)),
                    got=tuple(mask.shape),
                )
            )
        if mask.dtype is not bool_ and not mask.dtype.is_floating_point:
            raise DTypeError(
                t(
                    "{owner}: {name} must be boolean or floating, not {dtype}.",
                    owner=OWNER,
                    name=name,
                    dtype=mask.dtype.name,
                )
            )
        if name == "key_padding_mask":
            mask = mask.reshape(batch, 1, 1, keys)
        elif mask.ndim == 3:
            mask = mask.reshape(batch, heads, length, keys)
        else:
            mask = mask.reshape(1, 1, length, keys)
        found.append(mask)
    return found
