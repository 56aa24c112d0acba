"""`profile`: where the time of a native program goes, and how near each kernel is to the limit."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

import numpy as np

from chainrule.base.text import t
from chainrule.compile.emit import (
    linear,
    matmul,
    tiles,
    winograd,
    winograd_channels,
)
from chainrule.compile.emit.program import ENTRY, LINE, TIMES
from chainrule.compile.limits import Limits, limits, ticks_per_second
from chainrule.compile.native import Frame, address
from chainrule.compile.runtime import jit, pool
from chainrule.compile.schedule.contraction import Contraction
from chainrule.compile.schedule.expression import (
    Apply,
    Buffer,
    Expression,
    Load,
    Random,
    Reduce,
    reads_of,
)
from chainrule.compile.schedule.index import Index
from chainrule.compile.schedule.nest import Nest

if TYPE_CHECKING:
    from chainrule.compile.native import Design, Native

_SECONDS, _FEWEST, _MOST = 0.5, 5, 200  # how long a program is watched, and how many runs
_SHOWN, _WIDTH = 30, 100  # rows and columns of the table


@dataclass(frozen=True)
class Row:
    """One kernel in one run.

    `seconds`: of each thread. `share`: of the time of all threads together; the shares of a profile
    add up to 1. `flops`: operations on numbers that the result needs (a function such as exp counts
    as one). `bytes`: of the distinct elements that are read or written. `limit`: the least time
    that the machine needs for these two, as a share of the slowest thread's; None without work.
    `text`: the kernel as the schedule has it.
    """

    name: str
    kind: str
    what: str
    seconds: tuple[float, ...]
    share: float
    flops: int
    bytes: int
    limit: float | None
    text: str = ""

    @property
    def slowest(self) -> float:
        return max(self.seconds)

    @property
    def flops_per_second(self) -> float:
        return self.flops / self.slowest if self.slowest else 0.0

    @property
    def bytes_per_second(self) -> float:
        return self.bytes / self.slowest if self.slowest else 0.0


@dataclass(frozen=True)
class Profile:
    """The rows of one program, the longest first; `str()` is a table of 100 columns.

    `seconds`: of one run (the median of `runs`); `peak_flops`, `peak_bandwidth`: what the machine
    can do with so many threads, in float32 operations and in bytes of main memory a second.
    `peak_paired`: in operations on pairs of bfloat16; None for a program that has none.
    """

    program: str
    seconds: float
    runs: int
    threads: int
    peak_flops: float
    peak_bandwidth: float
    rows: tuple[Row, ...]
    peak_paired: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        out = asdict(self)
        for row, entry in zip(self.rows, out["rows"], strict=True):
            del entry["text"]
            entry["flops_per_second"] = row.flops_per_second
            entry["bytes_per_second"] = row.bytes_per_second
        return out

    def __str__(self) -> str:
        head, widths, rows = _table(self)
        lines = [head]
        for row in rows:
            cells = []
            for k, (cell, width) in enumerate(zip(row, widths, strict=True)):
                space = " " * (width - _columns_of(cell))
                cells.append(cell + space if k < 2 else space + cell)
            lines.append(" ".join(cells).rstrip())
        return "\n".join(lines)

    def __rich__(self) -> Any:
        from rich.table import Table  # for terminals only

        head, _, (columns, *rows) = _table(self)
        table = Table(title=head, title_justify="left", box=None, padding=(0, 1, 0, 0),
                      pad_edge=False)  # fmt: skip
        for k, column in enumerate(columns):
            table.add_column(column, justify="left" if k < 2 else "right", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        return table


def _columns() -> tuple[str, ...]:
    return (
        t("kernel"), t("what it does"), t("ms"), t("least"), t("share"), "MFLOP", "MB", "GFLOP/s",
        "GB/s", t("limit"),
    )  # fmt: skip


def _table(profile: Profile) -> tuple[str, list[int], list[list[str]]]:
    """The head line, the widths of the columns, and the cells; the first row names the columns."""
    flops, size = (sum(getattr(row, key) for row in profile.rows) for key in ("flops", "bytes"))
    head = t(
        "{name}: {ms:.3f} ms a run on {threads} threads, {flops:.0f} GFLOP/s of {peak:.0f}; memory "
        "{bandwidth:.0f} GB/s",
        name=profile.program[: 30 if profile.peak_paired is None else 14],
        ms=1e3 * profile.seconds, threads=profile.threads,
        flops=flops / profile.seconds / 1e9, peak=profile.peak_flops / 1e9,
        bandwidth=profile.peak_bandwidth / 1e9,
    )  # fmt: skip
    if profile.peak_paired is not None:
        head += t("; bfloat16 {peak:.0f}", peak=profile.peak_paired / 1e9)
    rows = [_cells(row) for row in profile.rows[:_SHOWN]]
    rest = profile.rows[_SHOWN:]
    if rest:
        seconds = tuple(map(sum, zip(*(row.seconds for row in rest), strict=True)))
        more = Row("", "", t("{n} more", n=len(rest)), seconds, sum(r.share for r in rest),
                   sum(r.flops for r in rest), sum(r.bytes for r in rest), None)  # fmt: skip
        rows.append(_cells(more))
    rows.insert(0, _columns())
    widths = [max(map(_columns_of, column)) for column in zip(*rows, strict=True)]
    widths[0] = min(widths[0], 14)
    widths[1] = max(8, min(widths[1], _WIDTH - sum(widths[2:]) - widths[0] - len(widths) + 1))
    return head, widths, [list(map(_cut, row, widths, (True, *[False] * 9))) for row in rows]


def _cut(cell: str, width: int, tail: bool) -> str:
    """The cell in so many columns; of a name (`tail`), the end says more."""
    if _columns_of(cell) <= width:
        return cell
    while _columns_of(cell) > width - 1:
        cell = cell[1:] if tail else cell[:-1]
    return "…" + cell if tail else cell + "…"


def _columns_of(text: str) -> int:
    """The columns of a terminal that it takes: Chinese characters take two."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def _cells(row: Row) -> tuple[str, ...]:
    def some(value: float, digits: int) -> str:
        return f"{value:.{digits}f}" if value else ""

    return (
        row.name, row.what, f"{1e3 * row.slowest:.3f}", f"{1e3 * min(row.seconds):.3f}",
        f"{row.share:.1%}", some(row.flops / 1e6, 2), some(row.bytes / 1e6, 2),
        some(row.flops_per_second / 1e9, 1), some(row.bytes_per_second / 1e9, 1),
        "" if row.limit is None else f"{row.limit:.0%}",
    )  # fmt: skip


# ---- measuring ----------------------------------------------------------------------------------


def measure(native: Native, inputs: list[np.ndarray]) -> Profile:
    """Runs a timed variant of the program on these inputs and on copies of all that it writes."""
    design = native.design(timed=True)
    loaded = jit.load(jit.compile_object(design.text, native.target))
    try:
        runs, ticks = _runs(native, design, loaded.address(ENTRY), inputs)
    finally:
        loaded.unload()
    return _profile(native, design, runs, ticks)


def _runs(
    native: Native, design: Design, entry: int, inputs: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of each run [runs], and the ticks of its clocks [runs, clocks, threads]."""
    graph, threads, blueprint = native.graph, native.threads, design.blueprint()
    frame = Frame(blueprint, graph)
    frame.scalars[:] = native.scalars()
    arrays = list(graph.state.values())
    state = [(arrays[k], np.array(arrays[k], order="C"), slot) for k, slot in blueprint.state]
    given = [(np.array(inputs[k], order="C"), slot) for k, slot in blueprint.inputs]
    results = [r for r in (*blueprint.outputs, *blueprint.gradients) if r and r[0] is not None]
    fresh = [(np.empty(shape, dtype), slot) for slot, shape, dtype in results]
    clocks = np.zeros((len(design.writer.clocks), threads, LINE), np.int64)
    for array, slot in [*((copy, slot) for _, copy, slot in state), *given, *fresh,
                        (clocks, design.writer.layout.slots[TIMES])]:  # fmt: skip
        if slot is not None:
            frame.table[slot] = address(array)
    seconds: list[float] = []
    ticks: list[np.ndarray] = []
    began = time.perf_counter()
    while len(seconds) < _FEWEST or (
        len(seconds) < _MOST and time.perf_counter() - began < _SECONDS
    ):
        for array, copy, _ in state:
            copy[...] = array
        clocks[...] = 0
        start = time.perf_counter()
        pool.run(entry, frame.address, threads)
        seconds.append(time.perf_counter() - start)
        ticks.append(clocks[:, :, 0].copy())
    return np.array(seconds[1:]), np.array(ticks[1:])  # the first fills the caches


def _profile(native: Native, design: Design, runs: np.ndarray, ticks: np.ndarray) -> Profile:
    rows, whole = _rows(native, design, runs, ticks, limits(native.threads))
    if any(row.limit is not None and row.limit > 1.1 for row in rows):
        rows, whole = _rows(native, design, runs, ticks, limits(native.threads, again=True))
    most = limits(native.threads)
    paired = any(_paired(nest) for nest, _ in _steps(design.plan.nests, 1))
    return Profile(native.graph.name, whole, len(runs), native.threads, most.flops,
                   most.bandwidth[-1][1], tuple(rows), most.paired if paired else None)  # fmt: skip


def _rows(
    native: Native, design: Design, runs: np.ndarray, ticks: np.ndarray, most: Limits
) -> tuple[list[Row], float]:
    """The rows, and the seconds of a run."""
    threads = native.threads
    whole = float(np.median(runs))
    clocks = np.median(ticks, axis=0) / ticks_per_second()
    rows = []
    times = dict(_steps(design.plan.nests, 1))
    for nest, k in design.writer.clocks.items():
        seconds = tuple(clocks[k].tolist())
        share = sum(seconds) / threads / whole
        if nest is None:
            what = t("waiting at {n} barriers", n=design.blueprint().stats["barriers"])
            rows.append(Row(t("wait"), "barrier", what, seconds, share, 0, 0, None))
            continue
        flops, size = flops_of(nest) * times[nest], bytes_of(nest)
        least = most.seconds(flops * _effort(nest, most), 0)
        least = max(least, times[nest] * most.seconds(0, size))
        limit = least / max(seconds) if (flops or size) and max(seconds) else None
        rows.append(Row(nest.name, _kind(nest), _what(nest), seconds, share, flops,
                        size * times[nest], limit, str(nest)))  # fmt: skip
    rest = max(0.0, whole - sum(map(sum, (row.seconds for row in rows))) / threads)
    rows.append(Row(t("start"), "start", t("starting the threads, measuring"), (rest,) * threads,
                    rest / whole, 0, 0, None))  # fmt: skip
    rows.sort(key=lambda row: -row.share)
    return rows, whole


def _steps(nests: list[Nest], times: int) -> Iterator[tuple[Nest, int]]:
    """Each nest, also those of the bodies of scans, and how often it runs."""
    for nest in nests:
        yield nest, times
        if nest.body is not None:
            yield from _steps(nest.body.plan.nests, times * nest.body.steps)


def _paired(nest: Nest) -> bool:
    return nest.contraction is not None and nest.contraction.pairs


def _effort(nest: Nest, most: Limits) -> float:
    """Operations on float64 take the time of two, on pairs of bfloat16 about that of half a one."""
    if _paired(nest):
        return most.flops / most.paired
    return max((s.buffer.dtype.itemsize // 4 for s in nest.stores), default=1) or 1


# ---- work ---------------------------------------------------------------------------------------

_PRODUCTS = {
    "linear": linear.linear_flops,
    "linear_weight": linear.linear_weight_flops,
    "matmul": matmul.flops,
    "winograd_channels": winograd_channels.winograd_channels_flops,
}
_MINIMAL = ("winograd", "winograd_weight_part")
_CONVOLUTIONS = ("conv", "conv_input", "conv_weight_part")


def flops_of(nest: Nest) -> int:
    """Operations of one run of the nest: of its kernel, its maps and its sums."""
    total = 0
    sums = [e for e in nest.expressions if isinstance(e, Reduce)]
    # The emitter may have made one axis of several, which the kernel's result still names.
    loops = set(nest.axes).union(*(e.over for e in sums))
    for e in nest.expressions:
        extent = math.prod(a.extent for a in e.axes & loops)
        if isinstance(e, Apply) and e.name != "astype":
            total += extent
        elif isinstance(e, Reduce):
            total += math.prod(a.extent for a in (e.body.axes | e.axes | set(e.over)) & loops)
        elif isinstance(e, Random):
            total += extent
    if nest.sequential is not None:
        total += sum(b.elements for b in nest.operands if isinstance(b, Buffer))
    contraction: Contraction | None = nest.contraction
    if contraction is None:
        return total
    two = 2 if contraction.pairs else 1  # a lane of a product holds a pair of numbers
    if contraction.kind in _CONVOLUTIONS:
        samples = contraction.operands[0][0].shape[0]
        return total + two * tiles.flops(contraction.geometry) * samples
    if contraction.kind in _MINIMAL:
        samples = contraction.operands[0][0].shape[0]
        return total + winograd.winograd_flops(contraction.geometry) * samples
    if contraction.kind == "conv_channels":
        return total + tiles.flops(contraction.geometry.conv) * contraction.geometry.samples
    if contraction.kind == "matmul_stack":
        return total + matmul.flops(contraction.geometry.each) * contraction.units
    if contraction.in_line:
        return total + contraction.operands[0][0].elements
    count = _PRODUCTS.get(contraction.kind)
    return total + (two * count(contraction.geometry) if count is not None else 0)  # type: ignore[operator]


def bytes_of(nest: Nest) -> int:
    """Bytes of the distinct elements that one run of the nest touches, at most."""
    touched: Counter[Buffer] = Counter()
    for e in nest.expressions:
        if isinstance(e, Load):
            touched[e.buffer] += _count(e.offset)
    for store in nest.stores:
        touched[store.buffer] += _count(store.offset)
    for buffer in nest.reads() | nest.writes():
        if buffer not in touched:
            touched[buffer] = buffer.elements
    return sum(min(n, b.elements) * b.dtype.itemsize for b, n in touched.items())


def _count(offset: Index) -> int:
    """To how many places an offset can lead."""
    axes = set(offset.axes())
    for e in reads_of(offset):
        axes |= e.axes
    return math.prod(a.extent for a in axes)


# ---- words --------------------------------------------------------------------------------------


def _kind(nest: Nest) -> str:
    if nest.contraction is not None:
        return str(nest.contraction.kind)
    if nest.sequential is not None:
        return nest.sequential.primitive
    return "reduction" if any(isinstance(e, Reduce) for e in nest.expressions) else "map"


def _what(nest: Nest) -> str:
    """The kernel, then the operations on its elements, in the order of their computation."""
    words = dict.fromkeys(filter(None, map(_word, nest.expressions)))
    if nest.contraction is not None:
        kind = str(nest.contraction.kind)
        return ", ".join([_kernels().get(kind, kind.replace("_", " ")), *words])
    if nest.sequential is not None:
        return nest.sequential.primitive
    return ", ".join(words) or t("copy")


def _word(e: Expression) -> str:
    if isinstance(e, Apply):
        return "" if e.name == "astype" else e.name
    if isinstance(e, Reduce):
        return e.op
    return "uniform" if isinstance(e, Random) else ""


def _kernels() -> dict[str, str]:
    return {
        "conv": t("convolution"),
        "conv_channels": t("convolution"),
        "channels_pack": t("packing"),
        "winograd_channels": t("convolution by minimal filtering"),
        "winograd_channels_weights": t("transformed weights"),
        "matmul_stack": t("matrix product"),
        "conv_input": t("convolution backward, input"),
        "conv_weight_part": t("convolution backward, weight"),
        "conv_weight": t("sum over threads"),
        "winograd": t("convolution by minimal filtering"),
        "winograd_weights": t("transformed weights"),
        "winograd_weight_part": t("minimal filtering backward, weight"),
        "winograd_weight": t("sum over threads"),
        "linear": t("matrix product"),
        "linear_weight": t("matrix product, weight"),
        "linear_weight_transpose": t("transposition"),
        "matmul": t("matrix product"),
        "matmul_pack_a": t("packing"),
        "matmul_pack_b": t("packing"),
        "transpose_in": t("batch into lanes"),
        "pair": t("packing"),
    }
