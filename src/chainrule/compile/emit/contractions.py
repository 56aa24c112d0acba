"""Contraction kernels with what is fused into them: the nest's stores, element by element."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chainrule.compile.emit.bf16.dot import paired
from chainrule.compile.emit.bf16.pairing import pair
from chainrule.compile.emit.conv import conv, conv_input
from chainrule.compile.emit.conv_channels import channels_pack, conv_channels
from chainrule.compile.emit.conv_weight import (
    conv_weight,
    conv_weight_partial_size,
    conv_weight_reduce,
)
from chainrule.compile.emit.linear import (
    linear,
    linear_group_units,
    linear_weight,
    linear_weight_transpose,
    linear_weight_transpose_units,
    transpose_in,
)
from chainrule.compile.emit.matmul import (
    matmul,
    matmul_pack_a,
    matmul_pack_a_units,
    matmul_pack_b,
    matmul_pack_b_units,
    matmul_units,
)
from chainrule.compile.emit.reduction import combine
from chainrule.compile.emit.types import Index, Register
from chainrule.compile.emit.values import Values
from chainrule.compile.emit.winograd import winograd, winograd_scratch, winograd_weights
from chainrule.compile.emit.winograd_channels import (
    winograd_channels,
    winograd_channels_scratch,
    winograd_channels_weights,
)
from chainrule.compile.emit.winograd_weight import (
    winograd_weight,
    winograd_weight_partial_size,
    winograd_weight_reduce,
    winograd_weight_scratch,
)
from chainrule.compile.schedule.expression import Buffer, Load, Product, Reduce, walk
from chainrule.compile.schedule.index import Axis
from chainrule.compile.schedule.index import Index as Place
from chainrule.compile.schedule.nest import Nest

Share = Callable[[int, int], tuple[Index, Index]]  # of n pieces in groups: this thread's range


class ContractionWriter:
    """Writes one contraction. `share(n, granularity)` is this thread's part of n pieces."""

    def __init__(
        self, values: Values, nest: Nest, share: Share, thread: Index, threads: int
    ) -> None:
        self.f = values.f
        # What the generator writes its multiply-adds with.
        self.kernel = paired(values.f) if nest.contraction.pairs else values.f
        self.values, self.nest, self.share = values, nest, share
        self.thread, self.threads = thread, threads
        self.contraction = nest.contraction
        for axis in {a for s in nest.stores for a in s.offset.axes()}:
            if axis.role == "thread":
                values.bound[axis] = thread
        # A pooling of the results, in a kernel that has whole windows of them.
        self.pool = next((e for e in nest.expressions if isinstance(e, Reduce)), None)
        products = [e for e in nest.expressions if isinstance(e, Product)]
        self.product = products[0] if products else None
        for s in nest.stores:
            assert all(e in products[:1] for e in walk(s.expression) if isinstance(e, Product))

    def write(self) -> None:
        self.values.ready(*(s.expression for s in self.nest.stores))
        getattr(self, "_" + self.contraction.kind)()

    def operand(self, k: int) -> Register:
        buffer, at = self.contraction.operands[k]
        return self.f.at(self.values.pointers[buffer], at, self.contraction.geometry.type)

    def blocks(self) -> tuple[Index, Index]:
        buffer = self.contraction.operands[0][0]
        return self.share(-(-buffer.shape[0] // buffer.lanes), 1)

    def finish(self, result: Register, places: dict[Axis, Index], lane: Axis | None = None) -> None:
        """Evaluates the stores with the contraction's result at these values of the axes."""
        values = self.values
        values.bound.update(places)
        if lane is not None:
            with values.along(lane, lane.extent, 0, None):
                self._stores(result)
        else:
            with values.scope():
                self._stores(result)
        for axis in places:
            del values.bound[axis]

    def part(self) -> tuple[Index, Index]:
        """This thread's units."""
        return self.share(self.contraction.units, 1)

    def row(self, result: Register, places: dict[Axis, Index], axis: Axis | None, at: Index,
            count: int) -> None:  # fmt: skip
        """Evaluates the stores along a row: `count` elements of `axis` from `at` on."""
        lanes = result.type.lanes
        values = self.values
        if axis is None:  # an axis of one element
            self.finish(self.f.extract(result, 0) if lanes else result, places)
            return
        values.bound.update(places)
        mask = None if count == lanes else self.f.first(count, lanes)
        with values.along(axis, lanes, at, mask):
            self._stores(result)
        for a in places:
            del values.bound[a]

    def _stores(self, result: Register | None) -> None:
        values = self.values
        if self.product is not None and result is not None:
            values.given[self.product] = result
        for s, x in [(s, values.value(s.expression)) for s in self.nest.stores]:
            values.store(s.buffer, s.offset, x, s.add)

    def _window(self, results: list[list[Register]], places: dict[Axis, Index]) -> None:
        """Evaluates the stores for the results of one window of a pooling."""
        values, pool = self.values, self.pool
        assert pool is not None and self.product is not None
        values.bound.update(places)
        with values.scope():
            total: Register | None = None
            for a, line in enumerate(results):
                for b, x in enumerate(line):
                    values.bound.update(zip(pool.over, (a, b), strict=True))
                    with values.scope():
                        values.given[self.product] = x
                        one = values.value(pool.body)
                    total = one if total is None else combine(self.f, pool.op, total, one)
            assert total is not None
            values.given[pool] = total
            self._stores(None)
        for axis in (*pool.over, *places):
            del values.bound[axis]

    # ---- convolution --------------------------------------------------------------------------

    def _conv(self, generator: Callable[..., None] = conv) -> None:
        generator(
            self.kernel, self.contraction.geometry, self.operand(0), self.operand(1),
            self.blocks(), self._pixel, ahead=self._ahead(),
        )  # fmt: skip

    def _ahead(self) -> Callable[[Index, Index, Index, Index], None] | None:
        """What prefetches the places that the stores of a convolution touch, if that pays."""
        first, *inner, lane = self.nest.axes
        touched = self._touched(inner[-1])
        if not touched:
            return None

        def ahead(block: Index, channel: Index, row: Index, column: Index) -> None:
            at = (channel, row, column) if len(inner) == 3 else (channel, column)
            self._prefetch(touched, {first: block, **dict(zip(inner, at)), lane: 0})

        return ahead

    def _pixel(self, x: Register, block: Index, channel: Index, row: Index, column: Index) -> None:
        """The stores for one result vector of a convolution."""
        first, *inner, lane = self.nest.axes
        at = (channel, row, column) if len(inner) == 3 else (channel, column)
        self.finish(x, {first: block, **dict(zip(inner, at))}, lane)

    def _touched(self, column: Axis, lanes: bool = True) -> list[tuple[Buffer, Place, bool]]:
        """What the stores read and write for each element, if that is worth asking for early."""
        if self.contraction.geometry.type.kind != "f32":
            return []
        found = {(s.buffer, s.offset): True for s in self.nest.stores if not s.add}
        for e in self.nest.expressions:
            if not isinstance(e, Load) or e.where or column not in e.axes:
                continue
            if bool(e.buffer.lanes) == lanes:
                found.setdefault((e.buffer, e.offset), False)
        return [(*place, write) for place, write in found.items()] if len(found) > 1 else []

    def _prefetch(
        self, touched: list[tuple[Buffer, Place, bool]], places: dict[Axis, Index]
    ) -> None:
        self.values.bound.update(places)
        for buffer, offset, write in touched:
            start = self.values.index(offset).base
            self.f.prefetch(self.values.pointers[buffer], start, write)
        for axis in places:
            del self.values.bound[axis]

    def _conv_input(self) -> None:
        self._conv(conv_input)

    def _winograd_weights(self) -> None:
        target = self.values.pointers[self.contraction.target]
        g = self.contraction.geometry
        winograd_weights(self.f, g, self.operand(0), target, self.part())

    def _winograd(self) -> None:
        g = self.contraction.geometry
        target = self.values.pointers[self.contraction.target]
        mine = self.f.at(target, self.f.mul(self.thread, winograd_scratch(g)), g.type)
        winograd(
            self.f, g, self.operand(0), self.operand(1), mine, self.blocks(), self._pixel,
            self._ahead(),
        )  # fmt: skip

    def _conv_weight_part(self) -> None:
        g = self.contraction.geometry
        size = conv_weight_partial_size(g)
        target = self.values.pointers[self.contraction.target]
        mine = self.f.at(target, self.f.mul(self.thread, size), g.type)
        conv_weight(self.kernel, g, self.operand(0), self.operand(1), mine, self.blocks())

    def _winograd_weight_part(self) -> None:
        g, f = self.contraction.geometry, self.f
        target = self.values.pointers[self.contraction.target]
        size, more = winograd_weight_partial_size(g), winograd_weight_scratch(g)
        sums = f.at(target, f.mul(self.thread, size), g.type)
        scratch = f.add(self.threads * size, f.mul(self.thread, more))
        winograd_weight(
            f, g, self.operand(0), self.operand(1), sums, f.at(target, scratch, g.type),
            self.blocks(),
        )  # fmt: skip

    def _winograd_weight(self) -> None:
        self._conv_weight(winograd_weight_reduce)

    def _conv_weight(self, generator: Callable[..., None] = conv_weight_reduce) -> None:
        """The sums over threads; the stores go over the weight as one line of elements."""
        nest = self.nest
        assert len(nest.axes) <= 1, "the stores of a weight gradient are element by element"

        def store(x: Register, at: Index, count: int) -> None:
            if not nest.axes:
                self.finish(x, {})
            elif x.type.lanes:
                mask = None if count == x.type.lanes else self.f.first(count, x.type.lanes)
                with self.values.along(nest.axes[0], x.type.lanes, at, mask):
                    self._stores(x)
            else:
                self.finish(x, {nest.axes[0]: at})

        generator(
            self.f, self.contraction.geometry, self.operand(0), self.threads,
            self.share(self.contraction.units, 1), store,
        )  # fmt: skip

    def _channels_pack(self) -> None:
        target = self.values.pointers[self.contraction.target]
        g = self.contraction.geometry
        channels_pack(self.f, g, self.operand(0), target, self.part())

    def _conv_channels(self) -> None:
        g, f, values = self.contraction.geometry, self.f, self.values
        axes = [next(iter(p.axes()), None) for p in self.nest.place]
        sample_axis, channel_axis, *inner = axes
        row_axis, column_axis = inner if len(inner) == 2 else (None, inner[0])

        def store(
            results: list[Register], sample: Index, channel: Index, row: Index, column: Index,
            count: int,
        ) -> None:  # fmt: skip
            both = ((sample_axis, sample), (row_axis, f.udiv(row, 2) if self.pool else row))
            places = {axis: at for axis, at in both if axis is not None}

            def one(t: int, x: Register) -> None:
                here = {} if column_axis is None else {column_axis: f.add(column, t)}
                self.finish(x, here)

            def windows() -> None:
                n, half = len(results) // 2, f.udiv(column, 2)
                for t in range(n // 2):
                    here = {} if column_axis is None else {column_axis: f.add(half, t)}
                    self._window([results[k + 2 * t : k + 2 * t + 2] for k in (0, n)], here)

            values.bound.update(places)
            with values.scope():
                if channel_axis is None:
                    for t, x in enumerate(results):
                        one(t, f.extract(x, 0))
                else:
                    mask = None if count == g.conv.lanes else f.first(count, g.conv.lanes)
                    with values.along(channel_axis, g.conv.lanes, channel, mask):
                        values.ready(*(s.expression for s in self.nest.stores))
                        if self.pool is not None:
                            windows()
                            results = []
                        for t, x in enumerate(results):
                            one(t, x)
            for axis in places:
                del values.bound[axis]

        rows = 1 if self.pool is None else 2
        conv_channels(f, g, self.operand(0), self.operand(1), self.part(), store, rows)

    def _winograd_channels_weights(self) -> None:
        target = self.values.pointers[self.contraction.target]
        g = self.contraction.geometry
        winograd_channels_weights(self.f, g, self.operand(0), target, self.part())

    def _winograd_channels(self) -> None:
        g, f, values = self.contraction.geometry, self.f, self.values
        sample_axis, channel_axis, *inner = (next(iter(p.axes()), None) for p in self.nest.place)
        assert channel_axis is not None, "there is at least one whole vector"
        target = values.pointers[self.contraction.target]
        mine = f.at(target, f.mul(self.thread, winograd_channels_scratch(g)), g.type)

        @contextmanager
        def along(sample: Index, channel: Index) -> Iterator[None]:
            if sample_axis is not None:
                values.bound[sample_axis] = sample
            with values.along(channel_axis, g.channels.conv.lanes, channel, None):
                values.ready(*(s.expression for s in self.nest.stores))
                yield
            if sample_axis is not None:
                del values.bound[sample_axis]

        def store(x: Register, row: Index, column: Index) -> None:
            both = zip(inner, (row, column), strict=True)
            self.finish(x, {axis: at for axis, at in both if axis is not None})

        def window(results: list[list[Register]], row: Index, column: Index) -> None:
            both = zip(inner, (row, column), strict=True)
            self._window(results, {axis: at for axis, at in both if axis is not None})

        pooled = self.pool is not None
        winograd_channels(
            f, g, self.operand(0), self.operand(1), mine, self.part(), along,
            window if pooled else store, pooled,
        )  # fmt: skip

    # ---- linear layers ------------------------------------------------------------------------

    def _linear(self) -> None:
        g, nest = self.contraction.geometry, self.nest
        if self.contraction.by_block:
            group = linear_group_units(g)
            low, high = self.share(self.contraction.units // group, 1)
            units = self.f.mul(low, group), self.f.mul(high, group)
        else:
            units = self.part()

        def store(x: Register, block: Index, output: Index) -> None:
            self.finish(x, {nest.axes[0]: block, nest.axes[1]: output}, nest.axes[-1])

        linear(self.kernel, g, self.operand(0), self.operand(1), units, store, self.long())

    def long(self) -> bool:
        """Whether the stores are so long that they should be written once, in a loop."""
        return len(self.nest.expressions) > 60

    def _linear_weight_transpose(self) -> None:
        g = self.contraction.geometry
        each = linear_weight_transpose_units(g) // g.blocks
        low, high = self.share(g.blocks, 1)
        target = self.values.pointers[self.contraction.target]
        units = self.f.mul(low, each), self.f.mul(high, each)
        linear_weight_transpose(self.f, g, self.operand(0), target, units)

    def _linear_weight(self) -> None:
        g, (rows, columns) = self.contraction.geometry, self._matrix()

        def store(x: Register, row: Index, column: Index, count: int) -> None:
            self.row(x, {rows: row} if rows else {}, columns, column, count)

        linear_weight(
            self.f, g, self.operand(0), self.operand(1), self.part(), store, self.long(),
            self._ahead_in_matrix(rows, columns),
        )  # fmt: skip

    def _ahead_in_matrix(
        self, rows: Axis | None, columns: Axis | None
    ) -> Callable[[Index, Index], None] | None:
        """What prefetches the places that the stores of a matrix touch: the optimiser's state."""
        touched = self._touched(columns, False) if rows and columns else []
        if not touched:
            return None

        def ahead(row: Index, column: Index) -> None:
            self._prefetch(touched, {rows: row, columns: column})  # type: ignore[dict-item]

        return ahead

    def _matrix(self) -> tuple[Axis | None, Axis | None]:
        """The axes of rows and columns; None for one that has a single element."""
        rows, columns = self.nest.axes
        return (rows if rows.extent > 1 else None), (columns if columns.extent > 1 else None)

    def _transpose_in(self) -> None:
        target = self.values.pointers[self.contraction.target]
        blocks = self.share(self.contraction.geometry.blocks, 1)
        transpose_in(self.f, self.contraction.geometry, self.operand(0), target, blocks)

    def _pair(self) -> None:
        """An operand into pairs of bfloat16 numbers: blocks of the batch, or any units."""
        c, units = self.contraction, self.part()
        if c.by_block:
            like = c.target if c.target.lanes else c.operands[0][0]
            blocks = -(-like.shape[0] // like.lanes)
            low, high = self.share(blocks, 1)
            each = c.units // blocks
            units = self.f.mul(low, each), self.f.mul(high, each)
        pair(self.f, c.geometry, self.operand(0), self.values.pointers[c.target], units)

    # ---- matrix products ----------------------------------------------------------------------

    def _matmul(self) -> None:
        rows, columns = self._matrix()

        def store(x: Register, row: Index, column: Index, count: int) -> None:
            self.row(x, {rows: row} if rows else {}, columns, column, count)

        matmul(
            self.kernel, self.contraction.geometry, self.operand(0), self.operand(1),
            self.part(), store, self.long(),
        )  # fmt: skip

    def _matmul_pack_a(self, generator: Callable[..., None] = matmul_pack_a) -> None:
        target = self.values.pointers[self.contraction.target]
        generator(self.f, self.contraction.geometry, self.operand(0), target, self.part())

    def _matmul_pack_b(self) -> None:
        self._matmul_pack_a(matmul_pack_b)

    def _matmul_stack(self) -> None:
        f, g = self.f, self.contraction.geometry
        *stack, rows, columns = self.nest.axes
        panels: list[Register | None] = [None, None]
        if self.contraction.target is not None:
            size_a, size_b = g.scratch
            mine = self.f.mul(self.thread, size_a + size_b)
            start = f.at(self.values.pointers[self.contraction.target], mine, g.type)
            panels = [start if size_a else None, f.at(start, size_a, g.type) if size_b else None]
        generators = (matmul_pack_a, matmul_pack_b)
        units = (matmul_pack_a_units(g.each), matmul_pack_b_units(g.each))
        with f.loop(*self.part()) as z:
            places: dict[Axis, Index] = {}
            rest = z.i
            for axis, n in zip(reversed(stack), reversed(g.shape), strict=True):
                places[axis] = f.urem(rest, n)
                rest = f.udiv(rest, n)
            found = []
            for k, steps in enumerate((g.a_steps, g.b_steps)):
                at = f.affine(*((places[a], s) for a, s in zip(stack, steps, strict=True)))
                pointer = f.at(self.operand(k), at, g.type)
                panel = panels[k]
                if panel is not None:
                    generators[k](f, g.each, pointer, panel, (0, units[k]))
                    pointer = panel
                found.append(pointer)

            def store(x: Register, row: Index, column: Index, count: int) -> None:
                line = places | ({rows: row} if rows.extent > 1 else {})
                self.row(x, line, columns if columns.extent > 1 else None, column, count)

            matmul(f, g.each, found[0], found[1], (0, matmul_units(g.each)), store, self.long())
