"""What this machine can do at most: arithmetic, and memory of any size; measured once."""

from __future__ import annotations

import ctypes
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache as once

import numpy as np

from chainrule.compile import cache
from chainrule.compile.emit.program import clock
from chainrule.compile.runtime import jit, pool
from chainrule.compile.runtime.barrier import aligned_words
from chainrule.compile.runtime.target import Target, host

SIZES = (1 << 14, 1 << 18, 1 << 21, 1 << 25)  # bytes a thread: the levels of memory
_SECONDS, _ONE = 0.05, 2e-4  # of measuring a number, and of one try
_LOADS = 8
_OWN = 8  # the word where what the threads write begins: a sum, and ticks; a cache line each


@dataclass(frozen=True)
class Limits:
    """`flops`: multiplications and additions a second of float32, all threads together.
    `paired`: of bfloat16 in pairs, where there is the native product; else the same.
    `bandwidth`: (bytes, bytes a second) read by all threads, of so much memory in all."""

    flops: float
    paired: float
    bandwidth: tuple[tuple[int, float], ...]

    def bytes_per_second(self, size: int) -> float:
        """How fast `size` bytes can be read, again and again, by all threads together."""
        fits = [rate for most, rate in self.bandwidth if size <= most]
        return fits[0] if fits else self.bandwidth[-1][1]

    def larger(self, other: Limits) -> Limits:
        """The larger of each number."""
        pairs = zip(self.bandwidth, other.bandwidth, strict=True)
        return Limits(max(self.flops, other.flops), max(self.paired, other.paired),
                      tuple(map(max, pairs)))  # fmt: skip

    def seconds(self, flops: float, size: int) -> float:
        """The least time for so many operations on so many bytes."""
        return max(flops / self.flops, size / self.bytes_per_second(size))


_known: dict[int, Limits] = {}


def limits(threads: int, again: bool = False) -> Limits:
    """The limits of this machine with so many threads; kept on disk (0.2 s to measure).

    `again`: something was faster, so the machine was busy when they were measured; the larger
    numbers count.
    """
    target = host()
    name = cache.key("limits", str(threads), target.key, _text(target))
    if threads not in _known:
        found = cache.load(name)
        if found is not None:
            content = json.loads(found)
            pairs = tuple((int(size), float(rate)) for size, rate in content["bandwidth"])
            _known[threads] = Limits(float(content["flops"]), float(content["paired"]), pairs)
    before = _known.get(threads)
    if before is None or again:
        now = _measured(target, threads)
        _known[threads] = now if before is None else before.larger(now)
        cache.store(name, json.dumps(asdict(_known[threads])).encode())
    return _known[threads]


def _measured(target: Target, threads: int) -> Limits:
    with _loaded(target) as address:
        flops = _flops(address("arithmetic"), target, threads, 2)
        paired = _flops(address("products"), target, threads, 4) if target.bf16 else flops
        rates = [(size * threads, _bandwidth(address, target, threads, size)) for size in SIZES]
    # A larger memory is not faster; where it seems so, the smaller one was disturbed.
    bandwidth = [(size, max(r for _, r in rates[k:])) for k, (size, _) in enumerate(rates)]
    return Limits(flops, paired, tuple(bandwidth))


@once
def ticks_per_second() -> float:
    """The rate of the clock that timed programs read."""
    with _loaded(host()) as address:
        ticks = ctypes.CFUNCTYPE(ctypes.c_int64)(address("ticks"))
        start, began = ticks(), time.perf_counter()
        time.sleep(0.02)
        return (ticks() - start) / (time.perf_counter() - began)


@contextmanager
def _loaded(target: Target) -> Iterator[Callable[[str], int]]:
    loaded = jit.load(jit.compile_object(_text(target), target))
    try:
        yield loaded.address
    finally:
        loaded.unload()


def _rate(code: int, words: np.ndarray, at: int, threads: int, work: float) -> float:
    """The sum over threads of what each reaches at its best, in units of work a second.

    `work`: units of one round. The times are each thread's own, for other programs may keep it
    waiting, and short, so that some are not cut.
    """
    least = np.full(threads, np.inf)
    rounds = 0
    began = time.perf_counter()
    while rounds == 0 or time.perf_counter() - began < _SECONDS:
        pool.run(code, at, threads)
        seconds = words[_OWN + 1 :: 8] / ticks_per_second()
        if rounds == 0 and seconds.min() < _ONE:
            words[0] *= 2
            continue
        rounds = int(words[0])
        least = np.minimum(least, seconds)
    return float((rounds * work / least).sum())


def _flops(code: int, target: Target, threads: int, each: int) -> float:
    """`each`: operations in a lane of one instruction."""
    words, at = aligned_words(_OWN + 8 * threads)
    words[0] = 1 << 10
    work = _chains(target) * target.lanes(4) * each
    return _rate(code, words, at, threads, work)


def _bandwidth(address: Callable[[str], int], target: Target, threads: int, size: int) -> float:
    data = np.ones(size * threads // 4 + 16, np.float32)
    words, at = aligned_words(_OWN + 8 * threads)
    start = int(data.ctypes.data)
    words[:3] = 1, start + -start % 64, size // target.width
    return _rate(address("reading"), words, at, threads, size)


def _chains(target: Target) -> int:
    """Independent sums, enough to fill the pipelines, that the registers can hold."""
    return 24 if target.width == 64 or target.architecture == "aarch64" else 12


def _text(target: Target) -> str:
    """LLVM IR of the kernels: `ticks`, `arithmetic`, `reading`; `products` of pairs if native."""
    lanes = target.lanes(4)
    vector = f"<{lanes} x float>"
    chains = _chains(target)

    def phis(count: int, label: str) -> str:
        return "\n".join(
            f"  %a{k} = phi {vector} [ zeroinitializer, %{label} ], [ %b{k}, %loop ]"
            for k in range(count)
        )

    def total(count: int) -> str:
        lines = [f"  %s{k} = fadd {vector} %{f's{k - 1}' if k > 1 else 'b0'}, %b{k}"
                 for k in range(1, count)]  # fmt: skip
        return f"""{chr(10).join(lines)}
  %one = extractelement {vector} %s{count - 1}, i32 0
  store float %one, ptr %place, align 4
  %stop = call i64 @{clock(target)}()
  %passed = sub i64 %stop, %start
  %ticks = getelementptr i64, ptr %place, i64 1
  store i64 %passed, ptr %ticks, align 8
  ret void"""

    if target.fma:
        steps = [f"  %b{k} = call {vector} @llvm.fma.v{lanes}f32({vector} %a{k}, {vector} %x, "
                 f"{vector} %y)" for k in range(chains)]  # fmt: skip
    else:
        steps = [f"  %c{k} = fmul {vector} %a{k}, %x\n  %b{k} = fadd {vector} %c{k}, %y"
                 for k in range(chains)]  # fmt: skip
    loads = [f"  %p{k} = getelementptr {vector}, ptr %now, i64 {k}\n"
             f"  %l{k} = load {vector}, ptr %p{k}, align {target.width}\n"
             f"  %b{k} = fadd {vector} %a{k}, %l{k}" for k in range(_LOADS)]  # fmt: skip
    head = f"""  %rounds = load i64, ptr %words, align 8
  %line = mul i64 %thread, 8
  %own = add i64 %line, {_OWN}
  %place = getelementptr i64, ptr %words, i64 %own
  %start = call i64 @{clock(target)}()"""

    def arithmetic(name: str, steps: list[str]) -> str:
        return f"""
; Each thread writes the ticks that it took into the second word of its line.
; Word 0: rounds.
define void @{name}(i64 %thread, ptr %words) {{
entry:
{head}
  %some = load float, ptr %place, align 4
  %first = insertelement {vector} undef, float %some, i32 0
  %x = shufflevector {vector} %first, {vector} undef, <{lanes} x i32> zeroinitializer
  %y = fadd {vector} %x, %x
  %pairs = bitcast {vector} %x to <{2 * lanes} x bfloat>
  br label %loop
loop:
  %count = phi i64 [ 0, %entry ], [ %next, %loop ]
{phis(chains, "entry")}
{chr(10).join(steps)}
  %next = add i64 %count, 1
  %more = icmp ult i64 %next, %rounds
  br i1 %more, label %loop, label %end
end:
{total(chains)}
}}
"""

    products = ""
    if target.bf16:
        pairs, dot = f"<{2 * lanes} x bfloat>", f"@llvm.x86.avx512bf16.dpbf16ps.{32 * lanes}"
        products = f"declare {vector} {dot}({vector}, {pairs}, {pairs})\n"
        products += arithmetic("products", [
            f"  %b{k} = call {vector} {dot}({vector} %a{k}, {pairs} %pairs, {pairs} %pairs)"
            for k in range(chains)
        ])  # fmt: skip
    return f"""
declare i64 @{clock(target)}()
declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})

define i64 @ticks() {{
  %now = call i64 @{clock(target)}()
  ret i64 %now
}}
{arithmetic("arithmetic", steps)}{products}
; Word 0: rounds; 1: the memory; 2: vectors a thread.
define void @reading(i64 %thread, ptr %words) {{
entry:
{head}
  %slot1 = getelementptr i64, ptr %words, i64 1
  %memory = load ptr, ptr %slot1, align 8
  %slot2 = getelementptr i64, ptr %words, i64 2
  %vectors = load i64, ptr %slot2, align 8
  %before = mul i64 %thread, %vectors
  %part = getelementptr {vector}, ptr %memory, i64 %before
  %all = mul i64 %rounds, %vectors
  br label %loop
loop:
  %count = phi i64 [ 0, %entry ], [ %next, %loop ]
  %at = phi i64 [ 0, %entry ], [ %onward, %loop ]
{phis(_LOADS, "entry")}
  %now = getelementptr {vector}, ptr %part, i64 %at
{chr(10).join(loads)}
  %next = add i64 %count, {_LOADS}
  %step = add i64 %at, {_LOADS}
  %wraps = icmp uge i64 %step, %vectors
  %onward = select i1 %wraps, i64 0, i64 %step
  %more = icmp ult i64 %next, %all
  br i1 %more, label %loop, label %end
end:
{total(_LOADS)}
}}
"""
