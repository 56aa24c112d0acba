"""The machine: its name, and how many multiply-adds and bytes a second kernels reach on it."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import statistics
import threading
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np

# Latency (4 or 5 cycles) times units (2 or 4): so many chains keep every unit busy. With 16
# vector registers no more than 12 chains fit beside the operands.
CHAINS = {16: 24, 8: 12, 4: 16}
TRIPS = 4_000_000
# A pause of the system spoils one try, hardly all of them.
TRIES = 3
# Operations and bytes a second by name; no "bf16_flops" where there is no native product.
Rates = dict[str, float]
PACKAGES = ("numpy", "llvmlite", "torch", "jax", "jaxlib", "tinygrad", "onnxruntime", "onnx")


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe() -> dict[str, Any]:
    """Name, cores, caches, system and versions, for the report."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "processor": processor_name(),
        "target": llvm.get_host_cpu_name(),
        "cores": cores(),
        "vector_floats": vector_floats(),
        "last_cache": last_cache(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
    }


def processor_name() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def last_cache() -> int:
    """Bytes of the largest cache; 32 MiB where the system does not tell."""
    sizes = []
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        number = path.read_text().strip()
        sizes.append(int(number.rstrip("KMG")) * {"K": 2**10, "M": 2**20, "G": 2**30}[number[-1]])
    return max(sizes, default=32 * 2**20)


def features() -> dict[str, bool]:
    return dict(llvm.get_host_cpu_features())


def vector_floats() -> int:
    """float32 numbers in the widest vector."""
    has = features()
    if has.get("avx512f"):
        return 16
    return 8 if has.get("avx") else 4


# ---- kernels


def chains_kernel(name: str, chains: int, kind: str, operand: str, product: str) -> str:
    """acc = product(x, acc) in independent chains, `trips` times; their sum is stored at the end.

    `kind` is the type of acc, `operand` of x; `product` is the call, with {acc} in acc's place.
    """
    phis = [f"  %a{c} = phi {kind} [ zeroinitializer, %entry ], [ %b{c}, %loop ]"
            for c in range(chains)]  # fmt: skip
    products = [f"  %b{c} = call {kind} {product.format(acc=f'%a{c}')}" for c in range(chains)]
    sums = [f"  %s{c} = fadd {kind} %s{c - 1}, %b{c}" for c in range(1, chains)]
    lines = [
        f"define void @{name}(ptr %out, i64 %trips) {{",
        "entry:",
        f"  %x = load {operand}, ptr %out, align 4",
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]",
        *phis,
        *products,
        "  %next = add i64 %i, 1",
        "  %more = icmp slt i64 %next, %trips",
        "  br i1 %more, label %loop, label %done",
        "done:",
        f"  %s0 = fadd {kind} %b0, zeroinitializer",
        *sums,
        f"  store {kind} %s{chains - 1}, ptr %out, align 4",
        "  ret void",
        "}",
    ]
    return "\n".join(lines) + "\n"


def fma_kernel(width: int) -> str:
    """acc = x·x + acc on vectors of `width` float32 numbers."""
    kind, fma = f"<{width} x float>", f"@llvm.fma.v{width}f32"
    declare = f"declare {kind} {fma}({kind}, {kind}, {kind})\n"
    product = f"{fma}({kind} %x, {kind} %x, {kind} {{acc}})"
    return declare + chains_kernel("fma", CHAINS[width], kind, kind, product)


def dot_kernel() -> str:
    """acc = acc + x·x with the native product of 32 bfloat16 numbers, added in pairs."""
    kind, pairs, dot = "<16 x float>", "<32 x bfloat>", "@llvm.x86.avx512bf16.dpbf16ps.512"
    declare = f"declare {kind} {dot}({kind}, {pairs}, {pairs})\n"
    product = f"{dot}({kind} {{acc}}, {pairs} %x, {pairs} %x)"
    return declare + chains_kernel("dot", CHAINS[16], kind, pairs, product)


def triad_kernel(width: int) -> str:
    """a = b + 3·c over `count` vectors, as STREAM's triad (McCalpin 1995)."""
    vector = f"<{width} x float>"
    three = f"<{', '.join(['float 3.0'] * width)}>"
    return f"""define void @triad(ptr noalias %a, ptr noalias %b, ptr noalias %c, i64 %count) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %pa = getelementptr {vector}, ptr %a, i64 %i
  %pb = getelementptr {vector}, ptr %b, i64 %i
  %pc = getelementptr {vector}, ptr %c, i64 %i
  %x = load {vector}, ptr %pb, align 4
  %y = load {vector}, ptr %pc, align 4
  %z = fmul {vector} %y, {three}
  %sum = fadd {vector} %x, %z
  store {vector} %sum, ptr %pa, align 4
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""


class Limits:
    """Measures the machine's limits with `threads` threads; compiles its kernels once."""

    def __init__(self, threads: int) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.threads, self.width = threads, vector_floats()
        self.half = bool(features().get("avx512bf16"))
        text = fma_kernel(self.width) + triad_kernel(self.width)
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2
        )
        module = llvm.parse_assembly(text + (dot_kernel() if self.half else ""))
        self._engine = llvm.create_mcjit_compiler(module, machine)
        self._engine.finalize_object()
        # Three arrays, together at least eight times the last cache.
        count = max(3 * last_cache(), 2**26) // 4
        self._arrays = [np.ones(count, np.float32) for _ in range(3)]
        self._out = [np.ones(64, np.float32) for _ in range(threads)]

    def _kernel(self, name: str, arguments: int) -> Callable[..., None]:
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * arguments, ctypes.c_int64)
        return kind(self._engine.get_function_address(name))

    def _together(self, work: Callable[[int], None]) -> float:
        """Seconds until `work(thread)` is done on all threads; ctypes lets go of the lock."""
        barrier = threading.Barrier(self.threads + 1)

        def run(index: int) -> None:
            barrier.wait()
            work(index)

        pool = [threading.Thread(target=run, args=(i,)) for i in range(self.threads)]
        for thread in pool:
            thread.start()
        barrier.wait()
        start = time.perf_counter()
        for thread in pool:
            thread.join()
        return time.perf_counter() - start

    def _chains(self, name: str, flops: int) -> float:
        kernel = self._kernel(name, 1)
        seconds = self._together(lambda i: kernel(self._out[i].ctypes.data, TRIPS))
        return self.threads * TRIPS * CHAINS[self.width] * flops / seconds

    def fma(self) -> float:
        """float32 operations a second: two a multiply-add."""
        return self._chains("fma", 2 * self.width)

    def dot(self) -> float:
        """bfloat16 operations a second of the native product, where there is one (`half`)."""
        return self._chains("dot", 4 * self.width)

    def bandwidth(self) -> float:
        """Bytes a second of the triad: two read and one written a number."""
        kernel = self._kernel("triad", 3)
        share = self._arrays[0].size // self.threads // self.width

        def work(index: int) -> None:
            begin = 4 * index * share * self.width
            kernel(*(array.ctypes.data + begin for array in self._arrays), share)

        return 12 * self.threads * share * self.width / self._together(work)

    def measure(self) -> Rates:
        """One round: the best of a few tries of each."""
        found: Rates = {
            "flops": max(self.fma() for _ in range(TRIES)),
            "bandwidth": max(self.bandwidth() for _ in range(TRIES)),
        }
        if self.half:
            found["bf16_flops"] = max(self.dot() for _ in range(TRIES))
        return found


def medians(rounds: list[Rates]) -> Rates:
    """The median of each limit over the run's rounds."""
    return {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
