"""Images under affine maps, read bilinearly, as native code: what random augmentation spends its
time on.

No formula of primitives comes near it: both neighbours of a row are fetched at once, from a plane
of one image that stays in the first-level cache.
"""

from __future__ import annotations

import multiprocessing
import threading
from ctypes import addressof, c_int64
from functools import cache

import numpy as np

from chainrule.compile import cache as disk
from chainrule.compile.native import address
from chainrule.compile.runtime import get_num_threads, jit, pool
from chainrule.compile.runtime.target import Target, host

#: Output elements below which a second thread would hardly pay: some 50 µs of work.
SHARED = 1 << 16

_ENTRY = "resample"
_POINTERS = (
    "images", "out", "matrices", "x", "y", "scratch", "constants", "mean", "deviation",
)  # fmt: skip
_SLOTS = (*_POINTERS, "n", "channels", "height", "width", "threads", "plane")
_LLVM = {"float32": "float", "float64": "double"}


def resample(
    images: np.ndarray,
    matrices: np.ndarray,
    grid: np.ndarray,
    fill: float,
    moments: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Images [N, C, H, W] read at `matrices @ (x, y, 1)`: the same shape.

    Args:
        images: float32, float64, or uint8, which is divided by 255 to float32. C-contiguous.
        matrices: [2, N, 3], of the result's dtype, in pixels of the image with a border of one
            pixel; rows x and y.
        grid: [2, H·W], x and y of every output pixel, of the result's dtype.
        fill: what is outside of the image.
        moments: mean and deviation [C] of the result's dtype; that mean is taken off the result,
            which is then divided by that deviation.
    """
    n, channels, height, width = images.shape
    dtype = np.dtype(np.float32) if images.dtype == np.uint8 else images.dtype
    threads = min(get_num_threads(), n) if images.size >= SHARED and _own_process() else 1
    # A cache line and more apart, so that threads do not write to the same one.
    plane = -(-(height + 3) * (width + 3) // 64) * 64 + 64
    out = np.empty(images.shape, dtype)
    held = {
        "images": images,
        "out": out,
        "matrices": matrices,
        "x": grid[0],
        "y": grid[1],
        "scratch": np.empty(threads * plane, dtype),
        "constants": np.array([fill, 255], dtype),
    }
    if moments is not None:
        held["mean"], held["deviation"] = moments
    numbers = {name: address(array) for name, array in held.items()}
    numbers |= {
        "n": n, "channels": channels, "height": height, "width": width, "threads": threads,
        "plane": plane,
    }  # fmt: skip
    table = (c_int64 * len(_SLOTS))(*(numbers.get(name, 0) for name in _SLOTS))
    entry = _entry(images.dtype.name, moments is not None, host())
    pool.run(entry, addressof(table), threads)
    return out


def _own_process() -> bool:
    """Whether other threads may be taken: a worker of a loader is one beside others already."""
    main = threading.current_thread() is threading.main_thread()
    return main and multiprocessing.parent_process() is None


@cache
def _entry(kind: str, normalised: bool, target: Target) -> int:
    """The address of the code, from disk if it is there; it stays in memory."""
    text = resampling_ir(kind, normalised, target)
    name = disk.key("resampling", text, target.key, disk.fingerprint())
    code = disk.load(name)
    if code is None:
        code = jit.compile_object(text, target)
        disk.store(name, code)
    return jit.load(code).address(_ENTRY)


# ---- the code -------------------------------------------------------------------------------


def resampling_ir(kind: str, normalised: bool, target: Target) -> str:
    """LLVM IR of `@resample` for images of dtype `kind`."""
    dtype = "float32" if kind == "uint8" else kind
    element, size = _LLVM[dtype], np.dtype(dtype).itemsize
    lanes = target.lanes(size)
    # Two adjacent elements as one integer; 128 bits are fetched as two.
    pairs = size == 4
    slots = "\n".join(
        f"  %at.{name} = getelementptr i64, ptr %table, i64 {k}\n"
        f"  %{name} = load {'ptr' if name in _POINTERS else 'i64'}, ptr %at.{name}, align 8"
        for k, name in enumerate(_SLOTS)
    )
    coefficients = "\n".join(
        f"""  %row.{k} = mul i64 %n, {3 * (k // 3)}
  %at.{k} = add i64 %row.{k}, %own
  %place.{k} = add i64 %at.{k}, {k % 3}
  %from.{k} = getelementptr {element}, ptr %matrices, i64 %place.{k}
  %m.{k} = load {element}, ptr %from.{k}, align {size}"""
        for k in range(6)
    )
    gathers = ""
    for n in {lanes, 1}:
        half = n // 2 or 1
        kinds = [(half, "i64")] if pairs else [(n, element)]
        for count, of in kinds:
            gathers += (
                f"declare <{count} x {of}> @llvm.masked.gather.v{count}{_suffix(of)}.v{count}p0("
                f"<{count} x ptr>, i32, <{count} x i1>, <{count} x {of}>)\n"
            )
    moments = ""
    if normalised:
        moments = f"""  %at.m = getelementptr {element}, ptr %mean, i64 %c
  %centre = load {element}, ptr %at.m, align {size}
  %at.d = getelementptr {element}, ptr %deviation, i64 %c
  %spread = load {element}, ptr %at.d, align {size}"""
    copied = "\n".join(
        _loop(f"copy.{k}", "%width", k, "copied", _copy(kind, element, size, k))
        for k in (lanes, 1)
    )  # fmt: skip
    read = "\n".join(
        _loop(f"read.{k}", "%pixels", k, "read",
              _read(element, size, k, pairs, normalised))
        for k in (lanes, 1)
    )  # fmt: skip
    stride = 1 if kind == "uint8" else size
    return f"""
declare i64 @llvm.umin.i64(i64, i64)
{gathers}
define void @{_ENTRY}(i64 %thread, ptr %table) {{
entry:
{slots}
  %pixels = mul i64 %height, %width
  %columns = add i64 %width, 3
  %rows = add i64 %height, 3
  %bordered = mul i64 %rows, %columns
  %columns.short = trunc i64 %columns to i32
  %last.x = sub i64 %columns, 2
  %most.x = sitofp i64 %last.x to {element}
  %last.y = sub i64 %rows, 2
  %most.y = sitofp i64 %last.y to {element}
  %fill = load {element}, ptr %constants, align {size}
  %at.scale = getelementptr {element}, ptr %constants, i64 1
  %scale = load {element}, ptr %at.scale, align {size}
  %before = mul i64 %thread, %plane
  %padded = getelementptr {element}, ptr %scratch, i64 %before
  %first.n = mul i64 %n, %thread
  %first = udiv i64 %first.n, %threads
  %after = add i64 %thread, 1
  %end.n = mul i64 %n, %after
  %end = udiv i64 %end.n, %threads
  br label %border
border:
  %b = phi i64 [ 0, %entry ], [ %b.next, %border ]
  %at.b = getelementptr {element}, ptr %padded, i64 %b
  store {element} %fill, ptr %at.b, align {size}
  %b.next = add i64 %b, 1
  %b.more = icmp ult i64 %b.next, %bordered
  br i1 %b.more, label %border, label %images.head
images.head:
  %i = phi i64 [ %first, %border ], [ %i.next, %image.done ]
  %i.more = icmp ult i64 %i, %end
  br i1 %i.more, label %image, label %out.of.here
image:
  %own = mul i64 %i, 3
{coefficients}
  br label %channel.head
channel.head:
  %c = phi i64 [ 0, %image ], [ %c.next, %read ]
  %c.more = icmp ult i64 %c, %channels
  br i1 %c.more, label %channel, label %image.done
channel:
  %of.image = mul i64 %i, %channels
  %which = add i64 %of.image, %c
  %skipped = mul i64 %which, %pixels
  %skipped.bytes = mul i64 %skipped, {stride}
  %source = getelementptr i8, ptr %images, i64 %skipped.bytes
  %target = getelementptr {element}, ptr %out, i64 %skipped
{moments}
  br label %row.head
row.head:
  %r = phi i64 [ 0, %channel ], [ %r.next, %copied ]
  %r.more = icmp ult i64 %r, %height
  br i1 %r.more, label %row, label %read.start
row:
  %r.next = add i64 %r, 1
  %r.skipped = mul i64 %r, %width
  %r.bytes = mul i64 %r.skipped, {stride}
  %from = getelementptr i8, ptr %source, i64 %r.bytes
  %r.padded = mul i64 %r.next, %columns
  %r.start = add i64 %r.padded, 1
  %to = getelementptr {element}, ptr %padded, i64 %r.start
  %row.wide = icmp uge i64 %width, {lanes}
  br i1 %row.wide, label %copy.{lanes}, label %copy.1
{copied}
copied:
  br label %row.head
read.start:
  %wide = icmp uge i64 %pixels, {lanes}
  br i1 %wide, label %read.{lanes}, label %read.1
{read}
read:
  %c.next = add i64 %c, 1
  br label %channel.head
image.done:
  %i.next = add i64 %i, 1
  br label %images.head
out.of.here:
  ret void
}}
"""


def _suffix(element: str) -> str:
    return {"float": "f32", "double": "f64"}.get(element, element)


def _loop(name: str, count: str, lanes: int, leave: str, body: str) -> str:
    """`body` at every place `%{name}.at` below `count` in steps of `lanes`; the last step begins
    early enough to end there."""
    return f"""
{name}:
  %{name}.last = sub i64 {count}, {lanes}
  br label %{name}.head
{name}.head:
  %{name}.k = phi i64 [ 0, %{name} ], [ %{name}.next, %{name}.body ]
  %{name}.more = icmp ult i64 %{name}.k, {count}
  br i1 %{name}.more, label %{name}.body, label %{leave}
{name}.body:
  %{name}.at = call i64 @llvm.umin.i64(i64 %{name}.k, i64 %{name}.last)
{body}
  %{name}.next = add i64 %{name}.k, {lanes}
  br label %{name}.head"""


def _splat(name: str, value: str, element: str, lanes: int) -> str:
    return (
        f"  %{name}.one = insertelement <{lanes} x {element}> poison, {element} {value}, i64 0\n"
        f"  %{name} = shufflevector <{lanes} x {element}> %{name}.one, "
        f"<{lanes} x {element}> poison, <{lanes} x i32> zeroinitializer"
    )


def _copy(kind: str, element: str, size: int, lanes: int) -> str:
    """Some elements of a row of the image into the plane with a border."""
    p, vector = f"copy.{lanes}", f"<{lanes} x {element}>"
    store = f"""  %{p}.place = getelementptr {element}, ptr %to, i64 %{p}.at
  store {vector} %{p}.values, ptr %{p}.place, align {size}"""
    if kind != "uint8":
        return f"""  %{p}.source = getelementptr {element}, ptr %from, i64 %{p}.at
  %{p}.values = load {vector}, ptr %{p}.source, align {size}
{store}"""
    return f"""  %{p}.source = getelementptr i8, ptr %from, i64 %{p}.at
  %{p}.bytes = load <{lanes} x i8>, ptr %{p}.source, align 1
  %{p}.whole = uitofp <{lanes} x i8> %{p}.bytes to {vector}
{_splat(f"{p}.scale", "%scale", element, lanes)}
  %{p}.values = fdiv {vector} %{p}.whole, %{p}.scale
{store}"""


def _read(element: str, size: int, lanes: int, pairs: bool, normalised: bool) -> str:
    """Some output pixels of one plane. The operations and their order are those of NumPy's form."""
    p, vector, whole = f"read.{lanes}", f"<{lanes} x {element}>", f"<{lanes} x i32>"
    lines = [_splat(f"{p}.m.{k}", f"%m.{k}", element, lanes) for k in range(6)]
    for axis in "xy":
        lines.append(f"  %{p}.at.{axis} = getelementptr {element}, ptr %{axis}, i64 %{p}.at")
        lines.append(f"  %{p}.{axis} = load {vector}, ptr %{p}.at.{axis}, align {size}")
    for row, axis in enumerate("xy"):
        a, b, c = (f"%{p}.m.{3 * row + k}" for k in range(3))
        q = f"{p}.{axis}"
        lines += [
            f"  %{q}.a = fmul {vector} {a}, %{p}.x",
            f"  %{q}.b = fmul {vector} {b}, %{p}.y",
            f"  %{q}.c = fadd {vector} %{q}.b, {c}",
            f"  %{q}.free = fadd {vector} %{q}.a, %{q}.c",
            f"  %{q}.above = fcmp ogt {vector} %{q}.free, zeroinitializer",
            f"  %{q}.low = select <{lanes} x i1> %{q}.above, {vector} %{q}.free, "
            f"{vector} zeroinitializer",
            _splat(f"{q}.most", f"%most.{axis}", element, lanes),
            f"  %{q}.below = fcmp olt {vector} %{q}.low, %{q}.most",
            f"  %{q}.kept = select <{lanes} x i1> %{q}.below, {vector} %{q}.low, "
            f"{vector} %{q}.most",
            f"  %{q}.whole = fptosi {vector} %{q}.kept to {whole}",
            f"  %{q}.back = sitofp {whole} %{q}.whole to {vector}",
            f"  %{q}.share = fsub {vector} %{q}.kept, %{q}.back",
        ]
    lines += [
        _splat(f"{p}.columns", "%columns.short", "i32", lanes),
        f"  %{p}.line = mul {whole} %{p}.y.whole, %{p}.columns",
        f"  %{p}.index = add {whole} %{p}.line, %{p}.x.whole",
        f"  %{p}.lower = getelementptr {element}, ptr %padded, i64 %columns",
    ]
    fetch = _pairs if pairs else _singles
    for name, base in (("u", "%padded"), ("l", f"%{p}.lower")):
        q = f"{p}.{name}"
        lines += [
            *fetch(q, base, f"%{p}.index", element, size, lanes),
            f"  %{q}.step = fsub {vector} %{q}.right, %{q}.left",
            f"  %{q}.part = fmul {vector} %{p}.x.share, %{q}.step",
            f"  %{q} = fadd {vector} %{q}.left, %{q}.part",
        ]
    lines += [
        f"  %{p}.step = fsub {vector} %{p}.l, %{p}.u",
        f"  %{p}.part = fmul {vector} %{p}.y.share, %{p}.step",
        f"  %{p}.value = fadd {vector} %{p}.u, %{p}.part",
    ]
    result = f"%{p}.value"
    if normalised:
        result = f"%{p}.normal"
        lines += [
            _splat(f"{p}.centre", "%centre", element, lanes),
            _splat(f"{p}.spread", "%spread", element, lanes),
            f"  %{p}.centred = fsub {vector} %{p}.value, %{p}.centre",
            f"  {result} = fdiv {vector} %{p}.centred, %{p}.spread",
        ]
    lines += [
        f"  %{p}.place = getelementptr {element}, ptr %target, i64 %{p}.at",
        f"  store {vector} {result}, ptr %{p}.place, align {size}",
    ]
    return "\n".join(lines)


def _gather(
    name: str, base: str, index: str, element: str, fetched: str, size: int, n: int
) -> list[str]:
    suffix = f"v{n}{_suffix(fetched)}.v{n}p0"
    every = ", ".join(["i1 true"] * n)
    return [
        f"  %{name}.from = getelementptr {element}, ptr {base}, <{n} x i32> {index}",
        f"  %{name} = call <{n} x {fetched}> @llvm.masked.gather.{suffix}("
        f"<{n} x ptr> %{name}.from, i32 {size}, <{n} x i1> <{every}>, "
        f"<{n} x {fetched}> poison)",
    ]


def _singles(q: str, base: str, index: str, element: str, size: int, lanes: int) -> list[str]:
    """%q.left and %q.right, each fetched by itself."""
    return [
        *_gather(f"{q}.left", base, index, element, element, size, lanes),
        f"  %{q}.beside = getelementptr {element}, ptr {base}, i64 1",
        *_gather(f"{q}.right", f"%{q}.beside", index, element, element, size, lanes),
    ]


def _pairs(q: str, base: str, index: str, element: str, size: int, lanes: int) -> list[str]:
    """%q.left and %q.right, fetched together in 64 bits."""
    half = lanes // 2 or 1
    lines, parts = [], []
    for k in range(lanes // half):
        places = ", ".join(f"i32 {k * half + j}" for j in range(half))
        part = f"{q}.{k}"
        lines += [
            f"  %{part}.index = shufflevector <{lanes} x i32> {index}, <{lanes} x i32> poison, "
            f"<{half} x i32> <{places}>",
            *_gather(f"{part}.pair", base, f"%{part}.index", element, "i64", size, half),
            f"  %{part} = bitcast <{half} x i64> %{part}.pair to <{2 * half} x {element}>",
        ]
        parts.append(f"<{2 * half} x {element}> %{part}")
    if len(parts) == 1:
        parts.append(f"<{2 * half} x {element}> poison")
    for side, first in (("left", 0), ("right", 1)):
        places = ", ".join(f"i32 {2 * j + first}" for j in range(lanes))
        both = ", ".join(parts)
        lines.append(f"  %{q}.{side} = shufflevector {both}, <{lanes} x i32> <{places}>")
    return lines
