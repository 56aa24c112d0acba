"""From LLVM IR as text to object code, and from object code to functions in memory."""

from __future__ import annotations

import itertools
import threading
from functools import cache
from typing import Any

from chainrule.base.errors import ChainruleError
from chainrule.base.text import t
from chainrule.compile.runtime.target import Target, llvm


class CodeError(ChainruleError, RuntimeError):
    """LLVM rejects a program of ours, or object code cannot be loaded."""


# ---------------------------------------------------------------- generate


def compile_object(text: str, target: Target, opt: int = 2) -> bytes:
    """Object code of the LLVM IR `text` for `target`.

    Code generation only, at level `opt` (0 to 3); no IR passes run, so the text should be as it
    is meant. Triple and data layout are put in front of it. Raises CodeError for text that LLVM
    does not accept.
    """
    machine = _machine(target, opt)
    return machine.emit_object(_parse(text, target, machine))


def assembly(text: str, target: Target, opt: int = 2) -> str:
    """The assembler text of the code that `compile_object` makes."""
    machine = _machine(target, opt)
    return machine.emit_assembly(_parse(text, target, machine))


@cache
def _machine(target: Target, opt: int) -> Any:
    # Position-independent code of the small model reads constants relative to the instruction
    # pointer; the JIT's default, the large model, spends an instruction on every address.
    factory = llvm().Target.from_triple(target.triple)
    return factory.create_target_machine(
        cpu=target.cpu,
        features=target.features,
        opt=opt,
        reloc="pic",
        codemodel="small",
        jit=True,
    )


def _parse(text: str, target: Target, machine: Any) -> Any:
    binding = llvm()
    if "target datalayout" not in text:
        # In front, not set afterwards: the parser takes default alignments from it.
        layout = f'target datalayout = "{machine.target_data}"\n'
        text = f'{layout}target triple = "{target.triple}"\n{text}'
    try:
        # A context of its own: LLVM's global one keeps every type and constant for ever.
        module = binding.parse_assembly(text, context=binding.create_context())
        module.verify()
    except RuntimeError as error:
        raise CodeError(
            t(
                "LLVM does not accept a generated program; this is a mistake in chainrule. {why}",
                why=_first_lines(error),
            )
        ) from None
    return module


def _first_lines(error: Exception, count: int = 6) -> str:
    return "\n".join(str(error).strip().splitlines()[:count])


# ---------------------------------------------------------------- load

# Reentrant: a finalizer that unloads a program may run at any moment.
_lock = threading.RLock()
_names = itertools.count()
_loaded: set[Loaded] = set()


class Loaded:
    """Object code in memory. Made by `load`; it stays until `unload`, referenced or not.

    Addresses are bare integers, so that nothing can know who still holds one: memory is given
    back only when the owner says that no address is in use (a compiled function does so in a
    finalizer).
    """

    def __init__(self, name: str, library: Any):
        self._name = name
        self._library = library
        self._found: dict[str, Any] = {}

    def address(self, name: str) -> int:
        """The address of the function or variable `name`; CodeError where there is none."""
        with _lock:
            if self._library is None:
                raise CodeError(t("The native code of {name} has been unloaded.", name=name))
            if name not in self._found:
                try:
                    # Closing a tracker unloads the code: it is kept beside the library.
                    self._found[name] = _linker().lookup(self._name, name)
                except RuntimeError as error:
                    raise _not_loaded(error) from None
            return self._found[name][name]

    def unload(self) -> None:
        """Give the memory back. No address obtained here may be called after that."""
        with _lock:
            _loaded.discard(self)
            library, self._library = self._library, None
            found, self._found = self._found, {}
            for tracker in found.values():
                tracker.close()
            if library is not None:
                library.close()


def load(code: bytes) -> Loaded:
    """Put object code for this machine into memory; C library functions are resolved.

    Raises CodeError for bytes that are no object code. Linking happens at the first `address`.
    """
    with _lock:
        name = f"program{next(_names)}"
        builder = llvm().JITLibraryBuilder().add_object_img(code).add_current_process()
        try:
            loaded = Loaded(name, builder.link(_linker(), name))
        except RuntimeError as error:
            raise _not_loaded(error) from None
        _loaded.add(loaded)
    return loaded


def _not_loaded(error: Exception) -> CodeError:
    return CodeError(t("Native code cannot be loaded: {why}", why=_first_lines(error)))


@cache
def _linker() -> Any:
    # One for the process, never released. JITLink puts the sections of a program side by side
    # and checks every relocation; the older linker does neither.
    return llvm().create_lljit_compiler(use_jit_link=True, suppress_errors=True)
