"""One number followed through the graph: where the gradient of one entry of a value comes from.

Of each use of the value, the terms upstream × local, one for each result entry that it reaches:
windows, channels, batch and broadcasting are sums over them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.errors import ArgumentError, AutogradError
from chainrule.base.text import t
from chainrule.explain.explanation import again
from chainrule.explain.explanation.formulas import operand
from chainrule.explain.explanation.graph import Array, Graph, Step
from chainrule.ops.convolution import convolution_plan
from chainrule.ops.op import Elementwise

Place = tuple[int, ...]

# The operations whose terms can be told without differentiating: which number is the local factor.
_LINEAR = {"linear", "matmul", "conv1d", "conv2d", "conv3d"}


class Part(NamedTuple):
    """One term: upstream ∂L/∂y[place] × local ∂y[place]/∂x[entry]; `factor` says what the local
    derivative is where it is a number of the graph, such as "x[3, 0, 5, 7]"."""

    output: int
    place: Place
    upstream: float
    local: float
    factor: str

    @property
    def product(self) -> float:
        return self.upstream * self.local


class Contribution:
    """All terms that come to one entry of a value through one use of it.

    `upstream`, `local` (n,): the factors; `places` (n, dims): where in output `output`.
    """

    def __init__(
        self, step: Step, input: int, entry: Place, output: int, places: Array, upstream: Array,
        local: Array, factors: Any,
    ) -> None:  # fmt: skip
        self.step = step
        self.input = input
        self.entry = entry
        self.output = output
        self.places = places
        self.upstream = upstream
        self.local = local
        self._factors = factors

    @property
    def products(self) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(self.upstream * self.local)

    @property
    def total(self) -> float:
        with np.errstate(all="ignore"):
            return float(self.products.sum())

    def __len__(self) -> int:
        return len(self.local)

    def part(self, number: int) -> Part:
        place = tuple(int(i) for i in self.places[number])
        factor = self._factors(number) if self._factors is not None else ""
        return Part(
            self.output, place, float(self.upstream[number]), float(self.local[number]), factor
        )

    def largest(self, count: int) -> list[Part]:
        """The terms that weigh most, in the order of their places."""
        order = np.argsort(-np.abs(self.products), kind="stable")[:count]
        return [self.part(int(n)) for n in sorted(order)]

    def by_axis(self, axis: int) -> list[tuple[int, float]]:
        """The terms summed over all axes of the result but one (0: one sum a batch sample)."""
        sums: dict[int, float] = {}
        for place, product in zip(self.places[:, axis], self.products, strict=True):
            sums[int(place)] = sums.get(int(place), 0.0) + float(product)
        return sorted(sums.items())


class Entry(NamedTuple):
    """One entry of a value worked in full. `terms`: one for each use (and output) of the value;
    `above`: the entry that the largest single term comes from, and so on up to the loss."""

    step: Step
    output: int
    place: Place
    value: float | None
    gradient: float
    terms: tuple[Contribution, ...]
    above: Entry | None


def entry(graph: Graph, key: Any, place: Sequence[int] | int, follow: bool = True) -> Entry:
    """The gradient of one entry of a value as a sum of terms. `place` counts from 0; negative
    numbers count from the end."""
    step, output = graph.find(key)
    return _entry(step, output, _checked(step, output, place), follow)


def _checked(step: Step, output: int, place: Sequence[int] | int) -> Place:
    given = (place,) if isinstance(place, int) else tuple(place)
    shape = step.outputs[output].shape
    if len(given) != len(shape) or any(not -n <= i < n for i, n in zip(given, shape)):
        raise ArgumentError(
            t(
                "{name} has shape {shape}: {place} is none of its entries.",
                name=step.title,
                shape=shape,
                place=given,
            )
        )
    return tuple(int(i) % n for i, n in zip(given, shape, strict=True))


def _entry(step: Step, output: int, place: Place, follow: bool) -> Entry:
    levels: list[tuple[Step, int, Place, tuple[Contribution, ...]]] = []
    here: tuple[Step, int, Place] | None = (step, output, place)
    while here is not None:
        try:
            terms = _terms_of(*here)
        except AutogradError:
            if not levels:
                raise
            terms = ()  # it is followed as far as values were kept
        levels.append((*here, terms))
        here = _heaviest(terms) if follow else None
    found: Entry | None = None
    for step, output, place, terms in reversed(levels):
        out = step.outputs[output]
        gradient = 0.0 if out.gradient is None else float(out.gradient[place])
        value = None if out.value is None else float(out.value[place])
        found = Entry(step, output, place, value, gradient, terms, found)
    assert found is not None
    return found


def _heaviest(terms: tuple[Contribution, ...]) -> tuple[Step, int, Place] | None:
    """Where the largest single term comes from."""
    parts = [(term.step, part) for term in terms for part in term.largest(1)]
    if not parts:
        return None
    step, part = max(parts, key=lambda found: abs(found[1].product))
    return step, part.output, part.place


def _terms_of(step: Step, output: int, place: Place) -> tuple[Contribution, ...]:
    try:
        return tuple(
            term
            for use in step.outputs[output].uses
            for term in contributions(use.step, use.input, place)
        )
    except again.CannotRepeat as unknown:
        raise AutogradError(
            t(
                "The terms of {name} cannot be worked out: {what} was not kept, or is too large. "
                "Compute the loss inside `with chainrule.explain.recording():`.",
                name=step.title,
                what=unknown,
            )
        ) from unknown


def is_cheap(step: Step) -> bool:
    """Whether the terms of an entry can be told without computing the whole step again."""
    op = step.known_op
    return op is not None and (op.name in _LINEAR or issubclass(op, Elementwise))


def contributions(
    step: Step, which: int, place: Place, known: again.Jacobians | None = None
) -> list[Contribution]:
    """What comes to one entry of an input of a step: for each output the terms that are not 0.

    `known` keeps what further entries of the step need, too. Raises CannotRepeat where the step's
    values are not known.
    """
    op = step.known_op
    if op is not None and op.name in _LINEAR:
        found = _linear(step, which, place)
        if found is not None:
            return [found]
    if op is not None and issubclass(op, Elementwise):
        return [_elementwise(step, which, place, again.values(step))]
    jacobian = (known or again.Jacobians()).of(step)
    out = []
    for k, slopes in enumerate(jacobian.column(which, place)):
        upstream = step.outputs[k].gradient
        if slopes is None or upstream is None:
            continue
        there = np.asarray(slopes != 0)
        g = np.asarray(upstream, np.float64)[there]
        out.append(Contribution(step, which, place, k, np.argwhere(there), g, slopes[there], None))
    return out


def _elementwise(step: Step, which: int, place: Place, inputs: list[Any]) -> Contribution:
    shape = step.outputs[0].shape
    own = np.shape(inputs[which])
    extra = len(shape) - len(own)
    index = (slice(None),) * extra + tuple(
        slice(None) if n == 1 else slice(i, i + 1) for i, n in zip(place, own)
    )
    cut = [np.asarray(_broadcast(x, shape)[index]) if isinstance(x, Array) else x for x in inputs]
    given = step.outputs[0].gradient
    assert given is not None
    upstream = np.asarray(given, np.float64)[index]
    found = again.vjp(step, cut, [np.ones(upstream.shape)])[which]
    slopes = np.zeros(upstream.shape) if found is None else found
    offsets = np.array([s.start or 0 for s in index], dtype=int).reshape(1, -1)
    places = np.array(list(np.ndindex(upstream.shape)), dtype=int).reshape(upstream.size, -1)
    places = places + offsets if places.size else places
    return Contribution(step, which, place, 0, places, upstream.ravel(), np.ravel(slopes), None)


def _broadcast(x: Array, shape: Place) -> Array:
    return np.array(np.broadcast_to(x, shape)) if x.shape != shape else x


# ---- products ----------------------------------------------------------------------------------


def _linear(step: Step, which: int, place: Place) -> Contribution | None:
    """Terms of matrix products and convolutions, where the local factor is a number of the other
    operand; None where the general way has to be taken."""
    arrays = [x.value for x in step.inputs]
    upstream = step.outputs[0].gradient
    if upstream is None:
        return None
    if step.op_name.startswith("conv"):
        return _convolution(step, which, place, arrays, upstream)
    if step.op_name == "matmul":
        return _matmul(step, which, place, arrays, upstream)
    lead = upstream.shape[:-1]
    rows = np.array(list(np.ndindex(lead)), dtype=int).reshape(math.prod(lead), len(lead))
    if which == 0:
        if arrays[1] is None:
            return None
        k, n = place[-1], upstream.shape[-1]
        places = np.array([(*place[:-1], o) for o in range(n)], dtype=int)
        local, name = arrays[1][:, k], operand(step.inputs[1])
        return _terms(step, which, place, places, local, lambda i: f"{name}[{i}, {k}]")
    places = np.column_stack([rows, np.full(len(rows), place[0])])
    if which == 2:
        return _terms(step, which, place, places, np.ones(len(rows)), None)
    if arrays[0] is None:
        return None
    local, name = arrays[0][..., place[1]].ravel(), operand(step.inputs[0])
    return _terms(
        step, which, place, places, local,
        lambda i: f"{name}[{_listed((*rows[i], place[1]))}]",
    )  # fmt: skip


def _matmul(
    step: Step, which: int, place: Place, arrays: list[Any], upstream: Array
) -> Contribution | None:
    x, o = arrays
    other = arrays[1 - which]
    if other is None or x is None or o is None or x.ndim != 2 or o.ndim != 2:
        return None
    name = operand(step.inputs[1 - which])
    if which == 0:
        i, k = place
        places = np.array([(i, j) for j in range(o.shape[1])], dtype=int)
        return _terms(step, which, place, places, o[k], lambda j: f"{name}[{k}, {j}]")
    k, j = place
    places = np.array([(i, j) for i in range(x.shape[0])], dtype=int)
    return _terms(step, which, place, places, x[:, k], lambda i: f"{name}[{i}, {k}]")


def _terms(
    step: Step, which: int, place: Place, places: Array, local: Array, factors: Any
) -> Contribution:
    upstream = step.outputs[0].gradient
    assert upstream is not None
    places = places.reshape(len(local), upstream.ndim)
    found = np.asarray(upstream, np.float64)[tuple(places.T)]
    return Contribution(
        step, which, place, 0, places, np.ravel(found), np.asarray(local, np.float64), factors
    )


def _listed(place: Any) -> str:
    return ", ".join(str(int(i)) for i in place)


def _convolution(
    step: Step, which: int, place: Place, arrays: list[Any], upstream: Array
) -> Contribution | None:
    x, w = arrays[0], arrays[1]
    if x is None or w is None:
        return None
    p, n = step.params, w.ndim - 2
    if isinstance(p.get("padding_mode"), str) and p["padding_mode"] != "zeros":
        return None
    geometry, size = convolution_plan(
        x.shape, w.shape, None, p["stride"], p["padding"], p["dilation"], p["groups"]
    )
    batched = x.ndim == n + 2
    samples = range(x.shape[0]) if batched else (0,)
    per = w.shape[0] // p["groups"]
    places: list[Place] = []
    factors: list[Place] = []
    if which == 2:
        for s, at in itertools.product(samples, np.ndindex(size)):
            places.append(((s,) if batched else ()) + (place[0], *at))
        return _terms(step, which, place, np.array(places), np.ones(len(places)), None)
    if which == 1:
        o, c, *k = place
        channel = o // per * w.shape[1] + c
        for at in np.ndindex(size):
            there = _input_place(at, tuple(k), geometry)
            if all(0 <= i < m for i, m in zip(there, x.shape[-n:])):
                for s in samples:
                    front = (s,) if batched else ()
                    places.append((*front, o, *at))
                    factors.append((*front, channel, *there))
        at_x = tuple(np.array(factors, dtype=int).reshape(-1, x.ndim).T)
        order = np.lexsort(np.array(places, dtype=int).reshape(-1, upstream.ndim).T[::-1])
        places = [places[i] for i in order]
        factors = [factors[i] for i in order]
        local = x[tuple(a[order] for a in at_x)]
        name = operand(step.inputs[0])
    else:
        lead, channel = place[: x.ndim - n - 1], place[x.ndim - n - 1]
        group, c = divmod(channel, w.shape[1])
        for tap in np.ndindex(w.shape[2:]):
            window = _output_place(place[x.ndim - n :], tap, geometry, size)
            if window is not None:
                for o in range(group * per, (group + 1) * per):
                    places.append((*lead, o, *window))
                    factors.append((o, c, *tap))
        local = w[tuple(np.array(factors, dtype=int).reshape(-1, w.ndim).T)]
        name = operand(step.inputs[1])
    return _terms(
        step, which, place, np.array(places, dtype=int), local,
        lambda i: f"{name}[{_listed(factors[i])}]",
    )  # fmt: skip


def _input_place(at: Place, k: Place, geometry: dict[str, Any]) -> Place:
    """Where the window at `at` puts kernel element `k` on the input."""
    return tuple(
        a * s - low + i * d
        for a, i, s, (low, _), d in zip(
            at, k, geometry["stride"], geometry["padding"], geometry["dilation"], strict=True
        )
    )


def _output_place(here: Place, k: Place, geometry: dict[str, Any], size: Place) -> Place | None:
    """The window that has kernel element `k` on the input element `here`, if there is one."""
    out = []
    for i, e, s, (low, _), d, n in zip(
        here, k, geometry["stride"], geometry["padding"], geometry["dilation"], size, strict=True
    ):
        at, rest = divmod(i + low - e * d, s)
        if rest or not 0 <= at < n:
            return None
        out.append(at)
    return tuple(out)
