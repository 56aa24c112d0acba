"""Reading constants back: what number a register holds that is no result of an instruction."""

from __future__ import annotations

import struct

import numpy as np

from chainrule.compile.emit.types import Register


def value_of(x: Register) -> float | int | None:
    """The number that is in every lane of the register; None where only a run can tell."""
    text = x.text
    if text == "zeroinitializer":
        return 0
    if text.startswith("splat ("):
        text = text[:-1].split()[-1]
    if text in ("true", "false"):
        return text == "true"
    if text.startswith("0xH"):
        return float(np.uint16(int(text[3:], 16)).view(np.float16))
    if text.startswith("0x") and x.type.kind in ("f32", "f64"):
        return float(struct.unpack("<d", struct.pack("<Q", int(text, 16)))[0])
    return int(text) if text.lstrip("-").isdigit() else None
