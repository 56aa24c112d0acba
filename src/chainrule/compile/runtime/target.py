"""The machines that code is generated for: instruction set, vector width, native bfloat16."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t

# Explicit 512-bit vectors are wanted; some CPU models ask LLVM to halve them.
_WIDE = "-prefer-256-bit"
_SETS = {
    # name: (LLVM cpu, LLVM features, vector bytes, fused multiply-add, features that it needs)
    "avx512": (
        "x86-64-v4",
        _WIDE,
        64,
        True,
        ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx2", "fma"),
    ),
    "avx2": ("x86-64-v3", "-avx512f", 32, True, ("avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt")),
    "sse2": ("x86-64", "-sse3,-avx,-avx2,-fma,-avx512f", 16, False, ("sse2",)),
}


@dataclass(frozen=True)
class Target:
    """What the code generator must know of a machine.

    width: bytes of a vector register; bf16: has the native bfloat16 dot product (AVX512-BF16);
    fma: has fused multiply-add (where it has not, `llvm.fma` becomes a slow library call).
    """

    triple: str
    cpu: str
    features: str
    width: int
    bf16: bool
    fma: bool

    @property
    def key(self) -> str:
        """Distinguishes code for different machines: part of the key of cached code."""
        return "|".join((self.triple, self.cpu, self.features, str(self.width)))

    @property
    def architecture(self) -> str:
        """The first word of the triple: "x86_64", "aarch64"."""
        return self.triple.partition("-")[0]

    @property
    def linux(self) -> bool:
        return "-linux" in self.triple

    def lanes(self, itemsize: int) -> int:
        """How many elements of `itemsize` bytes fill a vector register."""
        return self.width // itemsize


@cache
def llvm() -> ModuleType:
    """llvmlite's binding with all code generators ready; imported when first used (0.1 s)."""
    import llvmlite.binding as binding

    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    return binding


def host() -> Target:
    """This machine, or the smaller instruction set that CHAINRULE_TARGET names.

    Raises ArgumentError for a name other than avx512, avx2 and sse2, and for an instruction set
    that this machine has not.
    """
    return _host(os.environ.get("CHAINRULE_TARGET", "").strip().lower())


@cache
def _host(name: str) -> Target:
    binding = llvm()
    triple = binding.get_process_triple()
    present = binding.get_host_cpu_features()
    if name:
        if name not in _SETS:
            raise ArgumentError(
                t(
                    "CHAINRULE_TARGET is {name!r}: write one of {names}, or leave it unset.",
                    name=name,
                    names=", ".join(_SETS),
                )
            )
        if not all(present.get(feature, False) for feature in _SETS[name][4]):
            raise ArgumentError(
                t("CHAINRULE_TARGET is {name}, but this machine cannot execute it.", name=name)
            )
        return _named(name, triple)
    features = present.flatten()
    if not triple.startswith(("x86_64", "amd64")):
        arm = triple.startswith(("aarch64", "arm64"))
        return Target(triple, binding.get_host_cpu_name(), features, 16, bf16=False, fma=arm)
    wide, medium = present.get("avx512f", False), present.get("avx2", False)
    return Target(
        triple,
        binding.get_host_cpu_name(),
        f"{features},{_WIDE}" if wide else features,
        64 if wide else 32 if medium else 16,
        bf16=wide and present.get("avx512bf16", False),
        fma=present.get("fma", False),
    )


def generic(name: str) -> Target:
    """A typical machine of the kind "avx512", "avx2", "sse2" or "aarch64", on Linux.

    Its code can be generated on every machine; whether it can be executed is another question.
    """
    if name == "aarch64":
        return Target("aarch64-unknown-linux-gnu", "generic", "+neon", 16, bf16=False, fma=True)
    if name not in _SETS:
        raise ArgumentError(
            t(
                "There is no target named {name!r}: write one of {names}.",
                name=name,
                names=", ".join((*_SETS, "aarch64")),
            )
        )
    return _named(name, "x86_64-unknown-linux-gnu")


def _named(name: str, triple: str) -> Target:
    cpu, features, width, fma, _ = _SETS[name]
    return Target(triple, cpu, features, width, bf16=False, fma=fma)
