"""Native code at run time: target machines, code generation and loading, threads."""

from chainrule.compile.runtime.barrier import barrier_ir as barrier_ir
from chainrule.compile.runtime.barrier import control_block as control_block
from chainrule.compile.runtime.jit import CodeError as CodeError
from chainrule.compile.runtime.jit import Loaded as Loaded
from chainrule.compile.runtime.jit import assembly as assembly
from chainrule.compile.runtime.jit import compile_object as compile_object
from chainrule.compile.runtime.jit import load as load
from chainrule.compile.runtime.pool import get_num_threads as get_num_threads
from chainrule.compile.runtime.pool import run as run
from chainrule.compile.runtime.pool import set_num_threads as set_num_threads
from chainrule.compile.runtime.target import Target as Target
from chainrule.compile.runtime.target import generic as generic
from chainrule.compile.runtime.target import host as host
