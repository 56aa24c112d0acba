"""A step length that satisfies the strong Wolfe conditions, along one direction.

J. Nocedal and S. J. Wright, "Numerical optimization" (2006), algorithms 3.5 and 3.6; the next trial
is the minimum of the cubic through two points (3.59), kept off the ends of the bracket as in
M. Schmidt's minFunc (2005), which PyTorch's L-BFGS follows too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

DECREASE, CURVATURE = 1e-4, 0.9  # c₁ and c₂


class Point(NamedTuple):
    """A trial: the length `t`, the loss, its gradient, and its slope along the direction."""

    t: float
    loss: float
    gradient: np.ndarray
    slope: float


def strong_wolfe(
    evaluate: Callable[[float], Point], start: Point, t: float, size: float, tolerance: float,
    most: int = 25,
) -> tuple[Point, int]:  # fmt: skip
    """The point found from `start` (t = 0) with the first trial `t`, and the number of trials.

    size: the greatest component of the direction; a bracket shorter than tolerance/size ends it,
    and so do `most` trials after the first.
    """

    def too_high(point: Point) -> bool:
        return point.loss > start.loss + DECREASE * point.t * start.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -CURVATURE * start.slope

    before, now = start, evaluate(t)
    trials = 1
    bracket: list[Point] | None = None
    while trials <= most:
        if too_high(now) or (trials > 2 and now.loss >= before.loss):
            bracket = [before, now]
            break
        if flat(now):
            return now, trials
        if now.slope >= 0:
            bracket = [before, now]
            break
        low, high = now.t + 0.01 * (now.t - before.t), now.t * 10
        following = evaluate(cubic_minimum(before, now, low, high))
        before, now = now, following
        trials += 1
    if bracket is None:
        bracket = [start, now]
    return _zoom(evaluate, bracket, too_high, flat, trials, most, size, tolerance)


def _zoom(
    evaluate: Callable[[float], Point], bracket: list[Point], too_high: Callable[[Point], bool],
    flat: Callable[[Point], bool], trials: int, most: int, size: float, tolerance: float,
) -> tuple[Point, int]:  # fmt: skip
    """Narrows a bracket that holds a point wanted; its lowest end, if that is not found."""
    low = 0 if bracket[0].loss <= bracket[1].loss else 1
    stalled = False
    while trials <= most and abs(bracket[1].t - bracket[0].t) * size >= tolerance:
        left, right = sorted(point.t for point in bracket)
        t = cubic_minimum(bracket[0], bracket[1], left, right)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:
            # Twice in a row near an end: a step inwards instead.
            if stalled or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stalled = False
            else:
                stalled = True
        else:
            stalled = False
        now = evaluate(t)
        trials += 1
        high = 1 - low
        if too_high(now) or now.loss >= bracket[low].loss:
            bracket[high] = now
            low = 0 if bracket[0].loss <= bracket[1].loss else 1
            continue
        if flat(now):
            return now, trials
        if now.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = now
    return bracket[low], trials


def cubic_minimum(a: Point, b: Point, least: float, most: float) -> float:
    """Where the cubic with both points' losses and slopes is lowest within [least, most]; the
    middle if it has no minimum."""
    if a.t > b.t:
        a, b = b, a
    if a.t == b.t:
        return (least + most) / 2
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (least + most) / 2
    d2 = math.sqrt(square)
    span = b.slope - a.slope + 2 * d2
    if not span:
        return (least + most) / 2
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / span)
    return min(max(t, least), most)
