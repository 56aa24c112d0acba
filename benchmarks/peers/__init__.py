"""One file a peer. Each has `prepare(job) -> Program`; only a worker process imports it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from benchmarks.workloads import WORKLOADS, Mode, Workload

Options = dict[str, Any]
# The package that a peer needs, and its module here.
PACKAGES = {
    "chainrule": "chainrule",
    "pytorch": "torch",
    "jax": "jax",
    "tinygrad": "tinygrad",
    "onnxruntime": "onnxruntime",
}
MODULES = {name: f"benchmarks.peers.{name}_" for name in PACKAGES}
# A step with less work than this may run faster on one thread, so peers may try.
SMALL = 1e9


class Unavailable(Exception):
    """The peer or one of its settings cannot run here; the message is shown in the report."""


class Program(NamedTuple):
    """What a peer hands to the worker: `read(step())` waits for the step and gives its numbers
    (the loss in training, all outputs in inference)."""

    step: Callable[[], Any]
    read: Callable[[Any], list[float]]


@dataclass(frozen=True)
class Job:
    """What one worker process runs."""

    row: str
    mode: Mode
    batch: int
    precision: str
    peer: str
    setting: str
    threads: int
    arrays: str
    options: Options = field(default_factory=dict)

    @property
    def workload(self) -> Workload:
        return WORKLOADS[self.row]

    @property
    def name(self) -> str:
        return f"{self.peer}, {self.setting}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def missing(peer: str) -> str | None:
    """Why the peer cannot run here at all, or None."""
    package = PACKAGES[peer]
    return None if importlib.util.find_spec(package) else f"{package} is not installed"


def caches(folder: str) -> dict[str, str]:
    """The environment that sends every peer's compile cache to `folder`."""
    return {
        "CHAINRULE_CACHE": os.path.join(folder, "chainrule"),
        "TORCHINDUCTOR_CACHE_DIR": os.path.join(folder, "torch"),
        "JAX_COMPILATION_CACHE_DIR": os.path.join(folder, "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "CACHEDB": os.path.join(folder, "tinygrad", "cache.db"),
    }


def settings(peer: str, workload: Workload, mode: Mode, batch: int, precision: str) -> dict:
    """The peer's settings worth trying, name → options; its fastest one counts."""
    small = workload.flops(mode, batch) < SMALL
    if peer == "chainrule":
        found = {"compiled": {"compile": True}, "glass": {"compile": False}}
        # bfloat16 in glass mode is an emulation for reading along, never fast.
        return found if precision == "float32" else {"compiled": found["compiled"]}
    if peer == "pytorch":
        return _pytorch(workload, mode, small)
    if precision != "float32":
        return {}
    if peer == "jax":
        if workload.convolves:
            return {"jit, NCHW": {"format": "NCHW"}, "jit, NHWC": {"format": "NHWC"}}
        if workload.recurs:
            return {"jit, scan": {"unroll": 1}, "jit, scan unrolled by 8": {"unroll": 8}}
        return {"jit": {}}
    if peer == "tinygrad":
        return {"TinyJit, clang": {"device": "CPU:CLANG"}, "TinyJit, LLVM": {"device": "CPU:LLVM"}}
    if mode == "train":
        return {}
    return {"all threads": {}, "1 thread": {"threads": 1}}


def _pytorch(workload: Workload, mode: Mode, small: bool) -> dict[str, Options]:
    eager: Options = {}
    fused: Options = {"fused": True}
    found = {"eager": eager}
    if mode == "infer":
        compiled: Options = {"compile": True}
        found["compile"] = compiled
        found["compile, frozen"] = compiled | {"freeze": True}
        fast = {"eager": eager, "compile": compiled, "compile, frozen": found["compile, frozen"]}
    else:
        compiled = fused | {"compile": True}
        found["eager, fused"] = fused
        found["compile, fused"] = compiled
        found["compile, optimiser too"] = {"compile": True, "compile_optimizer": True}
        fast = {"eager, fused": fused, "compile, fused": compiled}
    if workload.convolves:
        last = {"channels_last": True}
        found |= {f"{name}, channels_last": options | last for name, options in fast.items()}
    if small:
        one = {"threads": 1}
        found |= {f"{name}, 1 thread": options | one for name, options in fast.items()}
    return found
