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
    low, high, values, samples, weight, target, start, end, whole, real, state, keys, order, 
    counters, places, hold, line, sides, constant, level, features, nodes, facts, node,
):  # fmt: skip
    """Look for a node's best split and move its rows; returns (feature or −1, where right begins).

    Either `low` or `values` is None, and what it is for is not compiled: without numbers a cut is
    drawn. Rows beside a cut, or the cut itself, and where missing values go are written down.
    """
    feature = -1
    missing_left = False
    if values is not None:
        feature, facts[node, 0], missing_left = find_random_split(
            values, samples, weight, target, start, end, whole, real, state, keys, line, sides,
            constant, level, features,
        )  # fmt: skip
    if low is not None:
        feature, nodes[node, 5], nodes[node, 6], missing_left = find_split(
            low, high, samples, weight, target, start, end, whole, real, state, keys, order,
             counters, places, sides, constant, level, features,
        )  # fmt: skip
    nodes[node, 4] = missing_left
    if feature < 0:
        return feature, start
    return feature, partition(keys, samples, weight, target, start, end, order, hold)


@jit
def grow_depth_first(  # type: ignore[no-untyped-def]
    low, high, values, samples, weight, target, whole, real, state, nodes, facts, value, keys,
    order,  counters, places, hold, line, sides, features, constant, stack,
):  # fmt: skip
    """Grow a whole tree; returns its number of nodes, numbered parent, left, right (preorder).

    `nodes` (n, 7): left, right, feature, rows, rows without a value go left, a row below the cut,
    one above it; `facts` (n, 3): threshold if it is drawn, impurity, weight; `value` (n, classes
    or 1). `samples`, `weight`, `target` are reordered so that every leaf's rows stand together.
    """
    d = features.size
    size = 1
    # Handed on, it must not be a plain constant, which would have a version of its own.
    made: Any = np.int64(0)
    while size > 0:
        size -= 1
        start, end, level, link = (
            stack[size, 0],
            stack[size, 1],
            stack[size, 2],
            stack[size, 3],
        )
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
        feature, middle = split_node(
            low, high, values, samples, weight, target, start, end, whole, real, state, keys,
            order,  counters, places, hold, line, sides, constant, level, features, nodes,
            facts, node,
        )  # fmt: skip
        if feature < 0:
            continue
        if real[1] > 0.0:
            lw, li = describe(whole[0], weight, target, start, middle, value, made, sides)
            rw, ri = describe(whole[0], weight, target, middle, end, value, made, sides)
            gain = (total * impurity - lw * li - rw * ri) / real[2]
            if gain + 2.3e-16 < real[1]:
                continue
        nodes[node, 2] = feature
        stack[size, 0], stack[size, 1], stack[size, 2] = middle, end, level + 1
        stack[size, 3] = 2 * node + 1
        size += 1
        stack[size, 0], stack[size, 1], stack[size, 2] = start, middle, level + 1
        stack[size, 3] = 2 * node
        size += 1
    return made


@jit
def grow_best_first(  # type: ignore[no-untyped-def]
    low, high, values, samples, weight, target, whole, real, state, nodes, facts, value, keys,
    order,  counters, places, hold, line, sides, features, constant, spans, decrease,
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
            feature, middle = split_node(
                low, high, values, samples, weight, target, start, end, whole, real, state, keys,
                order,  counters, places, hold, line, sides, constant, 0, features, nodes,
                facts, node,
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
            nodes[node, 2] = feature
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
            nodes[node, 2] = -2
    return made
