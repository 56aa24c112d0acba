"""Target machines, code generation and loading."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError
from chainrule.compile.runtime import (
    CodeError,
    assembly,
    barrier_ir,
    compile_object,
    generic,
    host,
    load,
)
from chainrule.compile.runtime.native import runtime_ir
from chainrule.compile.runtime.target import Target

linux = pytest.mark.skipif(sys.platform != "linux", reason="affinity and futex are Linux's")

TRIPLE = """
@weights = private unnamed_addr constant [2 x float] [float 3.0, float 0.5], align 8
declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)
declare double @cbrt(double)

define void @square_plus(ptr %p) {
  %half.at = getelementptr float, ptr @weights, i64 1
  %half = load float, ptr %half.at, align 4
  %first = insertelement <16 x float> poison, float %half, i64 0
  %halves = shufflevector <16 x float> %first, <16 x float> poison, <16 x i32> zeroinitializer
  %x = load <16 x float>, ptr %p, align 4
  %y = call <16 x float> @llvm.fma.v16f32(<16 x float> %x, <16 x float> %x, <16 x float> %halves)
  store <16 x float> %y, ptr %p, align 4
  ret void
}

define double @cube_root(double %x) {
  %y = call double @cbrt(double %x)
  ret double %y
}
"""


# ---------------------------------------------------------------- targets


def test_the_host_is_described_consistently():
    target = host()
    assert target is host()
    assert target.lanes(4) * 4 == target.width in (16, 32, 64)
    assert not target.bf16 or target.width == 64
    assert host().key != generic("aarch64").key


@pytest.mark.parametrize(
    ("name", "registers", "absent"),
    [
        ("avx512", "zmm", ""),
        ("avx2", "ymm", "zmm"),
        ("sse2", "xmm", "ymm"),
        ("aarch64", "fmla", ""),
    ],
)
def test_code_is_generated_for_every_instruction_set(name, registers, absent):
    target = generic(name)
    assert registers in assembly(TRIPLE, target)
    assert not absent or absent not in assembly(TRIPLE, target)
    machine = int.from_bytes(compile_object(TRIPLE, target)[18:20], "little")
    assert machine == (183 if name == "aarch64" else 62)  # ELF's numbers


def test_a_smaller_instruction_set_can_be_asked_for_and_executes(monkeypatch):
    wide = host()
    if wide.architecture != "x86_64":
        pytest.skip("the sets are x86-64's")
    for name, width in (("sse2", 16), ("avx2", 32), ("avx512", 64)):
        if width > wide.width:
            continue
        monkeypatch.setenv("CHAINRULE_TARGET", name)
        target = host()
        assert target.width == width and not target.bf16
        code = load(compile_object(TRIPLE, target))
        x = np.arange(16, dtype=np.float32)
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("square_plus"))(x.ctypes.data)
        np.testing.assert_array_equal(x, np.arange(16) ** 2 + 0.5)
        code.unload()


def test_an_unknown_instruction_set_is_refused(monkeypatch):
    monkeypatch.setenv("CHAINRULE_TARGET", "mmx")
    with pytest.raises(ArgumentError, match="avx2"):
        host()
    with pytest.raises(ArgumentError, match="aarch64"):
        generic("mmx")


# ---------------------------------------------------------------- generate and load


def test_library_functions_and_constants_are_linked():
    code = load(compile_object(TRIPLE, host()))
    root = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(code.address("cube_root"))
    assert root(27.0) == pytest.approx(3.0)
    assert code.address("cube_root") == code.address("cube_root")
    code.unload()
    with pytest.raises(CodeError, match="unloaded"):
        code.address("cube_root")


def test_a_rejected_program_says_what_llvm_says():
    with pytest.raises(CodeError, match="result type"):
        compile_object("define void @f() { ret i32 0 }", host())
    with pytest.raises(CodeError, match="PHI"):
        compile_object(
            "define i64 @f() {\n br label %x\nx:\n %a = phi i64 [ 0, %x ]\n ret i64 0\n}", host()
        )


def test_what_is_no_code_cannot_be_loaded():
    whole = compile_object(TRIPLE, host())
    for bad in (b"", b"no object code", whole[: len(whole) // 2]):
        with pytest.raises(CodeError):
            load(bad).address("cube_root")
    with pytest.raises(CodeError, match="nothing"):
        load(whole).address("nothing")
    missing = compile_object(TRIPLE.replace("@cbrt", "@no_such_function"), host())
    with pytest.raises(CodeError):
        load(missing).address("cube_root")


@linux
def test_unloading_gives_memory_back():
    code = compile_object(TRIPLE + "@big = constant [300000 x i64] zeroinitializer\n", host())

    def cycle(times):
        for _ in range(times):
            loaded = load(code)
            loaded.address("big")
            loaded.unload()
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")

    before = cycle(3)
    assert cycle(30) - before < 10 * len(code)


def test_llvmlite_is_imported_only_when_code_is_made():
    program = "import sys, chainrule.compile.runtime, chainrule.compile.cache\n"
    program += "print('llvmlite' in sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "False"


@pytest.mark.parametrize(
    "triple",
    [
        "x86_64-unknown-linux-gnu",
        "aarch64-unknown-linux-gnu",
        "riscv64-unknown-linux-gnu",
        "arm64-apple-macosx14.0",
        "x86_64-pc-windows-msvc",
    ],
)
def test_the_runtime_itself_is_generated_for_other_systems(triple):
    target = Target(triple, "", "", 16, bf16=False, fma=False)
    assert compile_object(runtime_ir(target), target)
    assert compile_object(barrier_ir(target), target)
