"""How the loops are compiled: kept on disk, without the interpreter's lock, no C entry."""

from functools import partial

from numba import njit

from chainrule.learn.cluster.threads import FAST

# Every entry takes its time to compile, and nobody calls these from C.
plain = partial(njit, nogil=True, cache=True, error_model="numpy", no_cfunc_wrapper=True)
compiled = partial(plain, fastmath=FAST)
# Called by machine code only.
part = partial(compiled, no_cpython_wrapper=True)
