"""Floor 3: from the user's program to a graph of primitives and to native code.

The room is also the function: `chainrule.compile(step)`.
"""

import sys as _sys
from types import ModuleType as _ModuleType
from typing import Any as _Any

from chainrule.compile.backend import CompileWarning as CompileWarning
from chainrule.compile.compiled import Compiled as Compiled
from chainrule.compile.compiled import compile as compile
from chainrule.compile.graph import Graph as Graph
from chainrule.compile.graph import Instruction as Instruction
from chainrule.compile.graph import Value as Value
from chainrule.compile.program import Program as Program
from chainrule.compile.program import trace as trace


class _Room(_ModuleType):
    def __call__(self, *args: _Any, **kwargs: _Any) -> _Any:
        return compile(*args, **kwargs)


_sys.modules[__name__].__class__ = _Room
