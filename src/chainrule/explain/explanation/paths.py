"""Why is a gradient what it is? Split over the paths of the graph.

A gradient is the sum, over all paths from the loss, of the products of the local derivatives along
the path. There may be exponentially many: at each value the `most` paths with the largest norm go
on by themselves and all others as one sum, so that the parts always add up to the whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.explain.explanation import again
from chainrule.explain.explanation.formulas import name_of
from chainrule.explain.explanation.graph import Array, Graph, Step
from chainrule.explain.explanation.walk import pull
from chainrule.explain.worksheet import numbers

# What the slope of an activation cannot exceed.
SLOPES = {
    "sigmoid": ("σ′", 0.25), "tanh": ("tanh′", 1.0), "softsign": ("softsign′", 1.0),
    "hardsigmoid": ("hardsigmoid′", 1 / 6), "hardtanh": ("hardtanh′", 1.0),
    "hard_sigmoid_bnn": ("hard_sigmoid′", 0.5), "relu": ("relu′", 1.0), "relu6": ("relu6′", 1.0),
}  # fmt: skip


class Hop(NamedTuple):
    """One step of a path: `factor` is the norm that leaves it over the norm that came in."""

    step: Step
    input: int
    factor: float


class Path(NamedTuple):
    """One path from the loss to the value: what comes along it, and the part that this is,
    ⟨path, total⟩ / ‖total‖² (the shares of all paths add up to 1)."""

    hops: tuple[Hop, ...]
    gradient: Array
    norm: float
    share: float

    def by_module(self) -> dict[str, float]:
        """The factor that each module (else each step) contributed, from the loss down."""
        out: dict[str, float] = {}
        for hop in self.hops:
            key = hop.step.path or name_of(hop.step)
            out[key] = out.get(key, 1.0) * hop.factor
        return out


class Slopes(NamedTuple):
    """The activations of one kind along a path: their bound, and what their slopes are here."""

    name: str
    bound: float
    times: int
    largest: float
    zero: float  # share of the entries whose slope is 0
    entries: int


class Paths:
    """The paths of one gradient; `rest` is the sum of all that are not listed."""

    def __init__(
        self, graph: Graph, step: Step, total: Array, paths: list[Path], rest: Array | None
    ) -> None:
        self.graph = graph
        self.step = step
        self.total = total
        self.paths = paths
        self.rest = rest
        self._slopes: dict[tuple[int, int], tuple[float, int, int] | None] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Path]:
        return iter(self.paths)

    def __getitem__(self, number: int) -> Path:
        return self.paths[number]

    def slopes(self, number: int = 0) -> list[Slopes]:
        """The activations along a path, by kind."""
        found: dict[str, list[tuple[float, int, int]]] = {}
        for hop in self.paths[number].hops:
            if hop.step.op_name in SLOPES:
                here = self._slopes_of(hop)
                if here is not None:
                    found.setdefault(hop.step.op_name, []).append(here)
        out = []
        for op, slopes in found.items():
            name, bound = SLOPES[op]
            entries = sum(n for _, _, n in slopes)
            zero = sum(n for _, n, _ in slopes) / max(entries, 1)
            largest = max(x for x, _, _ in slopes)
            out.append(Slopes(name, bound, len(slopes), largest, zero, entries))
        return out

    def _slopes_of(self, hop: Hop) -> tuple[float, int, int] | None:
        """Of an activation: the largest slope, how many are 0, and of how many; None: not known.
        Most paths share most of their steps."""
        key = id(hop.step), hop.input
        if key not in self._slopes:
            self._slopes[key] = None
            with suppress(again.CannotRepeat):
                local = again.local(hop.step, again.values(hop.step))[hop.input]
                if local is not None:
                    largest = float(np.abs(local).max(initial=0.0))
                    zeros = local.size - int(np.count_nonzero(local))
                    self._slopes[key] = largest, zeros, local.size
        return self._slopes[key]

    def to_text(self, digits: int = 3) -> str:
        """The paths with their factors, the largest first."""

        def short(x: float) -> str:
            return numbers.number(x, digits)

        count = t("1 path") if len(self) == 1 else t("{n} paths", n=len(self))
        lines = [
            t(
                "Why ∂L/∂{name} has norm {norm}: {paths}",
                name=name_of(self.step), norm=short(norm_of(self.total)), paths=count,
            )
        ]  # fmt: skip
        for number, path in enumerate(self.paths):
            lines.append(
                "  " + t(
                    "path {number}: share {share}, norm {norm}",
                    number=number + 1, share=f"{path.share:.1%}", norm=short(path.norm),
                )
            )  # fmt: skip
            for hop in path.hops:
                where = f" · {hop.step.path}" if hop.step.path else ""
                lines.append(f"    × {short(hop.factor)}  {hop.step.id} {hop.step.op_name}{where}")
            lines += [f"    {line}" for line in self._slope_lines(number, short)]
        if self.rest is not None:
            share = f"{share_of(self.rest, self.total):.1%}"
            norm = short(norm_of(self.rest))
            lines.append("  " + t("all other paths: share {share}, norm {norm}", share=share,
                                  norm=norm))  # fmt: skip
        verdict = self.verdict()
        return "\n".join([*lines, *([verdict] if verdict else [])]) + "\n"

    def _slope_lines(self, number: int, short: Callable[[float], str]) -> list[str]:
        out = []
        for kind in self.slopes(number):
            line = t(
                "{slope} ≤ {bound}, {n} times (largest here {largest}): at most × {product}",
                slope=kind.name, bound=short(kind.bound), n=kind.times,
                largest=short(kind.largest), product=short(kind.bound**kind.times),
            )  # fmt: skip
            if kind.zero:
                share = t("of {n} entries {share} have slope 0", n=kind.entries,
                          share=f"{kind.zero:.1%}")  # fmt: skip
                line = f"{line}; {share}"
            out.append(line)
        return out

    def ratio(self) -> float:
        """How the norm changed along the largest path, from the first value that is more than one
        number to the last one before this value."""
        if not self.paths:
            return 1.0
        hops = self.paths[0].hops
        first = next((i for i, h in enumerate(hops) if _wide(h)), len(hops))
        return float(np.prod([h.factor for h in hops[first + 1 : -1]]))

    def verdict(self) -> str:
        """Whether the gradient vanished or exploded on its way; empty if neither."""
        ratio = self.ratio()
        if ratio < 1e-3:
            text = numbers.number(ratio, 2)
            return t("The gradient vanished: the loss passes on {ratio} of its norm.", ratio=text)
        if ratio > 1e3:
            text = numbers.number(ratio, 2)
            return t("The gradient exploded: its norm grew {ratio}-fold on the way.", ratio=text)
        return ""

    def __str__(self) -> str:
        return self.to_text()


def _wide(hop: Hop) -> bool:
    shape = hop.step.inputs[hop.input].shape
    return shape is not None and int(np.prod(shape)) > 1


class _Partial(NamedTuple):
    """A path that has come down to a value, and the gradient that came along."""

    hops: tuple[Hop, ...]
    gradient: Array


def paths(graph: Graph, key: object, most: int = 8) -> Paths:
    """The gradient of a value split over the paths that lead to it.

    Raises ArgumentError if the loss does not depend on the value.
    """
    target, output = graph.find(key)
    total = target.outputs[output].gradient
    if total is None:
        raise ArgumentError(
            t(
                "{name} has no gradient here: {loss} does not depend on it.",
                name=target.title, loss=graph.roots[0][0].title,
            )
        )  # fmt: skip
    useful = _depending(graph, target)
    ways: dict[tuple[int, int], list[_Partial]] = {}
    rests: dict[tuple[int, int], Array] = {}
    for root, k in graph.roots:
        start = root.outputs[k].gradient
        if start is not None and root in useful:
            ways[id(root), k] = [_Partial((), start)]
    for step in reversed(graph.steps):
        if step is target or step not in useful or step.kind != "operation":
            continue
        for k in range(len(step.outputs)):
            _pass_on(step, k, useful, ways, rests, most)
    _thin(ways, rests, (id(target), output), most)
    found = [
        Path(p.hops, p.gradient, norm_of(p.gradient), share_of(p.gradient, total))
        for p in ways.get((id(target), output), [])
    ]
    found.sort(key=lambda path: -path.norm)
    return Paths(graph, target, total, found, rests.get((id(target), output)))


def _depending(graph: Graph, target: Step) -> set[Step]:
    """The steps that are computed from a value, and itself."""
    found = {target}
    for step in graph.steps:
        if any(x.differentiable and x.source in found for x in step.inputs):
            found.add(step)
    return found


def _thin(
    ways: dict[tuple[int, int], list[_Partial]], rests: dict[tuple[int, int], Array],
    place: tuple[int, int], most: int,
) -> None:  # fmt: skip
    """Keeps the largest paths to a value; the others become part of the rest."""
    found = sorted(ways.get(place, []), key=lambda p: -norm_of(p.gradient))
    if place in ways:
        ways[place] = found[:most]
    for partial in found[most:]:
        rests[place] = partial.gradient + rests[place] if place in rests else partial.gradient


def _pass_on(
    step: Step, k: int, useful: set[Step], ways: dict[tuple[int, int], list[_Partial]],
    rests: dict[tuple[int, int], Array], most: int,
) -> None:  # fmt: skip
    place = (id(step), k)
    _thin(ways, rests, place, most)
    for partial in ways.pop(place, []):
        before = norm_of(partial.gradient)
        for i, g in enumerate(pulled(step, k, partial.gradient)):
            x = step.inputs[i]
            if g is None or x.source is None or x.source not in useful:
                continue
            hop = Hop(step, i, norm_of(g) / before if before else 0.0)
            there = ways.setdefault((id(x.source), x.output), [])
            there.append(_Partial((*partial.hops, hop), g))
    if place in rests:
        for i, g in enumerate(pulled(step, k, rests.pop(place))):
            x = step.inputs[i]
            if g is not None and x.source is not None and x.source in useful:
                to = (id(x.source), x.output)
                rests[to] = rests[to] + g if to in rests else g


def pulled(step: Step, k: int, gradient: Array) -> list[Array | None]:
    """What comes to each input of a step from a gradient of its output `k` alone."""
    return pull(step, [gradient if j == k else None for j in range(len(step.outputs))])


def norm_of(x: Array) -> float:
    """The Euclidean length of an array."""
    return math.sqrt(float(np.square(x, dtype=np.float64).sum()))


def share_of(x: Array, total: Array) -> float:
    """⟨x, total⟩ / ‖total‖²; 0 where the total is 0."""
    whole = np.asarray(total, np.float64)
    square = float((whole * whole).sum())
    return float((np.asarray(x, np.float64) * whole).sum()) / square if square else 0.0
