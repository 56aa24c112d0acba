"""Contractions and windows, product by product: the general path, for any geometry."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.compile.graph import Instruction, Value
from chainrule.compile.schedule.expression import Condition, Expression, Expressions
from chainrule.compile.schedule.index import Axis, Index, linear, unravel
from chainrule.compile.schedule.places import TRUTH, Place, extreme, stretched


class Windows:
    """The part of the lowering for them."""

    new: Expressions

    def axis(self, name: str, extent: int, role: str = "") -> Axis:
        raise NotImplementedError

    def pull(self, x: Any, index: Place, dtype: np.dtype | None = None) -> Expression:
        raise NotImplementedError

    def chosen(self, indices: Any, index: Place, n: int) -> Index:
        raise NotImplementedError

    def _inside(
        self, where: tuple[Condition, ...], make: Callable[[], Expression], other: Any
    ) -> Expression:
        raise NotImplementedError

    def _reduced(
        self, op: str, over: tuple[Axis, ...], body: Expression, dtype: np.dtype,
        position: Expression | None = None,
    ) -> Expression:  # fmt: skip
        raise NotImplementedError

    # ---- contractions, one product at a time --------------------------------------------------

    def _matmul(self, i: Instruction, index: Place, x: Value, o: Value) -> Expression:
        dtype = i.out.dtype
        k = self.axis("k", x.shape[-1])
        at = Index.of(k)
        batch = index[: len(index) - (len(x.shape) > 1) - (len(o.shape) > 1)]
        rows = index[len(batch) : len(batch) + 1] if len(x.shape) > 1 else ()
        columns = index[len(index) - 1 :] if len(o.shape) > 1 else ()
        left = (*stretched(x.shape[:-2], batch), *rows, at)
        right = (*stretched(o.shape[:-2], batch), at, *columns)
        body = self._times(self.pull(x, left), self.pull(o, right), dtype)
        return self._reduced("sum", (k,), body, dtype)

    def _times(self, a: Expression, b: Expression, dtype: np.dtype) -> Expression:
        return self.new.apply("multiply", (a, b), dtype)

    def _conv(
        self,
        i: Instruction,
        index: Place,
        x: Value,
        w: Value,
        *,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
    ) -> Expression:
        each, kernel = w.shape[1], w.shape[2:]
        c = self.axis("c", each)
        ks = tuple(self.axis("k", n) for n in kernel)
        group = index[1] // (w.shape[0] // groups)
        place = tuple(
            o * s - p[0] + Index.of(k) * d
            for o, s, p, k, d in zip(index[2:], stride, padding, ks, dilation, strict=True)
        )
        where = tuple((a, 0, n) for a, n in zip(place, x.shape[2:], strict=True))
        taps = tuple(map(Index.of, ks))

        def product() -> Expression:
            a = self.pull(x, (index[0], group * each + Index.of(c), *place))
            return self._times(a, self.pull(w, (index[1], Index.of(c), *taps)), i.out.dtype)

        return self._reduced("sum", (c, *ks), self._inside(where, product, 0), i.out.dtype)

    def _conv_input(
        self,
        i: Instruction,
        index: Place,
        g: Value,
        w: Value,
        *,
        size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
    ) -> Expression:
        each, outs = w.shape[1], w.shape[0] // groups
        o = self.axis("o", outs)
        ks = tuple(self.axis("k", n) for n in w.shape[2:])
        channel = (index[1] // each) * outs + Index.of(o)
        place, where = self._sources(index[2:], ks, stride, padding, dilation, g.shape[2:])
        taps = tuple(map(Index.of, ks))

        def product() -> Expression:
            a = self.pull(g, (index[0], channel, *place))
            return self._times(a, self.pull(w, (channel, index[1] % each, *taps)), i.out.dtype)

        return self._reduced("sum", (o, *ks), self._inside(where, product, 0), i.out.dtype)

    def _conv_weight(
        self,
        i: Instruction,
        index: Place,
        x: Value,
        g: Value,
        *,
        kernel: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
    ) -> Expression:
        each = x.shape[1] // groups
        n = self.axis("n", x.shape[0])
        outs = tuple(self.axis("o", s) for s in g.shape[2:])
        place = tuple(
            Index.of(o) * s - p[0] + k * d
            for o, s, p, k, d in zip(outs, stride, padding, index[2:], dilation, strict=True)
        )
        where = tuple((a, 0, s) for a, s in zip(place, x.shape[2:], strict=True))
        channel = (index[0] // (g.shape[1] // groups)) * each + index[1]

        def product() -> Expression:
            a = self.pull(x, (Index.of(n), channel, *place))
            b = self.pull(g, (Index.of(n), index[0], *map(Index.of, outs)))
            return self._times(a, b, i.out.dtype)

        return self._reduced("sum", (n, *outs), self._inside(where, product, 0), i.out.dtype)

    # ---- windows ------------------------------------------------------------------------------

    def _sources(
        self,
        index: Place,
        ks: tuple[Axis, ...],
        stride: Any,
        padding: Any,
        dilation: Any,
        size: Any,
    ) -> tuple[Place, tuple[Condition, ...]]:
        """The windows in which an element is the one at `ks`, and when there is one."""
        place, where = [], []
        for a, k, s, p, d, n in zip(index, ks, stride, padding, dilation, size, strict=True):
            start = a + p[0] - Index.of(k) * d
            if s > 1:
                where.append((start % s, 0, 1))
            place.append(start // s)
            where.append((place[-1], 0, n))
        return tuple(place), tuple(where)

    def _window(
        self, index: Place, x: Value, window: Any, stride: Any, padding: Any, dilation: Any
    ) -> tuple[tuple[Axis, ...], Place, tuple[Condition, ...]]:
        n = len(window)
        ks = tuple(self.axis("k", k) for k in window)
        inner = tuple(
            o * s - p[0] + Index.of(k) * d
            for o, s, p, k, d in zip(index[-n:], stride, padding, ks, dilation, strict=True)
        )
        where = tuple((a, 0, s) for a, s in zip(inner, x.shape[-n:], strict=True))
        return ks, (*index[:-n], *inner), where

    def _windows_sum(self, i: Instruction, index: Place, x: Value, **geometry: Any) -> Expression:
        ks, place, where = self._window(index, x, **geometry)
        body = self._inside(where, lambda: self.pull(x, place), 0)
        return self._reduced("sum", ks, body, i.out.dtype)

    def _windows_argmax(
        self, i: Instruction, index: Place, x: Value, **geometry: Any
    ) -> Expression:
        ks, place, where = self._window(index, x, **geometry)
        n = len(ks)
        body = self._inside(where, lambda: self.pull(x, place), extreme(x.dtype, "max"))
        # Outside is never the place of the maximum, even of a window of −∞ only.
        flat = self.new.position(linear(place[-n:], x.shape[-n:]), i.out.dtype)
        position = self.new.inside(where, flat, self.new.number(-1, i.out.dtype))
        return self._reduced("argmax", ks, body, i.out.dtype, position)

    _windows_place = _windows_argmax  # in 32 bits, for our own use

    def _windows_max(self, i: Instruction, index: Place, x: Value, **geometry: Any) -> Expression:
        ks, place, where = self._window(index, x, **geometry)
        body = self._inside(where, lambda: self.pull(x, place), extreme(x.dtype, "max"))
        return self._reduced("max", ks, body, i.out.dtype)

    def _plane_take(
        self, i: Instruction, index: Place, x: Value, indices: Any, axes: int
    ) -> Expression:
        plane = x.shape[len(x.shape) - axes :]
        at = self.chosen(indices, index, math.prod(plane))
        return self.pull(x, (*index[: len(index) - axes], *unravel(at, plane)))

    def _plane_route(
        self, i: Instruction, index: Place, g: Value, indices: Value, *, size: Any, **geometry: Any
    ) -> Expression:
        """g of the windows in which the element was the largest."""
        here = self.new.position(linear(index[-len(size) :], size), indices.dtype)

        def term(place: Place) -> Expression:
            hit = self.new.apply("equal", (self.pull(indices, place), here), TRUTH)
            return self.new.apply(
                "where", (hit, self.pull(g, place), self.new.number(0, g.dtype)), g.dtype
            )

        return self._covering(i, index, g, term, **geometry)

    def _windows_sum_adjoint(
        self, i: Instruction, index: Place, g: Value, *, size: Any, **geometry: Any
    ) -> Expression:
        return self._covering(i, index, g, lambda place: self.pull(g, place), **geometry)

    def _covering(
        self,
        i: Instruction,
        index: Place,
        g: Value,
        term: Callable[[Place], Expression],
        *,
        window: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
    ) -> Expression:
        """The sum of a term over the windows that an element is in."""
        n = len(window)
        outs = g.shape[-n:]
        if all(d == 1 or k == 1 for d, k in zip(dilation, window)):
            # Only ⌈k/s⌉ windows hold an element: count back from the last that begins before it.
            over = tuple(self.axis("b", -(-k // s)) for k, s in zip(window, stride))
            inner: list[Index] = []
            where: list[Condition] = []
            for a, b, k, s, p, o in zip(index[-n:], over, window, stride, padding, outs):
                at = (a + p[0]) // s - Index.of(b)
                where += [(at, 0, o), (a + p[0] - at * s, 0, k)]
                inner.append(at)
            conditions = tuple(where)
        else:
            over = tuple(self.axis("k", k) for k in window)
            places, conditions = self._sources(index[-n:], over, stride, padding, dilation, outs)
            inner = list(places)
        body = self._inside(conditions, lambda: term((*index[:-n], *inner)), 0)
        return self._reduced("sum", over, body, i.out.dtype)

    def _unfold(
        self,
        i: Instruction,
        index: Place,
        x: Value,
        *,
        window: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
    ) -> Expression:
        n = len(window)
        size = tuple(
            (s + p[0] + p[1] - d * (k - 1) - 1) // t + 1
            for s, p, d, k, t in zip(x.shape[2:], padding, dilation, window, stride)
        )
        taps = unravel(index[1] % math.prod(window), tuple(window))
        outs = unravel(index[2], size)
        place = tuple(outs[a] * stride[a] - padding[a][0] + taps[a] * dilation[a] for a in range(n))
        where = tuple((a, 0, s) for a, s in zip(place, x.shape[2:]))
        channel = index[1] // math.prod(window)
        return self._inside(where, lambda: self.pull(x, (index[0], channel, *place)), 0)

    def _fold(
        self,
        i: Instruction,
        index: Place,
        x: Value,
        *,
        size: Any,
        window: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
    ) -> Expression:
        outs = tuple(
            (s + p[0] + p[1] - d * (k - 1) - 1) // t + 1
            for s, p, d, k, t in zip(size, padding, dilation, window, stride)
        )
        ks = tuple(self.axis("k", k) for k in window)
        place, where = self._sources(index[2:], ks, stride, padding, dilation, outs)
        row = index[1] * math.prod(window) + linear(map(Index.of, ks), window)
        body = self._inside(where, lambda: self.pull(x, (index[0], row, linear(place, outs))), 0)
        return self._reduced("sum", ks, body, i.out.dtype)
