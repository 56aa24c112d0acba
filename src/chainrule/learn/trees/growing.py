"""Two orders in which a tree grows: depth first, or the leaf that gains most first."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from chainrule.learn.compiling import jit, part
from chainrule.learn.trees.kernels import describe, find_split, partition
from chainrule.learn.trees.random_cuts import find_random_split


@partial(part, inline="always")
def split_node(  # type: ignore[no-untyped-def]
    codes, values, offsets, samples, weight, target, start, end, whole, real, state, keys, order,
    spare, counters, places, hold, line, sides, constant, level, features,
):  # fmt: skip
    """Look for a node's best split and move its rows.

    Either `codes` or `line` is None, and what it is for is not compiled: without codes a cut is
    drawn. Returns (feature or −1, threshold, rows without a value go left, where the right side
    begins).
    """
    feature, threshold, missing_left, middle = -1, 0.0, False, start
    if line is not None:
        feature, threshold, missing_left = find_random_split(
            values, offsets, samples, weight, target, start, end, whole, real, state, line,
            sides, constant, level, features,
        )  # fmt: skip
        if feature >= 0:
            middle = partition(
                values[offsets[feature] : offsets[feature + 1]], -np.inf, threshold, missing_left,
                samples, weight, target, start, end, spare, hold,
            )  # fmt: skip
    if codes is not None:
        feature, code, threshold, missing_left = find_split(
            codes, values, offsets, samples, weight, target, start, end, whole, real, state, keys,
            order, spare, counters, places, sides, constant, level, features,
        )  # fmt: skip
        if feature >= 0:
            middle = partition(
                codes[feature], 0, code, missing_left, samples, weight, target, start, end, spare,
                hold,
            )  # fmt: skip
    return feature, threshold, missing_left, middle


@jit
def grow_depth_first(  # type: ignore[no-untyped-def]
    codes, values, offsets, samples, weight, target, whole, real, state, nodes, facts, value, keys,
    order, spare, counters, places, hold, line, sides, features, constant, stack,
):  # fmt: skip
    """Grow a whole tree; returns its number of nodes, numbered parent, left, right (preorder).

    `nodes` (n, 5): left, right, feature, rows, rows without a value go left; `facts` (n, 3):
    threshold, impurity, weight; `value` (n, classes or 1). `samples`, `weight`, `target` are
    reordered so that every leaf's rows stand together.
    """
    d = features.size
    size = 1
    # Handed on, it must not be a plain constant, which would have a version of its own.
    made: Any = np.int64(0)
    while size > 0:
        size -= 1
        start, end, level, link = stack[size, 0], stack[size, 1], stack[size, 2], stack[size, 3]
        node = made
        made += 1
        total, impurity = describe(whole[0], weight, target, start, end, value, node, sides)
        n = end - start
        nodes[node, 0], nodes[node, 1], nodes[node, 2] = -1, -1, -2
        nodes[node, 3], nodes[node, 4] = n, 0
        facts[node, 0], facts[node, 1], facts[node, 2] = -2.0, impurity, total
        if link >= 0:
            nodes[link >> 1, link & 1] = node
        if (
            level >= whole[2] or n < whole[3] or n < 2 * whole[4] or impurity <= 2.3e-16
            or total < 2.0 * real[0]
        ):  # fmt: skip
            continue
        # constant[level] marks features without variation in the node open at that level.
        for f in range(d):
            constant[level, f] = constant[level - 1, f] if level > 0 else 0
        feature, threshold, missing_left, middle = split_node(
            codes, values, offsets, samples, weight, target, start, end, whole, real, state, keys,
            order, spare, counters, places, hold, line, sides, constant, level, features,
        )  # fmt: skip
        if feature < 0:
            continue
        if real[1] > 0.0:
            lw, li = describe(whole[0], weight, target, start, middle, value, made, sides)
            rw, ri = describe(whole[0], weight, target, middle, end, value, made, sides)
            gain = (total * impurity - lw * li - rw * ri) / real[2]
            if gain + 2.3e-16 < real[1]:
                continue
        nodes[node, 2], nodes[node, 4] = feature, missing_left
        facts[node, 0] = threshold
        stack[size, 0], stack[size, 1], stack[size, 2] = middle, end, level + 1
        stack[size, 3] = 2 * node + 1
        size += 1
        stack[size, 0], stack[size, 1], stack[size, 2] = start, middle, level + 1
        stack[size, 3] = 2 * node
        size += 1
    return made


@jit
def grow_best_first(  # type: ignore[no-untyped-def]
    codes, values, offsets, samples, weight, target, whole, real, state, nodes, facts, value, keys,
    order, spare, counters, places, hold, line, sides, features, constant, spans, decrease,
    leaves,
):  # fmt: skip
    """As `grow_depth_first` with at most `leaves` leaves: the largest decrease is split first.

    `spans`: start, middle, end, level of each node; `decrease`: −1 if it stays a leaf.
    """
    d = features.size
    made: Any = np.int64(0)
    spans[0, 0], spans[0, 2], spans[0, 3] = 0, samples.size, 0
    fresh = 1
    used = 0
    while True:
        for node in range(made, made + fresh):
            start, end, level = spans[node, 0], spans[node, 2], spans[node, 3]
            total, impurity = describe(whole[0], weight, target, start, end, value, node, sides)
            n = end - start
            nodes[node, 0], nodes[node, 1], nodes[node, 2] = -1, -1, -2
            nodes[node, 3], nodes[node, 4] = n, 0
            facts[node, 0], facts[node, 1], facts[node, 2] = -2.0, impurity, total
            decrease[node] = -1.0
            if (
                level >= whole[2] or n < whole[3] or n < 2 * whole[4] or impurity <= 2.3e-16
                or total < 2.0 * real[0]
            ):  # fmt: skip
                continue
            for f in range(d):
                constant[0, f] = 0
            feature, threshold, missing_left, middle = split_node(
                codes, values, offsets, samples, weight, target, start, end, whole, real, state,
                keys, order, spare, counters, places, hold, line, sides, constant, 0,
                features,
            )  # fmt: skip
            if feature < 0:
                continue
            lw, li = describe(whole[0], weight, target, start, middle, value, 2 * leaves - 1, sides)
            rw, ri = describe(whole[0], weight, target, middle, end, value, 2 * leaves - 1, sides)
            gain = (total * impurity - lw * li - rw * ri) / real[2]
            if gain + 2.3e-16 < real[1]:
                continue
            spans[node, 1] = middle
            decrease[node] = max(gain, 0.0)
            nodes[node, 2], nodes[node, 4] = feature, missing_left
            facts[node, 0] = threshold
        made += fresh
        chosen = -1
        for node in range(made):
            if decrease[node] >= 0.0 and (chosen < 0 or decrease[node] > decrease[chosen]):
                chosen = node
        used += 1
        if chosen < 0 or used >= leaves:
            break
        decrease[chosen] = -1.0
        nodes[chosen, 0], nodes[chosen, 1] = made, made + 1
        spans[made, 0], spans[made, 2] = spans[chosen, 0], spans[chosen, 1]
        spans[made + 1, 0], spans[made + 1, 2] = spans[chosen, 1], spans[chosen, 2]
        spans[made, 3] = spans[chosen, 3] + 1
        spans[made + 1, 3] = spans[chosen, 3] + 1
        fresh = 2
    for node in range(made):
        if nodes[node, 0] < 0:
            nodes[node, 2], nodes[node, 4] = -2, 0
            facts[node, 0] = -2.0
    return made
