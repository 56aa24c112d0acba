"""Every step checked against central differences in float64.

Three questions a step: are the gradients that it passed on those of its rule in float64; is the
rule the derivative; and does a composite's closed form agree with the chain rule through its parts?
Where a value stands at a kink, the slopes of both sides decide: a rule is right there if it lies
between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.dtypes import bfloat16, float16
from chainrule.base.text import t
from chainrule.explain.explanation import again
from chainrule.explain.explanation.graph import Array, Graph, Step
from chainrule.explain.explanation.unfold import distance, is_composite

# The largest relative error that rounding explains, by the dtype that the program computed in.
_TOLERANCE = {"float64": 1e-8, "float32": 1e-3}
_HALF = 3e-2
_SLOPE = 2e-6
_ALL = 32  # inputs of at most so many entries are checked entry by entry
_MANY = 1 << 14  # of larger ones fewer entries are tried
_UNFOLDED = 1 << 16  # larger composites are not unfolded as part of their check
_AGREE = 1e-6
_EPS = float(np.finfo(np.float64).eps)


class Check(NamedTuple):
    """What the check of a step found.

    `status`: "right"; "kink": right, with one-sided slopes; "rule": the operation has a gradient
    rule of its own on purpose; "wrong"; "unknown": its values were not kept. `error`: the largest
    relative error, or None. `sampled`: (entries tried one by one, entries) of the largest input
    that was not checked entry by entry, but by some of them and random directions; else None.
    """

    status: str
    error: float | None
    text: str
    sampled: tuple[int, int] | None = None


class Checked(NamedTuple):
    """The checks of all steps, by id. `wrong` holds the steps whose gradient is not the slope,
    `left` those that Ctrl-C left unchecked. Printing it says how it stands."""

    checks: dict[str, Check]
    wrong: tuple[str, ...]
    left: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        return not self.wrong

    def __str__(self) -> str:
        known = [c for c in self.checks.values() if c.status in ("right", "kink")]
        parts = [
            t(
                "{n} of {all} steps agree with central differences (largest error {error:.1e})",
                n=len(known), all=len(self.checks) + len(self.left), error=self.worst,
            )
        ]  # fmt: skip
        if self.wrong:
            parts.append(t("wrong: {ids}", ids=", ".join(self.wrong)))
        kinks, own, unknown = (self.count(status) for status in ("kink", "rule", "unknown"))
        if kinks:
            parts.append(t("{n} of them stand at a kink", n=kinks))
        if own:
            parts.append(t("{n} have a rule of their own in place of the derivative", n=own))
        if unknown:
            parts.append(
                t(
                    "{n} could not be checked: their values were not kept or are not finite",
                    n=unknown,
                )
            )
        sampled = [c.sampled for c in self.checks.values() if c.sampled is not None]
        if sampled:
            fewest, of = min(sampled, key=lambda s: s[0] / s[1])
            parts.append(
                t(
                    "{n} have inputs of more than {all} entries, which were checked along random "
                    "directions and in a sample of entries (at the least {few} of {of})",
                    n=len(sampled), all=_ALL, few=fewest, of=of,
                )
            )  # fmt: skip
        if self.left:
            parts.append(t("{n} steps were left when Ctrl-C stopped it", n=len(self.left)))
        return "\n".join(parts)

    def count(self, status: str) -> int:
        return sum(check.status == status for check in self.checks.values())

    @property
    def worst(self) -> float:
        return max((c.error for c in self.checks.values() if c.error is not None), default=0.0)


def verify(
    graph: Graph, seed: int = 0, progress: Callable[[int, int, Step], None] | None = None
) -> Checked:
    """Checks all steps that a gradient passed through. `progress(done, all, step)` is called before
    each. After Ctrl-C the result holds what was checked until then."""
    steps = [s for s in graph.operations if any(x.gradient is not None for x in s.inputs)]
    checks: dict[str, Check] = {}
    try:
        for number, step in enumerate(steps):
            if progress is not None:
                progress(number, len(steps), step)
            checks[step.id] = check(step, seed)
    except KeyboardInterrupt:
        pass
    wrong = tuple(id for id, found in checks.items() if found.status == "wrong")
    return Checked(checks, wrong, tuple(s.id for s in steps if s.id not in checks))


def check(step: Step, seed: int = 0) -> Check:
    """The check of one step."""
    try:
        inputs = again.values(step)
        with np.errstate(all="ignore"):
            return _check(step, inputs, np.random.default_rng(seed))
    except again.CannotRepeat:
        return Check("unknown", None, t("not checked: its values were not kept (use recording())"))


def _check(step: Step, inputs: list[Any], random: np.random.Generator) -> Check:
    op = step.known_op
    upstream = [None if o.gradient is None else o.gradient.astype(float) for o in step.outputs]
    error = 0.0
    rounded = [None if g is None else g * random.normal(size=g.shape) for g in upstream]
    half = bool(step.params.get("bfloat16")) or step.params.get("dtype") in (bfloat16, float16)
    exact_ones, spreads = (again.vjp(step, inputs, u) for u in (upstream, rounded))
    for x, exact, spread in zip(step.inputs, exact_ones, spreads, strict=True):
        if x.gradient is None:
            continue
        exact = np.zeros(x.gradient.shape) if exact is None else exact
        # Terms that cancel leave the rounding of what they were.
        room = 0.0 if spread is None else float(np.abs(spread).max(initial=0.0))
        found = _distance(x.gradient, exact, room)
        if found > (_HALF if half else _TOLERANCE.get(str(x.gradient.dtype), _HALF)):
            place = _worst_place(x.gradient, exact)
            text = t(
                "∂L/∂{name}{place}: passed on {found:.6g}, but its rule gives {exact:.6g} in "
                "float64",
                name=x.name, place=_shown(place), found=float(x.gradient[place]),
                exact=float(exact[place]),
            )  # fmt: skip
            return Check("wrong", found, text)
        error = max(error, found)
    if op is not None and op.surrogate:
        return Check("rule", error, t("a rule of its own takes the place of the derivative"))
    other = [None if g is None else random.normal(size=g.shape) for g in upstream]
    ways = [(upstream, exact_ones), (other, again.vjp(step, inputs, other))]
    middle = again.forward(step, inputs)
    kinks, slope_error = 0, 0.0
    sampled: tuple[int, int] | None = None
    for i, x in enumerate(step.inputs):
        if x.gradient is None or not x.gradient.size:
            continue
        result = _slopes(step, inputs, i, middle, ways, random)
        if isinstance(result, Check):
            return result
        kinks, slope_error = max(kinks, result[0]), max(slope_error, result[1])
        size = inputs[i].size
        if size > _ALL and (sampled is None or size > sampled[1]):
            sampled = _tried(size), size
    if kinks:
        text = t("error {error:.1e}; {n} entries stand at a kink", error=slope_error, n=kinks)
        return Check("kink", slope_error, text, sampled)
    if op is not None and is_composite(step) and _size(step) <= _UNFOLDED:
        apart = distance(step, op)
        if apart > _AGREE:
            text = t(
                "the closed-form gradient of {op} and the chain rule through its elementary steps "
                "differ by {error:.1e}",
                op=op.name, error=apart,
            )  # fmt: skip
            return Check("wrong", apart, text)
        text = t("error {error:.1e}; as its elementary steps to {apart:.1e}", error=slope_error,
                 apart=apart)  # fmt: skip
        return Check("right", slope_error, text, sampled)
    return Check("right", slope_error, t("error {error:.1e}", error=slope_error), sampled)


def _size(step: Step) -> int:
    """Entries of the largest value of a step."""
    shapes = [x.shape or () for x in step.inputs] + [out.shape for out in step.outputs]
    return max(map(math.prod, shapes))


def _distance(a: Array, b: Array, room: float) -> float:
    """The largest difference, measured by the largest number, or by `room` if that is more."""
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return float("inf")
    both = np.isfinite(a)
    size = max(float(np.abs(b[both]).max(initial=0.0)), room, 1e-30)
    return float(np.abs(a[both] - b[both]).max(initial=0.0)) / size


def _worst_place(a: Array, b: Array) -> tuple[int, ...]:
    difference = np.abs(a - b)
    difference[~np.isfinite(difference)] = np.inf
    return tuple(int(i) for i in np.unravel_index(np.argmax(difference), a.shape))


def _shown(place: tuple[int, ...]) -> str:
    return str(list(place)) if place else ""


# ---- slopes ------------------------------------------------------------------------------------


def _tried(size: int) -> int:
    """How many entries of an input are tried one by one."""
    return size if size <= _ALL else 3 if size <= _MANY else 2


def _directions(x: Array, slope: Array, random: np.random.Generator) -> list[Array]:
    """Steps away from x: along each axis for a small x, else at random and along a few axes."""
    size = 6e-6 * np.maximum(np.abs(x), 1e-2)
    count = _tried(x.size)
    if x.size <= _ALL:
        chosen = list(range(x.size))
    else:
        others = random.integers(0, x.size, count - 1).tolist()
        chosen = sorted({int(np.argmax(np.abs(slope))), *others})
    out = []
    for at in chosen:
        one = np.zeros(x.size)
        one[at] = size.flat[at]
        out.append(one.reshape(x.shape))
    if x.size > _ALL:
        out += [size * random.normal(size=x.shape) for _ in range(count - 1)]
    return out


Way = tuple[list[Array | None], list[Any]]  # what comes from above, and what the rule makes of it


def _slopes(
    step: Step, inputs: list[Any], i: int, middle: list[Array], ways: list[Way],
    random: np.random.Generator,
) -> Check | tuple[int, float]:  # fmt: skip
    """How many entries of the results stand at a kink, and the largest error; or what is wrong."""
    kinks, worst = 0, 0.0
    rules = [np.zeros(inputs[i].shape) if found[i] is None else found[i] for _, found in ways]
    for move in _directions(inputs[i], rules[0], random):
        ahead = _moved(step, inputs, i, move)
        behind = _moved(step, inputs, i, -move)
        results = ahead, middle, behind
        masks = [_kinked(a, m, b) for a, m, b in zip(ahead, middle, behind, strict=True)]
        if any(k.any() for k in masks):
            masks = _confirmed(step, inputs, i, move, results, masks)
        for (upstream, _), rule in zip(ways, rules, strict=True):
            found = _compared(step, inputs, i, move, results, masks, upstream, rule)
            if isinstance(found, Check):
                return found
            kinks, worst = max(kinks, found[0]), max(worst, found[1])
    return kinks, worst


def _compared(
    step: Step, inputs: list[Any], i: int, move: Array, results: tuple[list[Array], ...],
    masks: list[Array], upstream: list[Array | None], rule: Array,
) -> Check | tuple[int, float]:  # fmt: skip
    """The rule beside the difference along one direction: kinks and error, or what is wrong."""
    ahead, middle, behind = results
    given = upstream
    here = sum(int(k.sum()) for k, g in zip(masks, upstream, strict=True) if g is not None)
    scale = float(np.abs(rule[np.isfinite(rule)]).max(initial=0.0))
    if here:
        refused = _between(step, inputs, i, move, results, masks, upstream)
        if refused is not None:
            return refused
        given = [
            None if g is None else np.where(k, 0.0, g) for g, k in zip(upstream, masks, strict=True)
        ]
        again_found = again.vjp(step, inputs, given)[i]
        rule = np.zeros(rule.shape) if again_found is None else again_found
    numeric = _difference(given, ahead, behind)
    noise = 8 * _EPS * sum(
        float(np.sum(np.abs(np.where(g == 0, 0.0, g * m))))
        for g, m in zip(given, middle, strict=True)
        if g is not None
    )  # fmt: skip
    says = float(np.sum(np.where(move == 0, 0.0, rule * move)))
    if not np.isfinite(says) and not np.isfinite(numeric):
        return here, 0.0
    size = max(scale * float(np.linalg.norm(move)), 1e-30)
    error = abs(says - numeric) / size
    if not np.isfinite(numeric) and not all(np.isfinite(m).all() for m in middle):
        # The result itself is not finite: no difference can speak for or against the rule.
        return Check("unknown", None, t("not checked: its result holds NaN or infinity"))
    room = _SLOPE + noise / size
    if not error <= room:
        # A strong bend leaves a difference its cube; a nearer one, freed of it, decides.
        near = [_moved(step, inputs, i, sign * move / 8) for sign in (1, -1)]
        numeric = (64 * 8 * _difference(given, *near) - numeric) / 63
        error = abs(says - numeric) / size
        if not error <= room + 8 * noise / size:
            return _wrong(step, i, move, says, numeric, error)
    return here, error


def _difference(upstream: list[Array | None], ahead: list[Array], behind: list[Array]) -> float:
    return sum(
        float(np.sum(np.where(g == 0, 0.0, g * (a - b)))) / 2
        for g, a, b in zip(upstream, ahead, behind, strict=True)
        if g is not None
    )


def _wrong(step: Step, i: int, move: Array, says: float, numeric: float, error: float) -> Check:
    name, length = step.inputs[i].name, float(np.linalg.norm(move))
    places = np.argwhere(move != 0)
    if len(places) == 1:
        place = _shown(tuple(places[0].tolist()))
        text = t(
            "the gradient of {op} is wrong: by {name}{place} its rule says {says:.6g}, central "
            "differences say {numeric:.6g}",
            op=step.op_name, name=name, place=place, says=says / length, numeric=numeric / length,
        )  # fmt: skip
    else:
        text = t(
            "the gradient of {op} is wrong: along a direction of {name} its rule says {says:.6g}, "
            "central differences say {numeric:.6g}",
            op=step.op_name, name=name, says=says / length, numeric=numeric / length,
        )  # fmt: skip
    return Check("wrong", error if np.isfinite(error) else None, text)


def _moved(step: Step, inputs: list[Any], i: int, move: Array) -> list[Array]:
    return again.forward(step, [x + move if j == i else x for j, x in enumerate(inputs)])


def _kinked(ahead: Array, middle: Array, behind: Array) -> Array:
    """Where the slopes of both sides differ by more than rounding explains."""
    if middle.dtype.kind != "f":
        return np.zeros(middle.shape, bool)
    right, left = ahead - middle, middle - behind
    size = np.abs(right) + np.abs(left)
    largest = float(np.abs(middle[np.isfinite(middle)]).max(initial=0.0))
    return (np.abs(right - left) > 1e-3 * size) & (size > 1e-9 * largest)


def _confirmed(
    step: Step, inputs: list[Any], i: int, move: Array, results: tuple[list[Array], ...],
    masks: list[Array],
) -> list[Array]:  # fmt: skip
    """Those places where the difference of the slopes stays as it is for a step of an eighth: at a
    bend it shrinks with the step, at a kink it does not."""
    nearer = [_moved(step, inputs, i, sign * move / 8) for sign in (1, -1)]
    out = []
    for k, mask in enumerate(masks):
        wide = results[0][k] - 2 * results[1][k] + results[2][k]
        near = nearer[0][k] - 2 * results[1][k] + nearer[1][k]
        out.append(mask & (np.abs(near) > np.abs(wide) / 16))
    return out


def _between(
    step: Step, inputs: list[Any], i: int, move: Array, results: tuple[list[Array], ...],
    masks: list[Array], upstream: list[Array | None],
) -> Check | None:  # fmt: skip
    """What is wrong with the rule at the first few kinks: its slope lies between both sides'."""
    ahead, middle, behind = results
    for k, mask in enumerate(masks):
        if upstream[k] is None:
            continue
        for place in map(tuple, np.argwhere(mask)[:3].tolist()):
            one = np.zeros(mask.shape)
            one[place] = 1.0
            rows = [one if j == k else None for j in range(len(masks))]
            row = again.vjp(step, inputs, rows)[i]
            says = 0.0 if row is None else float(np.sum(np.where(move == 0, 0.0, row * move)))
            sides = (
                float(ahead[k][place] - middle[k][place]),
                float(middle[k][place] - behind[k][place]),
            )
            if not np.isfinite(sides).all():
                continue
            room = 1e-3 * (abs(sides[0]) + abs(sides[1]))
            if not min(sides) - room <= says <= max(sides) + room:
                return _wrong(step, i, move, says, sum(sides) / 2, abs(says - sum(sides) / 2))
    return None
