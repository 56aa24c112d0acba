"""Matrix products, linear layers, Einstein sums."""

from __future__ import annotations

from typing import Any

from chainrule.base.constraints import Anything
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.shapes import broadcast_shapes
from chainrule.base.text import t
from chainrule.ops.namespace import count
from chainrule.ops.op import Card, Op, op


def _matmul_shape(shapes: dict[str, tuple[int, ...]], params: dict[str, Any]) -> tuple[int, ...]:
    (a, x), (b, o) = shapes.items()
    if not x or not o:
        raise ShapeError(
            t("matmul needs at least one dimension, got shapes {x} and {o}; use *.", x=x, o=o)
        )
    if x[-1] != o[-2 if len(o) > 1 else -1]:
        raise ShapeError(
            t(
                "matmul: {a} has shape {x} and {b} has shape {o}: the last size of {a} ({n}) must "
                "equal the {which} size of {b} ({m}).",
                a=a,
                b=b,
                x=x,
                o=o,
                n=x[-1],
                m=o[-2 if len(o) > 1 else -1],
                which=t("second to last") if len(o) > 1 else t("only"),
            )
        )
    batch = broadcast_shapes(x[:-2], o[:-2])
    return batch + (x[-2:-1] if len(x) > 1 else ()) + (o[-1:] if len(o) > 1 else ())


@op
class Matmul(Op):
    """The matrix product `x @ o`: vectors, matrices, and batches of them, broadcast.

    >>> cr.matmul(cr.tensor([[1.0, 2.0], [3.0, 4.0]]), cr.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """

    math = "x @ o"
    saves = {"x": ("o",), "o": ("x",)}
    dtypes = "match"
    autocast = ("x", "o")
    shape = staticmethod(_matmul_shape)
    dunder = ("__matmul__",)
    samples = (((3, 4), (4, 2)), ((4,), (4,)), ((3, 4), (4,)), ((4,), (4, 2)), ((2, 3, 4), (4, 2)),
               ((2, 1, 3, 4), (3, 4, 2)), ((0, 4), (4, 2)), ((3, 0), (0, 2)))  # fmt: skip
    card = Card(
        en="Rows times columns. Each factor's gradient is the incoming one times the other, "
        "transposed: gOᵀ and Xᵀg.",
        zh="行乘列。每个因子的梯度是传入梯度乘以另一因子的转置：gOᵀ 与 Xᵀg。",
    )

    def forward(F, x, o):
        return F.matmul(x, o)

    def vjp(F, g, y, x, o):
        if len(x.shape) == 1 and len(o.shape) == 1:
            return lambda: g * o, lambda: g * x
        x2 = (1, *x.shape) if len(x.shape) == 1 else x.shape
        o2 = (*o.shape, 1) if len(o.shape) == 1 else o.shape
        full = F.expand_dims(g, -2) if len(x.shape) == 1 else g
        full = F.expand_dims(full, -1) if len(o.shape) == 1 else full

        def left():
            out = F.matmul(full, F.matrix_transpose(F.reshape(o, o2)))
            return F.reshape(F.sum_to(out, x2), x.shape)

        def right():
            rows = F.reshape(x, x2)
            if len(o2) == 2 and len(x2) > 2:
                # One long product instead of a batch of short ones that are added afterwards.
                n = count(x2[:-1], None)
                long = F.matrix_transpose(F.reshape(rows, (n, o2[0])))
                return F.reshape(F.matmul(long, F.reshape(full, (n, o2[1]))), o.shape)
            out = F.matmul(F.matrix_transpose(rows), full)
            return F.reshape(F.sum_to(out, o2), o.shape)

        return left, right


def _linear_shape(shapes: dict[str, tuple[int, ...]], params: dict[str, Any]) -> tuple[int, ...]:
    x, w, b = shapes["x"], shapes["weight"], shapes.get("bias")
    if len(w) != 2:
        raise ShapeError(t("linear: weight must have shape (out, in), got {w}.", w=w))
    if not x or x[-1] != w[1]:
        raise ShapeError(
            t(
                "linear: input has shape {x}, whose last size must be the layer's in_features "
                "{n} (weight has shape {w}).",
                x=x,
                n=w[1],
                w=w,
            )
        )
    if b is not None and b != w[:1]:
        raise ShapeError(
            t("linear: bias has shape {b}, but weight {w} needs ({n},).", b=b, w=w, n=w[0])
        )
    return (*x[:-1], w[0])


@op
class Linear(Op):
    """`x @ weight.T + bias`: x (…, in), weight (out, in), bias (out) or None → (…, out).

    >>> w = cr.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> cr.nn.functional.linear(cr.ones(1, 2), w, cr.tensor([0.5, 0.5]))
    tensor([[3.5000, 7.5000]])
    """

    math = "x @ weight.T + bias"
    axes = {"x": ("in", "N, in", "N, T, in"), "weight": ("out, in",)}
    optional = ("bias",)
    saves = {"x": ("weight",), "weight": ("x",)}
    dtypes = "match"
    autocast = ("x", "weight")
    shape = staticmethod(_linear_shape)
    always_check = True
    method = False
    samples = (((5, 4), (3, 4), (3,)), ((4,), (3, 4), None), ((2, 5, 4), (3, 4), (3,)),
               ((0, 4), (3, 4), (3,)))  # fmt: skip
    card = Card(
        en="z = Wa + b of the notes. Backward: δ·W for the input, δᵀ·a for the weights, Σδ for "
        "the bias.",
        zh="笔记中的 z = Wa + b。反向：输入得 δ·W，权重得 δᵀ·a，偏置得 Σδ。",
    )

    def forward(F, x, weight, bias=None):
        y = F.matmul(x, F.matrix_transpose(weight))
        return y if bias is None else y + bias

    def vjp(F, g, y, x, weight, bias):
        m, k = weight.shape
        n = count(x.shape[:-1], None)

        def lines():
            return F.reshape(g, (n, m))

        return (
            lambda: F.matmul(g, weight),
            lambda: F.matmul(F.matrix_transpose(lines()), F.reshape(x, (n, k))),
            lambda: F.sum(lines(), 0),
        )


# ---- Einstein sums --------------------------------------------------------------------------


def _parse(equation: Any) -> str:
    if not isinstance(equation, str):
        raise ArgumentError(t("einsum: the equation must be a text such as 'ij,jk->ik'."))
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    letters = left.replace("...", "").replace(",", "")
    outs = right.replace("...", "")
    if not all(c.isalpha() for c in letters + outs) or len(set(outs)) != len(outs):
        raise ArgumentError(
            t("einsum: {equation!r} is not an equation like 'ij,jk->ik'.", equation=equation)
        )
    if set(outs) - set(letters):
        raise ArgumentError(
            t("einsum: {equation!r} has an output letter that no input has.", equation=equation)
        )
    if not arrow:
        once = sorted(c for c in set(letters) if letters.count(c) == 1)
        right = ("..." if "..." in left else "") + "".join(once)
    return f"{left}->{right}"


@op
class Einsum(Op):
    """Einstein summation, `einsum("ij,jk->ik", x, o)`: any number of operands, "..." allowed."""

    math = "einsum(equation, x)"
    autocast = ("x",)
    params = {"equation": Anything(check=_parse)}
    saves = ()
    method = False
    vjp = None
    samples = (
        (((2, 3), (3, 4)), {"equation": "ij,jk->ik"}),
        (((2, 3, 4), (2, 4, 5)), {"equation": "bij,bjk->bik"}),
        (((3, 3),), {"equation": "ii->i"}),
        (((2, 3), (3,), (2,)), {"equation": "ij,j,i->"}),
        (((2, 3, 4), (4, 5)), {"equation": "...j,jk->...k"}),
    )
    card = Card(
        en="Letters name axes: shared ones are multiplied, missing ones summed.",
        zh="用字母命名坐标轴：相同的相乘，缺失的求和。",
    )

    @classmethod
    def rounds(cls, params):
        """A letter that two operands share and the result lacks: a sum of products."""
        left, _, right = params["equation"].partition("->")
        terms = left.split(",")
        return any(sum(c in term for term in terms) > 1 for c in set(left) - {*right, ",", "."})

    def forward(F, *x, equation):
        left, _, right = equation.partition("->")
        terms = left.split(",")
        if len(terms) != len(x):
            raise ArgumentError(
                t(
                    "einsum: {equation!r} names {n} operands, got {m}.",
                    equation=equation,
                    n=len(terms),
                    m=len(x),
                )
            )
        terms, right = _expand_dots(terms, right, [len(v.shape) for v in x])
        out, letters = _diagonal(F, x[0], terms[0])
        for i in range(1, len(x)):
            later = set("".join(terms[i + 1 :]) + right)
            o, b = _diagonal(F, x[i], terms[i])
            out, letters = _contract(F, out, letters, o, b, later)
        gone = tuple(i for i, c in enumerate(letters) if c not in right)
        if gone:
            out = F.sum(out, gone)
            letters = "".join(c for c in letters if c in right)
        return F.permute_dims(out, tuple(letters.index(c) for c in right))


def _expand_dots(terms: list[str], right: str, ranks: list[int]) -> tuple[list[str], str]:
    """Capital-like private letters in place of "..."."""
    widths = [r - len(term.replace("...", "")) for term, r in zip(terms, ranks, strict=True)]
    for term, r, width in zip(terms, ranks, widths, strict=True):
        if width < 0 or (width and "..." not in term):
            raise ShapeError(
                t("einsum: {term!r} does not fit an operand of {r} dimensions.", term=term, r=r)
            )
    most = max((w for term, w in zip(terms, widths, strict=True) if "..." in term), default=0)
    private = "".join(chr(0x3B1 + i) for i in range(most))
    out = [
        term.replace("...", private[most - width :] if width else "")
        for term, width in zip(terms, widths, strict=True)
    ]
    return out, right.replace("...", private)


def _diagonal(F: Any, x: Any, letters: str) -> tuple[Any, str]:
    """Repeated letters in one operand: its diagonal."""
    for c in letters:
        while letters.count(c) > 1:
            i = letters.index(c)
            j = letters.index(c, i + 1)
            if x.shape[i] != x.shape[j]:
                raise ShapeError(t("einsum: the letter {c!r} has two sizes.", c=c))
            n = x.shape[i]
            order = (i, j, *(k for k in range(len(letters)) if k not in (i, j)))
            rest = tuple(x.shape[k] for k in order[2:])
            flat = F.reshape(F.permute_dims(x, order), (n * n, *rest))
            x = F.slice(flat, (slice(None, None, n + 1),))
            letters = c + "".join(letters[k] for k in order[2:])
    return x, letters


def _sum_alone(F: Any, x: Any, letters: str, other: str, later: set[str]) -> tuple[Any, str]:
    gone = tuple(i for i, c in enumerate(letters) if c not in other and c not in later)
    if not gone:
        return x, letters
    return F.sum(x, gone), "".join(c for i, c in enumerate(letters) if i not in gone)


def _contract(F: Any, x: Any, a: str, o: Any, b: str, later: set[str]) -> tuple[Any, str]:
    """Two operands into one by a batched matrix product: batch, rows, columns, and summed."""
    for c in set(a) & set(b):
        n, m = x.shape[a.index(c)], o.shape[b.index(c)]
        if n != m and 1 not in (n, m):
            raise ShapeError(t("einsum: the letter {c!r} has sizes {n} and {m}.", c=c, n=n, m=m))
    # An axis that only one operand has, and nobody needs, is summed at once.
    x, a = _sum_alone(F, x, a, b, later)
    o, b = _sum_alone(F, o, b, a, later)
    batch = [c for c in a if c in b and c in later]
    summed = [c for c in a if c in b and c not in later]
    rows = [c for c in a if c not in b]
    columns = [c for c in b if c not in a]
    size = {c: max(x.shape[a.index(c)] if c in a else 0, o.shape[b.index(c)] if c in b else 0)
            for c in set(a + b)}  # fmt: skip
    for c in set(a) & set(b):
        if 1 in (x.shape[a.index(c)], o.shape[b.index(c)]):
            size[c] = max(x.shape[a.index(c)], o.shape[b.index(c)])

    def lay(v: Any, letters: str, groups: tuple[list[str], ...]) -> Any:
        v = F.broadcast_to(v, tuple(size[c] for c in letters))
        v = F.permute_dims(v, tuple(letters.index(c) for g in groups for c in g))
        dims = tuple(size[c] for c in groups[0])
        for group in groups[1:]:
            n = 1
            for c in group:
                n *= size[c]
            dims = (*dims, n)
        return F.reshape(v, dims)

    product = F.matmul(lay(x, a, (batch, rows, summed)), lay(o, b, (batch, summed, columns)))
    letters = batch + rows + columns
    return F.reshape(product, tuple(size[c] for c in letters)), "".join(letters)
