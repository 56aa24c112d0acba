"""What is kept of a compiled program: its code, and how memory is laid out for it.

Stored on disk as JSON, the constants that the compiler made, and object code; no pickle. Buffers of
the graph are named by their place in it (the third state array), so that the blueprint of one
process fits the same graph traced by another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from chainrule.compile.graph import Graph, Value

_PLACES = ("inputs", "state", "scalars", "constants")
Result = tuple[int | None, tuple[int, ...], str]  # slot or None if nothing is written, shape, dtype


@dataclass
class Blueprint:
    """`slots`: how many addresses the program's table has; `arena`: bytes of scratch memory.

    `inputs`, `state`, `scalars`, `constants`: (place in the graph, slot) of each that is read or
    written. `outputs`, `gradients`: what the caller gets. `stats`: numbers about the program.
    `made`: constants that are not the graph's but the compiler's, by slot.
    """

    slots: int
    arena: int
    stats: dict[str, Any]
    inputs: list[tuple[int, int]] = field(default_factory=list)
    state: list[tuple[int, int]] = field(default_factory=list)
    scalars: list[tuple[int, int]] = field(default_factory=list)
    constants: list[tuple[int, int]] = field(default_factory=list)
    outputs: list[Result] = field(default_factory=list)
    gradients: list[Result | None] = field(default_factory=list)
    made: dict[int, np.ndarray] = field(default_factory=dict)
    code: bytes = b""

    def pack(self) -> bytes:
        """As bytes: the length of the JSON text, the text, the arrays of `made`, the code."""
        content = asdict(self)
        del content["code"]
        content["made"] = [[slot, a.dtype.str, a.shape] for slot, a in self.made.items()]
        text = json.dumps(content, separators=(",", ":")).encode()
        arrays = [np.ascontiguousarray(a).tobytes() for a in self.made.values()]
        return b"".join([len(text).to_bytes(8, "little"), text, *arrays, self.code])

    @classmethod
    def unpack(cls, content: bytes) -> Blueprint:
        """What `pack` wrote."""
        at = 8 + int.from_bytes(content[:8], "little")
        fields = json.loads(content[8:at])
        for name in _PLACES:
            fields[name] = [(place, slot) for place, slot in fields[name]]
        for name in ("outputs", "gradients"):
            fields[name] = [r and (r[0], tuple(r[1]), r[2]) for r in fields[name]]
        made = {}
        for slot, dtype, shape in fields["made"]:
            count = int(np.prod(shape, dtype=np.int64))
            made[slot] = np.frombuffer(content, dtype, count, at).reshape(shape)
            at += made[slot].nbytes
        return cls(**fields | {"made": made, "code": content[at:]})


def scalars_of(graph: Graph) -> list[Value]:
    """The values of all hosts, in order."""
    return [value for host in graph.hosts for value in host.values]


def constants_of(graph: Graph) -> dict[Value, np.ndarray]:
    """The constants of a graph and of the bodies of its scans."""
    out = dict(graph.constants)
    for i in graph.instructions:
        if i.primitive == "scan":
            out |= constants_of(i.attributes["body"])
    return out


def fill(
    blueprint: Blueprint, graph: Graph, simple: Graph, slots: dict[tuple[str, Any], int]
) -> None:
    """Writes down which slot is whose. `simple`: the graph that was planned, which may have
    constants that `graph` has not."""

    def places(kind: str, values: Iterable[Any]) -> list[tuple[int, int]]:
        keys = [(k, slots.get((kind, v))) for k, v in enumerate(values)]
        return [(k, slot) for k, slot in keys if slot is not None]

    own = constants_of(graph)
    blueprint.inputs = places("input", range(len(graph.inputs)))
    blueprint.state = places("state", graph.state)
    blueprint.scalars = places("scalar", scalars_of(graph))
    blueprint.constants = places("constant", own)
    blueprint.made = {
        slots["constant", value]: array
        for value, array in constants_of(simple).items()
        if value not in own and ("constant", value) in slots
    }
