"""Products of matrices inside compiled loops: the linear algebra's own."""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Machine code has no types for mypy.
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array
from numba.np.linalg import ensure_blas, get_blas_kind


@intrinsic
def products(typing, A, B, first, rows, out):
    """out[:, :rows] = A·B[first:first+rows]ᵀ for C-ordered A [M, D], B [N, D] and out [M, ≥ rows].

    The call of BLAS and nothing else: `np.dot` takes a second to compile.
    """
    ensure_blas()
    kind = get_blas_kind(A.dtype)

    def code(context, builder, signature, given):
        a, b, c = (
            make_array(form)(context, builder, value)
            for form, value in zip((A, B, out), (given[0], given[1], given[4]))
        )
        (many, inner), (_, wide) = (cgutils.unpack_tuple(builder, x.shape, 2) for x in (a, c))
        byte, whole, pointer = ir.IntType(8), many.type, ir.IntType(8).as_pointer()
        one, zero = (
            cgutils.alloca_once_value(builder, context.get_constant(A.dtype, value))
            for value in (1.0, 0.0)
        )
        start = builder.gep(b.data, [builder.mul(given[2], inner)])
        # BLAS counts columns first: it sees outᵀ = B·Aᵀ, with B turned and A as it lies.
        arguments = (
            byte(ord(kind)), byte(ord("t")), byte(ord("n")), given[3], many, inner, one, start,
            inner, a.data, inner, zero, c.data, wide,
        )  # fmt: skip
        cast = [
            builder.bitcast(x, pointer) if isinstance(x.type, ir.PointerType) else x
            for x in arguments
        ]
        form = ir.FunctionType(
            ir.IntType(32),
            [byte] * 3 + [whole] * 3 + [pointer, pointer, whole, pointer, whole, pointer, pointer]
            + [whole],
        )  # fmt: skip
        builder.call(cgutils.get_or_insert_function(builder.module, form, "numba_xxgemm"), cast)
        return context.get_dummy_value()

    return types.void(A, B, types.intp, types.intp, out), code
