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
from chainrule.compile.profile import Profile as Profile
from chainrule.compile.profile import Row as Row
from chainrule.compile.program import Program as Program
from chainrule.compile.program import trace as trace
from chainrule.compile.runtime import get_num_threads as get_num_threads
from chainrule.compile.runtime import set_num_threads as set_num_threads


class _Room(_ModuleType):
    def __call__(self, *args: _Any, **kwargs: _Any) -> _Any:
        return compile(*args, **kwargs)


_sys.modules[__name__].__class__ = _Room
