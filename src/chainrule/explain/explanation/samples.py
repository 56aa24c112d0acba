"""The gradient of a value split over the samples of the batch.

The split is made where the value meets the data: what a parameter goes through before (a cast, a
transposition, a split into heads) belongs to all samples alike.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.explain.explanation.formulas import name_of
from chainrule.explain.explanation.graph import Array, Graph, Step
from chainrule.explain.explanation.paths import norm_of, pulled, share_of
from chainrule.explain.worksheet import numbers


class Samples:
    """What each sample of a batch contributes to a gradient.

    `norms`, `shares` (n,): the length of each contribution, and its part of the total; `rest`: what
    comes from no sample (a penalty on the weights), or None. The shares and that of the rest add up
    to 1. The split is by the results of the steps where the value meets the data: where batch
    normalisation follows, what a sample's own results do to the other samples counts for it.
    """

    def __init__(
        self, step: Step, total: Array, contributions: list[Array], rest: Array | None
    ) -> None:
        self.step = step
        self.total = total
        self.contributions = contributions
        self.rest = rest
        self.norms = np.array([norm_of(c) for c in contributions])
        self.shares = np.array([share_of(c, total) for c in contributions])

    def __len__(self) -> int:
        return len(self.contributions)

    def to_text(self, digits: int = 3, most: int = 10) -> str:
        """The samples that contribute most."""

        def short(x: float) -> str:
            return numbers.number(x, digits)

        lines = [
            t("Contribution of each sample to ∂L/∂{name} (norm {norm})", name=name_of(self.step),
              norm=short(norm_of(self.total)))
        ]  # fmt: skip
        for index in np.argsort(-self.norms, kind="stable")[:most]:
            text = t(
                "sample {index}: norm {norm}, share {share}",
                index=int(index), norm=short(float(self.norms[index])),
                share=f"{self.shares[index]:.1%}",
            )  # fmt: skip
            lines.append(f"  {text}")
        if self.rest is not None:
            text = t(
                "of no sample: norm {norm}, share {share}",
                norm=short(norm_of(self.rest)), share=f"{share_of(self.rest, self.total):.1%}",
            )  # fmt: skip
            lines.append(f"  {text}")
        return "\n".join(lines) + "\n"

    def __str__(self) -> str:
        return self.to_text()


def samples(graph: Graph, key: object, axis: int | None = None) -> Samples:
    """The gradient of a value split over the samples of the batch.

    `axis`: the batch axis of the results where the value meets the data; by default the first axis
    of those that is as long as the first axis of some data. Raises ArgumentError otherwise.
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
    meets = _depending_on_data(graph)
    before = _before(graph, target, meets)  # steps of the value alone, in order of computing
    inner = [target, *before]
    parts: dict[int, dict[tuple[Step, int], Array]] = {}
    lonely: dict[tuple[Step, int], Array] = {}
    for step in inner:
        for k, out in enumerate(step.outputs):
            if step is target and k != output:
                continue
            for use in out.uses:
                if use.step in before:
                    continue
                number = axis is None and not any(o.shape for o in use.step.outputs)
                if number or (use.step not in meets and meets):
                    _add(lonely, (step, k), use.gradient)
                    continue
                for n, g in _split(graph, use.step, use.input, axis, meets):
                    _add(parts.setdefault(n, {}), (step, k), g)
    if lonely and not parts:
        raise ArgumentError(
            t("samples: {name} meets no data on its way to the loss.", name=target.title)
        )
    contributions = [_down(target, output, before, parts[n], total) for n in sorted(parts)]
    rest = _down(target, output, before, lonely, total) if lonely else None
    return Samples(target, total, contributions, rest)


def _add(sums: dict[tuple[Step, int], Array], place: tuple[Step, int], g: Array) -> None:
    sums[place] = sums[place] + g if place in sums else g


def _depending_on_data(graph: Graph) -> set[Step]:
    """The steps that are computed from data of at least one axis, and these data."""
    found = {s for s in graph.steps if s.kind == "input" and s.outputs[0].shape}
    for step in graph.steps:
        if any(x.source in found for x in step.inputs):
            found.add(step)
    return found


def _before(graph: Graph, target: Step, meets: set[Step]) -> dict[Step, None]:
    """The steps that are computed from the value, not from data, and lead to where it meets them;
    none where the value is computed from data itself."""
    if target in meets or not meets:
        return {}
    own = {target}
    for step in graph.steps:
        if step not in meets and any(x.differentiable and x.source in own for x in step.inputs):
            own.add(step)
    leading: set[Step] = set()
    for step in reversed(graph.steps):
        uses = [use.step for out in step.outputs for use in out.uses]
        if step in own and any(u in meets or u in leading for u in uses):
            leading.add(step)
    return {s: None for s in graph.steps if s in leading and s is not target}


def _split(
    graph: Graph, step: Step, which: int, axis: int | None, meets: set[Step]
) -> Iterable[tuple[int, Array]]:
    """What comes to one input of a step from the results of each sample."""
    sizes = {s.outputs[0].shape[0] for s in graph.steps if s.kind == "input" and s.outputs[0].shape}
    for k, result in enumerate(step.outputs):
        g = result.gradient
        if g is None:
            continue
        at = axis
        if at is None:
            at = next((a for a, n in enumerate(g.shape) if n in sizes), None)
        if at is None or not -g.ndim <= at < g.ndim:
            raise ArgumentError(
                t(
                    "samples: no axis of {name}, of shape {shape}, has a size in common with the "
                    "first axis of the data; pass axis=.",
                    name=name_of(step, k), shape=tuple(g.shape),
                )
            )  # fmt: skip
        for n in range(g.shape[at]):
            one = np.zeros_like(g)
            place = (slice(None),) * (at % g.ndim) + (n,)
            one[place] = g[place]
            found = pulled(step, k, one)[which]
            if found is not None:
                yield n, found


def _down(
    target: Step, output: int, before: dict[Step, None], sums: dict[tuple[Step, int], Array],
    total: Array,
) -> Array:  # fmt: skip
    """From the steps that lead to the data back to the value."""
    sums = dict(sums)
    for step in reversed(before):
        for k in range(len(step.outputs)):
            g = sums.pop((step, k), None)
            if g is None:
                continue
            for x, found in zip(step.inputs, pulled(step, k, g), strict=True):
                if found is not None and (x.source is target or x.source in before):
                    _add(sums, (x.source, x.output), found)
    return sums.get((target, output), np.zeros_like(total))
