"""Linear algebra: names only, the work is in `chainrule.ops`."""

from chainrule.base.errors import ArgumentError as LinAlgError
from chainrule.ops.functional import PUBLIC as _PUBLIC
from chainrule.ops.linear_algebra import cholesky as cholesky
from chainrule.ops.linear_algebra import cond as cond
from chainrule.ops.linear_algebra import eigh as eigh
from chainrule.ops.linear_algebra import eigvalsh as eigvalsh
from chainrule.ops.linear_algebra import inv as inv
from chainrule.ops.linear_algebra import linalg_qr as qr
from chainrule.ops.linear_algebra import linalg_svd as svd
from chainrule.ops.linear_algebra import lstsq as lstsq
from chainrule.ops.linear_algebra import matrix_exp as matrix_exp
from chainrule.ops.linear_algebra import matrix_power as matrix_power
from chainrule.ops.linear_algebra import matrix_rank as matrix_rank
from chainrule.ops.linear_algebra import pinv as pinv
from chainrule.ops.linear_algebra import slogdet as slogdet
from chainrule.ops.linear_algebra import solve as solve
from chainrule.ops.linear_algebra import solve_triangular as solve_triangular
from chainrule.ops.linear_algebra import svdvals as svdvals
from chainrule.ops.norms import linalg_norm as norm
from chainrule.ops.norms import matrix_norm as matrix_norm
from chainrule.ops.norms import vector_norm as vector_norm
from chainrule.ops.products import linalg_cross as cross
from chainrule.ops.products import multi_dot as multi_dot
from chainrule.ops.products import vecdot as vecdot

det, matmul = _PUBLIC["det"], _PUBLIC["matmul"]

__all__ = [
    "LinAlgError", "cholesky", "cond", "cross", "det", "eigh", "eigvalsh", "inv", "lstsq", "matmul",
    "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr",
    "slogdet", "solve", "solve_triangular", "svd", "svdvals", "vecdot", "vector_norm",
]  # fmt: skip
