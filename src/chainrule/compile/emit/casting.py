"""Changing the kind of numbers in registers, with NumPy's results to the bit.

Half precision is converted by the processor where the module may use fused multiply-add (`fma`;
every processor with it has the conversions), else by integer arithmetic: LLVM would call functions
of the compiler's runtime library, which a Python process need not have.
"""

from __future__ import annotations

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.types import Register, const


def fused(f: Function) -> bool:
    """Whether the target has fused multiply-add: `module.fma`, True unless set."""
    return bool(getattr(f.module, "fma", True))


def cast(f: Function, x: Register, kind: str) -> Register:
    """`x` as another kind, as NumPy's astype on x86.

    Floats to integers by truncation; what does not fit (NaN included) becomes the smallest int32
    or int64, whose low bits are kept for narrower integers.
    """
    source = x.type
    if source.kind == kind:
        return x
    if source.kind == "f16":
        return cast(f, _from_half(f, x), kind)
    if kind == "f16":
        if source.kind == "f64":
            x = _to_odd_single(f, x)
        return _to_half(f, cast(f, x, "f32"))
    if source.floating and kind in ("i8", "u8", "i16", "i32", "i64"):
        wide = x.type.like("i64" if kind == "i64" else "i32")
        limit = 2.0 ** (wide.bits - 1)
        # −limit itself is what is wanted for everything that does not fit.
        fits = f.compare("olt", f.intrinsic("fabs", x), const(limit, source))
        safe = f.select(fits, x, const(-limit, source))
        whole = f.value(wide, f"fptosi {safe.typed} to {wide.text}")
        return f.convert(whole, kind)
    return f.convert(x, kind)


def round_bfloat16(f: Function, x: Register) -> Register:
    """float32 values rounded to the nearest bfloat16, ties to even, and kept as float32."""
    whole = x.type.like("i32")
    bits = f.bitcast(x, whole)
    odd = f.binary("and", f.binary("lshr", bits, const(16, whole)), const(1, whole))
    up = f.binary("add", bits, f.binary("add", odd, const(0x7FFF, whole)))
    out = f.bitcast(f.binary("and", up, const(-0x10000, whole)), x.type)
    return f.select(f.compare("uno", x, x), const(float("nan"), x.type), out)


def _from_half(f: Function, x: Register) -> Register:
    if fused(f):
        return f.convert(x, "f32")
    single, whole = x.type.like("f32"), x.type.like("i32")
    half = f.bitcast(x, x.type.like("i16"))
    bits = f.value(whole, f"zext {half.typed} to {whole.text}")
    sign = f.binary("shl", f.binary("and", bits, const(0x8000, whole)), const(16, whole))
    rest = f.binary("shl", f.binary("and", bits, const(0x7FFF, whole)), const(13, whole))
    exponent = f.binary("and", rest, const(0x7C00 << 13, whole))
    normal = f.binary("add", rest, const((127 - 15) << 23, whole))
    special = f.binary("add", rest, const((255 - 31) << 23, whole))
    # A subnormal is its mantissa times 2⁻²⁴: 2⁻¹⁴ + that, less 2⁻¹⁴.
    shifted = f.bitcast(f.binary("add", rest, const(113 << 23, whole)), single)
    tiny = f.bitcast(f.binary("fsub", shifted, const(2.0**-14, single)), whole)
    out = f.select(f.compare("eq", exponent, const(0x7C00 << 13, whole)), special, normal)
    out = f.select(f.compare("eq", exponent, const(0, whole)), tiny, out)
    return f.bitcast(f.binary("or", out, sign), single)


def _to_half(f: Function, x: Register) -> Register:
    if fused(f):
        return f.convert(x, "f16")
    whole = x.type.like("i32")
    bits = f.bitcast(x, whole)
    size = f.binary("and", bits, const(0x7FFFFFFF, whole))
    odd = f.binary("and", f.binary("lshr", size, const(13, whole)), const(1, whole))
    up = f.binary("add", f.binary("add", size, const(0xFFF - (112 << 23), whole)), odd)
    normal = f.binary("lshr", up, const(13, whole))
    # Adding ½ puts the last bit of a subnormal half at the last bit of the sum.
    moved = f.binary("fadd", f.bitcast(size, x.type), const(0.5, x.type))
    tiny = f.binary("sub", f.bitcast(moved, whole), const(126 << 23, whole))
    out = f.select(f.compare("slt", size, const(113 << 23, whole)), tiny, normal)
    large = f.compare("sge", size, const((127 + 16) << 23, whole))
    out = f.select(large, const(0x7C00, whole), out)
    out = f.select(f.compare("sgt", size, const(255 << 23, whole)), const(0x7E00, whole), out)
    sign = f.binary("and", f.binary("lshr", bits, const(16, whole)), const(0x8000, whole))
    short = f.convert(f.binary("or", out, sign), "i16")
    return f.bitcast(short, x.type.like("f16"))


def _to_odd_single(f: Function, x: Register) -> Register:
    """float64 to float32 so that rounding once more gives what rounding once would have given.

    Rounds to odd: truncates, and sets the last bit if anything was lost.
    """
    near = f.convert(x, "f32")
    back = f.convert(near, "f64")
    whole = near.type.like("i32")
    bits = f.bitcast(near, whole)
    beyond = f.compare("ogt", f.intrinsic("fabs", back), f.intrinsic("fabs", x))
    bits = f.select(beyond, f.binary("sub", bits, const(1, whole)), bits)
    lost = f.convert(f.compare("one", back, x), "i32")
    return f.bitcast(f.binary("or", bits, lost), near.type)
