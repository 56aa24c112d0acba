"""Machine code of histogram trees: second-order gain over at most 256 bins, best leaf first.

A node's histogram is summed from its rows only for the smaller child; the sibling's is the
parent's minus it (Ke et al. 2017, LightGBM; Chen and Guestrin 2016, XGBoost, for the gain).
Several threads grow one tree: each runs `grow` on its own share of the features and moves its own
copy of the rows; they meet once a split, to learn whose split is the best.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chainrule.learn.trees.kernels import TIE, jit, part
from chainrule.learn.trees.meeting import meet

MISSING = 255
# Rows whose gradients are gathered at once: they and a feature's histogram fit the fastest cache.
BLOCK = 1024
# Columns of `nodes`, `sums` and `offers`.
LEFT, RIGHT, FEATURE, BIN, START, END, LEVEL, SLOT, OWNER = range(9)
GRADIENT, HESSIAN, ROWS, GAIN, LOWER, UPPER = range(6)


class Table(NamedTuple):
    """What all threads read.

    bins: uint8 [features, rows]; gradient, hessian: float64 [rows]; kinds: int64 [features, 3],
    bins in use, 1 for categories, monotonic sign; groups: uint8 [groups, features], which features
    may stand in one branch (no group: all); real: fewest rows of a leaf, its least Hessian, l2;
    whole: most leaves, deepest level, 1 where all Hessians are 1.
    """

    bins: Any
    gradient: Any
    hessian: Any
    kinds: Any
    groups: Any
    real: Any
    whole: Any


class Shared(NamedTuple):
    """What the threads tell each other.

    arrived: int64 [1]; offers: [threads, nodes, 6], the best split of each thread's features as
    gain, feature, bin and the left side's gradient, Hessian, rows; masks: uint8 [threads, nodes,
    256], the bins that go left.
    """

    arrived: Any
    offers: Any
    masks: Any


class Own(NamedTuple):
    """What belongs to one thread.

    rows, spare: uint32 [rows]; block: [BLOCK, 2]; histograms: [leaves, own features, 256, 3];
    nodes: int64 [nodes, 9]; sums: [nodes, 6]; allowed: uint8 [nodes, features], where a node may
    look, given for the root; open: uint8 [nodes, groups], the groups of all features above; order:
    int64 [256], ratio: [256]; free: int64 [leaves], unused histograms.
    """

    rows: Any
    spare: Any
    block: Any
    histograms: Any
    nodes: Any
    sums: Any
    allowed: Any
    open: Any
    order: Any
    ratio: Any
    free: Any


@part
def fill(table, own, start, end, slot, first, last):  # type: ignore[no-untyped-def]
    """Histograms of features first…last−1: sums of gradient, Hessian, rows over rows start…end."""
    histograms, block = own.histograms[slot], own.block
    constant = table.whole[2] == 1
    histograms[:] = 0.0
    for low in range(start, end, BLOCK):
        rows = own.rows[low : min(low + BLOCK, end)]
        count = rows.size
        for i in range(count):
            block[i, 0] = table.gradient[rows[i]]
        if not constant:
            for i in range(count):
                block[i, 1] = table.hessian[rows[i]]
        for f in range(first, last):
            column, sums = table.bins[f], histograms[f - first]
            if constant:
                for i in range(count):
                    b = column[rows[i]]
                    sums[b, 0] += block[i, 0]
                    sums[b, 2] += 1.0
            else:
                for i in range(count):
                    b = column[rows[i]]
                    sums[b, 0] += block[i, 0]
                    sums[b, 1] += block[i, 1]
                    sums[b, 2] += 1.0
    if constant:
        for f in range(last - first):
            for b in range(256):
                histograms[f, b, 1] = histograms[f, b, 2]


@part
def leaf_value(g, h, l2, total):  # type: ignore[no-untyped-def]
    """The Newton step −g/(h + l2), kept within what the monotonic splits above allow."""
    return min(max(-g / (h + l2), total[LOWER]), total[UPPER])


@part
def cut(sums, order, stop, missing_left, f, sign, total, real, offer):  # type: ignore[no-untyped-def]
    """Cut behind order[0], …, order[stop − 1]; the best goes into `offer`. Returns its place."""
    g = h = n = 0.0
    if missing_left:
        g, h, n = sums[MISSING, 0], sums[MISSING, 1], sums[MISSING, 2]
    place = -1
    best = offer[0]
    l2 = real[2]
    free = total[LOWER] == -np.inf and total[UPPER] == np.inf and sign == 0
    for i in range(stop):
        b = order[i]
        if sums[b, 2] == 0.0:
            continue
        g += sums[b, 0]
        h += sums[b, 1]
        n += sums[b, 2]
        if n < real[0]:
            continue
        if total[ROWS] - n < real[0]:
            break
        other_g, other_h = total[GRADIENT] - g, total[HESSIAN] - h
        if h < real[1] or other_h < real[1]:
            continue
        if free:
            # g²/(h + l2) of both sides over one denominator, compared before it is divided.
            above = g * g * (other_h + l2) + other_g * other_g * (h + l2)
            below = (h + l2) * (other_h + l2)
            if not above > (best + TIE * abs(best)) * below:
                continue
            gain = above / below
        else:
            left = leaf_value(g, h, l2, total)
            right = leaf_value(other_g, other_h, l2, total)
            gain = -g * left - other_g * right
            if not gain > best + TIE * abs(best) or sign * (left - right) > 0.0:
                continue
        best = gain
        place = i
        offer[0], offer[1], offer[2] = gain, f, b
        offer[3], offer[4], offer[5] = g, h, n
    return place


@part
def find(table, own, slot, allowed, first, last, total, offer, mask):  # type: ignore[no-untyped-def]
    """Best split of a node among features first…last−1; `offer[0]` is its gain, 0 for none."""
    order, ratio = own.order, own.ratio
    parent = -total[GRADIENT] * leaf_value(
        total[GRADIENT], total[HESSIAN], table.real[2], total
    )  # fmt: skip
    floor = parent + 1e-12 * (1.0 + abs(parent))
    offer[0] = floor
    missing_left = False
    category = False
    for f in range(first, last):
        if not allowed[f]:
            continue
        sums = own.histograms[slot, f - first]
        used, sign = table.kinds[f, 0], table.kinds[f, 2]
        has_missing = sums[MISSING, 2] > 0.0
        if table.kinds[f, 1] == 0:
            for b in range(used):
                order[b] = b
            stop = used if has_missing else used - 1
            if cut(sums, order, stop, False, f, sign, total, table.real, offer) >= 0:
                missing_left = category = False
            # A stop of 0 tries nothing.
            stop = used - 1 if has_missing else 0
            if cut(sums, order, stop, True, f, sign, total, table.real, offer) >= 0:
                missing_left, category = True, False
            continue
        # Categories in the order of gradient over Hessian (Fisher 1958); rare ones stay right.
        count = 0
        for b in range(256):
            if sums[b, 2] > 0.0 and sums[b, 1] >= 1e-3:
                value = sums[b, 0] / (sums[b, 1] + 10.0)
                j = count
                while j > 0 and ratio[j - 1] > value:
                    ratio[j] = ratio[j - 1]
                    order[j] = order[j - 1]
                    j -= 1
                ratio[j] = value
                order[j] = b
                count += 1
        for _ in range(2):
            place = cut(sums, order, count - 1, False, f, 0, total, table.real, offer)
            if place >= 0:
                category = True
                mask[:] = 0
                for i in range(place + 1):
                    mask[order[i]] = 1
            for i in range(count // 2):
                order[i], order[count - 1 - i] = order[count - 1 - i], order[i]
    if offer[0] <= floor:
        offer[0] = 0.0
        return
    offer[0] -= parent
    if not category:
        for b in range(256):
            mask[b] = b <= offer[2]
        seen = own.histograms[slot, int(offer[1]) - first, MISSING, 2] > 0.0
        # Without experience a missing value goes where most rows go.
        mask[MISSING] = missing_left if seen else 2.0 * offer[5] > total[ROWS]


@part
def accept(shared, own, node, threads):  # type: ignore[no-untyped-def]
    """Every thread notes the same best offer: the largest gain, then the lowest feature."""
    owner = 0
    for i in range(1, threads):
        if shared.offers[i, node, 0] > shared.offers[owner, node, 0]:
            owner = i
    offer = shared.offers[owner, node]
    own.sums[node, GAIN] = offer[0]
    own.nodes[node, FEATURE], own.nodes[node, BIN] = int(offer[1]), int(offer[2])
    own.nodes[node, OWNER] = owner


@part
def separate(column, mask, rows, spare, start, end):  # type: ignore[no-untyped-def]
    """Move the rows of the left side to the front, in their order; returns where the right begins.

    Written without branches, since which way a row goes cannot be predicted.
    """
    at = start
    other = 0
    for i in range(start, end):
        row = rows[i]
        left = mask[column[row]]
        rows[at] = row
        spare[other] = row
        at += left
        other += 1 - left
    # Element by element: an assignment of slices takes seconds to compile.
    for i in range(other):
        rows[at + i] = spare[i]
    return at


@part
def restrict(table, own, node, child, f):  # type: ignore[no-untyped-def]
    """Where the child of a node that is split by feature f may look."""
    groups = table.groups
    for k in range(groups.shape[1]):
        own.allowed[child, k] = own.allowed[node, k] if groups.shape[0] == 0 else 0
    for g in range(groups.shape[0]):
        own.open[child, g] = own.open[node, g] & groups[g, f]
        if own.open[child, g]:
            for k in range(groups.shape[1]):
                own.allowed[child, k] |= own.allowed[0, k] & groups[g, k]


@part
def divide(table, shared, own, node, left):  # type: ignore[no-untyped-def]
    """Split a node: its rows, its sums and the bounds of its children `left` and `left` + 1."""
    nodes, sums = own.nodes, own.sums
    start, end, owner = nodes[node, START], nodes[node, END], nodes[node, OWNER]
    f = nodes[node, FEATURE]
    middle = separate(
        table.bins[f], shared.masks[owner, node], own.rows, own.spare, start, end
    )  # fmt: skip
    nodes[node, LEFT], nodes[node, RIGHT] = left, left + 1
    for child in range(left, left + 2):
        nodes[child, :FEATURE] = -1
        nodes[child, START] = start if child == left else middle
        nodes[child, END] = middle if child == left else end
        nodes[child, LEVEL] = nodes[node, LEVEL] + 1
        nodes[child, SLOT] = -1
        for k in range(3):
            part_of = shared.offers[owner, node, 3 + k]
            sums[child, k] = part_of if child == left else sums[node, k] - part_of
        sums[child, GAIN] = 0.0
        sums[child, LOWER], sums[child, UPPER] = sums[node, LOWER], sums[node, UPPER]
        restrict(table, own, node, child, f)
    sign = table.kinds[f, 2]
    if sign != 0:
        # Whatever stands below, the two sides stay apart at the middle of their values.
        l2 = table.real[2]
        a = leaf_value(sums[left, 0], sums[left, 1], l2, sums[node])
        b = leaf_value(sums[left + 1, 0], sums[left + 1, 1], l2, sums[node])
        sums[left, UPPER if sign > 0 else LOWER] = (a + b) / 2.0
        sums[left + 1, LOWER if sign > 0 else UPPER] = (a + b) / 2.0


@part
def may_split(table, own, node):  # type: ignore[no-untyped-def]
    """Whether a node has rows and levels enough for a split."""
    deep = own.nodes[node, LEVEL] >= table.whole[1]
    return own.sums[node, ROWS] >= 2.0 * table.real[0] and not deep


@part
def count_children(table, own, node, small, slot, first, last):  # type: ignore[no-untyped-def]
    """The children's histograms: the small one's from its rows, the other's by subtraction."""
    nodes = own.nodes
    big = 2 * nodes[node, LEFT] + 1 - small
    nodes[small, SLOT], nodes[big, SLOT] = slot, nodes[node, SLOT]
    fill(table, own, nodes[small, START], nodes[small, END], slot, first, last)
    less, rest = own.histograms[slot], own.histograms[nodes[big, SLOT]]
    for f in range(last - first):
        for b in range(256):
            for k in range(3):
                rest[f, b, k] -= less[f, b, k]


@jit
def grow(table, shared, own, me, threads):  # type: ignore[no-untyped-def]
    """Grow a tree from the root whose rows and sums stand in `own`; returns the number of nodes."""
    d = table.bins.shape[0]
    first, last = d * me // threads, d * (me + 1) // threads
    nodes, sums, free = own.nodes, own.sums, own.free
    most = table.whole[0]
    unused = most - 1
    for i in range(most):
        free[i] = i
    nodes[0, SLOT] = free[unused]
    nodes[0, :FEATURE] = -1
    fresh, made, leaves, goal = 0, 1, 1, 0
    if may_split(table, own, 0) and most > 1:
        fill(table, own, nodes[0, START], nodes[0, END], nodes[0, SLOT], first, last)
    while True:
        for node in range(fresh, made):
            shared.offers[me, node, 0] = 0.0
            if may_split(table, own, node):
                find(
                    table, own, nodes[node, SLOT], own.allowed[node], first, last, sums[node],
                    shared.offers[me, node], shared.masks[me, node],
                )  # fmt: skip
        goal += threads
        meet(shared.arrived, goal)
        for node in range(fresh, made):
            accept(shared, own, node, threads)
            if sums[node, GAIN] == 0.0:
                free[unused] = nodes[node, SLOT]
                unused += 1
        fresh = made
        while fresh == made:
            node = -1
            for i in range(made):
                better = node < 0 or sums[i, GAIN] > sums[node, GAIN]
                if nodes[i, LEFT] < 0 and sums[i, GAIN] > 0.0 and better:
                    node = i
            if node < 0 or leaves == most:
                return made
            divide(table, shared, own, node, made)
            leaves += 1
            small = made
            if sums[made, ROWS] > sums[made + 1, ROWS]:
                small = made + 1
            made += 2
            if leaves == most:
                return made
            if may_split(table, own, made - 1) or may_split(table, own, made - 2):
                unused -= 1
                count_children(table, own, node, small, free[unused], first, last)
            else:
                # Two leaves for good: the parent's histogram is free again.
                free[unused] = nodes[node, SLOT]
                unused += 1
                fresh = made


@jit
def put(column, cuts, out):  # type: ignore[no-untyped-def]
    """out[i] = the number of cuts below column[i], MISSING for NaN; cuts [256], filled with ∞."""
    for i in range(column.size):
        x = column[i]
        # Eight halvings without a branch: where a value lies cannot be predicted.
        low = np.uint32(cuts[127] < x) << np.uint32(7)
        for bit in (6, 5, 4, 3, 2, 1, 0):
            step = np.uint32(1 << bit)
            low += np.uint32(cuts[low + step - np.uint32(1)] < x) << np.uint32(bit)
        out[i] = low if x == x else MISSING


@jit
def add_leaves(rows, nodes, value, out):  # type: ignore[no-untyped-def]
    """out[row] += value of the leaf in which the row lies."""
    for node in range(value.size):
        if nodes[node, LEFT] < 0:
            for i in range(nodes[node, START], nodes[node, END]):
                out[rows[i]] += value[node]
