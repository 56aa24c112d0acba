"""Calls of the C library's functions, which the process has."""

from __future__ import annotations

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.types import Register


def by_library(f: Function, name: str, *operands: Register) -> Register:
    """The C library's function of floats, lane by lane."""
    type = operands[0].type
    symbol = name + "f" if type.kind == "f32" else name
    if not type.lanes:
        return f.call(symbol, type, *operands)
    # Through memory: a call destroys the vector registers anyhow.
    places = [f.allocate(type.element, type.lanes) for _ in operands]
    for x, place in zip(operands, places, strict=True):
        f.store(x, place, 0)
    with f.loop(0, type.lanes) as lane:
        each = [f.load(place, lane.i, type.element) for place in places]
        f.store(f.call(symbol, type.element, *each), places[0], lane.i)
    return f.load(places[0], 0, type)
