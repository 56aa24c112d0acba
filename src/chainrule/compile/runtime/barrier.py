"""The native barrier at which the threads of a program meet."""

from __future__ import annotations

import numpy as np

from chainrule.compile.runtime.target import Target

# How often a thread that waits looks again before it offers its CPU to others: some 50 µs.
SPINS = 2000
LINE = 64
_WORDS = 16


def pause(target: Target) -> tuple[str, str]:
    """(declaration, call) of the hint that a thread is waiting in a loop."""
    if target.architecture in ("x86_64", "amd64"):
        return "declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"
    if target.architecture in ("aarch64", "arm64"):
        return "declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"
    return "", ""


def give_way(target: Target) -> tuple[str, str]:
    """(declaration, call) that lets another thread of the system run."""
    name = "SwitchToThread" if "-windows" in target.triple else "sched_yield"
    return f"declare i32 @{name}()", f"call i32 @{name}()"


def barrier_ir(target: Target) -> str:
    """LLVM IR of `@barrier(ptr %control, i64 %threads)`, once in a program's module.

    `%control` is a block from `control_block`; all `%threads` threads must call it. What one
    thread wrote before, all threads see after. The text declares `@sched_yield` and the
    processor's pause, which the module must not declare again.
    """
    pause_declaration, pause_call = pause(target)
    yield_declaration, yield_call = give_way(target)
    # Word 0 counts arrivals; the last thread sets it back and moves word 1 on, which the others
    # watch. Nothing is left over, so that any number of threads may meet there next.
    return f"""
{pause_declaration}
{yield_declaration}
define internal void @barrier(ptr %control, i64 %threads) noinline nounwind {{
entry:
  %phase = getelementptr i64, ptr %control, i64 1
  %before = load atomic i64, ptr %phase acquire, align 8
  %earlier = atomicrmw add ptr %control, i64 1 acq_rel, align 8
  %arrived = add i64 %earlier, 1
  %last = icmp eq i64 %arrived, %threads
  br i1 %last, label %open, label %watch
open:
  store atomic i64 0, ptr %control monotonic, align 8
  %after = add i64 %before, 1
  store atomic i64 %after, ptr %phase release, align 8
  ret void
watch:
  %count = phi i64 [ 0, %entry ], [ %next, %spin ], [ %next, %yield ]
  %now = load atomic i64, ptr %phase acquire, align 8
  %same = icmp eq i64 %now, %before
  br i1 %same, label %wait, label %done
wait:
  %next = add i64 %count, 1
  %tired = icmp ugt i64 %next, {SPINS}
  br i1 %tired, label %yield, label %spin
spin:
  {pause_call}
  br label %watch
yield:
  %ignored = {yield_call}
  br label %watch
done:
  ret void
}}
"""


def control_block() -> tuple[np.ndarray, int]:
    """(owner, address): zeroed, cache-line aligned memory for one program's barrier.

    The array owns the memory and must live as long as the program runs.
    """
    return aligned_words(_WORDS)


def aligned_words(count: int) -> tuple[np.ndarray, int]:
    """(array, address) of `count` zeroed 64-bit words that start a cache line."""
    memory = np.zeros(count + LINE // 8, np.int64)
    words = memory[-memory.ctypes.data % LINE // 8 :][:count]
    return words, words.ctypes.data
