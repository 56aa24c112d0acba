"""Symbols: arrays without content, that the user's program computes with during a trace.

A symbol's `meta` is an array of its shape and dtype whose memory is never touched, so shapes,
strides and sharing of memory behave exactly as they will when the program runs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from chainrule.base.errors import TraceError
from chainrule.base.text import t
from chainrule.compile.graph import Value

if TYPE_CHECKING:
    from chainrule.compile.trace import Trace

PACKAGE = str(Path(__file__).parents[1])


class Symbol:
    """Stands for a value of the traced program."""

    __slots__ = ("meta", "trace", "value")

    is_symbol = True
    __array_ufunc__ = None

    def __init__(self, trace: Trace, value: Value, meta: np.ndarray) -> None:
        self.trace = trace
        self.value = value
        self.meta = meta

    @property
    def shape(self) -> tuple[int, ...]:
        return self.meta.shape

    @property
    def dtype(self) -> np.dtype:
        return self.meta.dtype

    @property
    def ndim(self) -> int:
        return self.meta.ndim

    @property
    def size(self) -> int:
        return self.meta.size

    @property
    def strides(self) -> tuple[int, ...]:
        return self.meta.strides

    @property
    def itemsize(self) -> int:
        return self.meta.itemsize

    @property
    def flags(self) -> Any:
        return self.meta.flags

    @property
    def base(self) -> Any:
        return self.meta.base

    def __repr__(self) -> str:
        return f"<{self.value!r}>"

    def __len__(self) -> int:
        return len(self.meta)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        refuse_values()

    def __getattr__(self, name: str) -> Any:
        if hasattr(np.ndarray, name):
            refuse_values()  # code that works on the array itself
        raise AttributeError(name)

    item = tolist = __bool__ = __float__ = __int__ = __index__ = __array__ = _refuse

    def __hash__(self) -> int:
        return id(self)

    def __getitem__(self, key: Any) -> Any:
        return self.trace.F.slice(self, key if isinstance(key, tuple) else (key,))


def _operator(primitive: str, reflected: bool = False) -> Any:
    def method(self: Symbol, other: Any) -> Any:
        function = getattr(self.trace.F, primitive)
        return function(other, self) if reflected else function(self, other)

    return method


def _unary(primitive: str) -> Any:
    return lambda self: getattr(self.trace.F, primitive)(self)


for _name, _primitive in {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide",
    "floordiv": "floor_divide", "mod": "remainder", "pow": "pow", "matmul": "matmul",
    "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
}.items():  # fmt: skip
    setattr(Symbol, f"__{_name}__", _operator(_primitive))
    setattr(Symbol, f"__r{_name}__", _operator(_primitive, reflected=True))
for _name, _primitive in {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
    "ge": "greater_equal",
}.items():  # fmt: skip
    setattr(Symbol, f"__{_name}__", _operator(_primitive))
for _name, _primitive in {"neg": "negative", "abs": "abs", "invert": "bitwise_invert"}.items():
    setattr(Symbol, f"__{_name}__", _unary(_primitive))


def refuse_values() -> NoReturn:
    """Raises the error for a program that needs a value to go on."""
    raise TraceError(
        t(
            "{where}: the program reads the value of a tensor while it is being traced, but "
            "values exist only when it runs. Use tensor operations (where, clamp …) instead "
            "of Python's if, while, float(), item(), numpy() or a boolean mask index.",
            where=users_line(),
        )
    )


def users_line() -> str:
    """`file:line` of the innermost frame that is not ours."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    if frame is None:
        return "?"
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
