"""How kernels are compiled, so that the first call after an installation is a short pause.

What takes numba's time is known from measurements of its passes: a fifth goes to Python's search
for garbage among the many small objects of a compiler, another fifth to functions that only other
machine code calls. Those are optimised and made executable on their own, and once more in every
caller. Here a part stays as it is until the kernel that it belongs to is optimised as a whole.
"""

from __future__ import annotations

import gc
from functools import partial
from typing import Any

from numba import njit, version_info
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.typed_passes import InlineOverloads, NopythonRewrites
from numba.core.untyped_passes import InlineClosureLikes, WithLifting

# For closures, `with`, expressions of whole arrays: what kernels do not use.
_IDLE = {InlineClosureLikes, InlineOverloads, NopythonRewrites, WithLifting}


class _Patient(Compiler):  # type: ignore[misc]
    """Compiles while Python does not look for garbage, and without idle passes."""

    def define_pipelines(self) -> Any:
        chosen = super().define_pipelines()
        for passes in chosen:
            passes.passes = [(kind, text) for kind, text in passes.passes if kind not in _IDLE]
            passes.finalize()
        return chosen

    def compile_extra(self, func: Any) -> Any:
        if not gc.isenabled():
            return super().compile_extra(func)
        gc.disable()
        try:
            return super().compile_extra(func)
        finally:
            gc.enable()


class _Code:
    """The generator of machine code as a part sees it: there is nothing to run yet."""

    def __init__(self, code: Any) -> None:
        self._code = code

    def __getattr__(self, name: str) -> Any:
        return getattr(self._code, name)

    def set_env(self, name: str, environment: Any) -> None:
        """A part's globals are constants: it needs no environment."""


class _PartLibrary(JITCodeLibrary):  # type: ignore[misc]
    """A part in LLVM's language, joined to each caller as it is."""

    @property
    def codegen(self) -> Any:
        return _Code(self._codegen)

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()
        return 0


class _Part(_Patient):
    def define_pipelines(self) -> Any:
        state = self.state
        if state.library is None:
            state.library = _PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        return super().define_pipelines()


# The classes above reach into numba, and were tried with these versions (0.60, 0.61, 0.68). A newer
# one compiles in its own way, which takes longer once.
_TRIED = (0, 60) <= version_info.short <= (0, 68)
_kernel = {"pipeline_class": _Patient} if _TRIED else {}
_inner = {"pipeline_class": _Part} if _TRIED else {}

# No entry from C, which nobody uses, and no counting of references, since no kernel allocates.
_plain = partial(njit, nogil=True, error_model="numpy", no_cfunc_wrapper=True, _nrt=False)
# A kernel: what Python calls; kept on disk.
jit = partial(_plain, cache=True, **_kernel)
# A part: what only kernels and other parts call.
part = partial(_plain, no_cpython_wrapper=True, **_inner)
# For `fastmath`: sums may be taken in any order, so that they vectorise, products fused, and
# divisions by the same number made one; NaN and infinities stay what they are.
SUMS = {"reassoc", "contract", "nsz", "arcp"}
