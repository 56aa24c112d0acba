"""Machine code of histogram trees: second-order gain over at most 256 bins, best leaf first.

A node's histogram is summed from its rows only for the smaller child; the sibling's is the
parent's minus it (Ke et al. 2017, LightGBM; Chen and Guestrin 2016, XGBoost, for the gain).
Several threads grow one tree: each runs `grow` on its own share of the features and moves its own
copy of the rows; they meet once a split, to learn whose split is the best.

What a task does not need is None (Hessians that are all 1, categories, monotonic signs, groups of
features), and is not compiled then.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chainrule.learn.compiling import jit, part
from chainrule.learn.trees.kernels import TIE
from chainrule.learn.trees.meeting import meet

MISSING = 255
# Rows whose gradients are gathered at once: they and a feature's histogram fit the fastest cache.
BLOCK = 1024
# Columns of `nodes`, `sums` and `offers`.
LEFT, RIGHT, FEATURE, BIN, START, END, LEVEL, SLOT, OWNER, OPEN = range(10)
GRADIENT, HESSIAN, ROWS, GAIN, LOWER, UPPER = range(6)


class Table(NamedTuple):
    """What all threads read.

    bins: uint8 [features, rows]; gradient, hessian: float64 [rows], no Hessian: all 1; kinds: int64
    [features, 2], bins in use, 1 for categories; signs: int64 [features], monotonic signs, None:
    all 0; groups: uint8 [groups, features], which features may stand in one branch, None: all;
    real: fewest rows of a leaf, its least Hessian, l2; whole: most leaves, deepest level.
    """

    bins: Any
    gradient: Any
    hessian: Any
    kinds: Any
    signs: Any
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
    nodes: int64 [nodes, 10]; sums: [nodes, 6]; allowed: uint8 [nodes, features], where a node may
    look, given for the root, which holds for all nodes where there are no groups; open: uint8
    [nodes, groups], the groups of all features above; order: int64 [256]; ratio: [256], None where
    no feature has categories; free: int64 [leaves], unused histograms but for the root's, which is
    the last.
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
def fill(  # type: ignore[no-untyped-def]
    bins, gradient, hessian, rows, block, histograms, slot, start, end, first
):
    """Histograms of own features: sums of gradient, Hessian, rows over rows start…end."""
    features = histograms.shape[1]
    for f in range(features):
        sums = histograms[slot, f]
        for b in range(256):
            for k in range(3):
                sums[b, k] = 0.0
    for low in range(start, end, BLOCK):
        count = BLOCK if low + BLOCK < end else end - low
        for i in range(count):
            row = rows[low + i]
            block[i, 0] = gradient[row]
            if hessian is not None:
                block[i, 1] = hessian[row]
        for f in range(features):
            column, sums = bins[first + f], histograms[slot, f]
            for i in range(count):
                b = column[rows[low + i]]
                sums[b, 0] += block[i, 0]
                if hessian is not None:
                    sums[b, 1] += block[i, 1]
                sums[b, 2] += 1.0
    if hessian is None:
        for f in range(features):
            sums = histograms[slot, f]
            for b in range(256):
                sums[b, 1] = sums[b, 2]


@part
def leaf_value(g, h, l2, total):  # type: ignore[no-untyped-def]
    """The Newton step −g/(h + l2), kept within what the monotonic splits above allow."""
    step = -g / (h + l2)
    if step < total[LOWER]:
        step = total[LOWER]
    return total[UPPER] if step > total[UPPER] else step


@part
def cut(sums, order, stop, missing_left, f, signs, total, real, offer):  # type: ignore[no-untyped-def]
    """Cut behind order[0], …, order[stop − 1]; the best goes into `offer`. Returns its place."""
    g = h = n = 0.0
    if missing_left:
        g, h, n = sums[MISSING, 0], sums[MISSING, 1], sums[MISSING, 2]
    place = -1
    best = offer[0]
    l2 = real[2]
    free = True
    if signs is not None:
        free = total[LOWER] == -np.inf and total[UPPER] == np.inf and signs[f] == 0
    gain = 0.0
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
        if signs is not None:  # noqa: SIM102 (decided when this is compiled)
            if not free:
                left = leaf_value(g, h, l2, total)
                right = leaf_value(other_g, other_h, l2, total)
                gain = -g * left - other_g * right
                if not gain > best + TIE * abs(best) or signs[f] * (left - right) > 0.0:
                    continue
        best = gain
        place = i
        offer[0], offer[1], offer[2] = gain, f, b
        offer[3], offer[4], offer[5] = g, h, n
    return place


@part
def sort_categories(sums, order, ratio):  # type: ignore[no-untyped-def]
    """Order of the frequent categories by gradient over Hessian (Fisher 1958); their number."""
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
    return count


@part
def find(  # type: ignore[no-untyped-def]
    kinds, signs, real, histograms, slot, allowed, first, total, order, ratio, offer, mask
):
    """Best split of a node among own features; `offer[0]` is its gain, 0 for none."""
    parent = -total[GRADIENT] * leaf_value(total[GRADIENT], total[HESSIAN], real[2], total)
    floor = parent + 1e-12 * (1.0 + abs(parent))
    offer[0] = floor
    missing_left = seen = by_category = False
    for k in range(histograms.shape[1]):
        f = first + k
        if not allowed[f]:
            continue
        sums = histograms[slot, k]
        has_missing = sums[MISSING, 2] > 0.0
        count = kinds[f, 0]
        categories = False
        if ratio is not None:
            categories = kinds[f, 1] == 1
            if categories:
                count = sort_categories(sums, order, ratio)
        if not categories:
            for b in range(count):
                order[b] = b
        # Numbers: missing values right, then left. Categories (rare ones stay right): from the
        # front, then from the back.
        for turn in range(2 if categories or has_missing else 1):
            stop = count - 1
            if has_missing and turn == 0 and not categories:
                stop = count
            place = cut(
                sums, order, stop, turn == 1 and not categories, f, signs, total, real, offer
            )
            if place >= 0:
                missing_left, seen, by_category = turn == 1, has_missing, categories
            if ratio is not None:  # noqa: SIM102 (decided when this is compiled)
                if categories:
                    if place >= 0:
                        for b in range(256):
                            mask[b] = 0
                        for i in range(place + 1):
                            mask[order[i]] = 1
                    for i in range(count // 2):
                        order[i], order[count - 1 - i] = order[count - 1 - i], order[i]
    if offer[0] <= floor:
        offer[0] = 0.0
        return
    offer[0] -= parent
    if not by_category:
        for b in range(256):
            mask[b] = b <= offer[2]
        # Without experience a missing value goes where most rows go.
        mask[MISSING] = missing_left if seen else 2.0 * offer[5] > total[ROWS]


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
def restrict(groups, allowed, open, node, child, f):  # type: ignore[no-untyped-def]
    """Where the child of a node that is split by feature f may look."""
    for k in range(groups.shape[1]):
        allowed[child, k] = 0
    for g in range(groups.shape[0]):
        open[child, g] = open[node, g] & groups[g, f]
        if open[child, g]:
            for k in range(groups.shape[1]):
                allowed[child, k] |= allowed[0, k] & groups[g, k]


@part
def divide(  # type: ignore[no-untyped-def]
    bins, signs, groups, real, whole, offers, masks, rows, spare, nodes, sums, allowed, open, node,
    left,
):  # fmt: skip
    """Split a node: its rows, its sums and the bounds of its children `left` and `left` + 1."""
    start, end, owner = nodes[node, START], nodes[node, END], nodes[node, OWNER]
    f = nodes[node, FEATURE]
    middle = separate(bins[f], masks[owner, node], rows, spare, start, end)
    level = nodes[node, LEVEL] + 1
    nodes[node, LEFT], nodes[node, RIGHT] = left, left + 1
    for side in range(2):
        child = left + side
        nodes[child, LEFT], nodes[child, RIGHT], nodes[child, SLOT] = -1, -1, -1
        nodes[child, START] = middle if side else start
        nodes[child, END] = end if side else middle
        nodes[child, LEVEL] = level
        for k in range(3):
            here = offers[owner, node, 3 + k]
            sums[child, k] = sums[node, k] - here if side else here
        nodes[child, OPEN] = sums[child, ROWS] >= 2.0 * real[0] and level < whole[1]
        sums[child, GAIN] = 0.0
        sums[child, LOWER], sums[child, UPPER] = sums[node, LOWER], sums[node, UPPER]
        if groups is not None:
            restrict(groups, allowed, open, node, child, f)
    if signs is not None:  # noqa: SIM102 (decided when this is compiled)
        if signs[f] != 0:
            # Whatever stands below, the two sides stay apart at the middle of their values.
            a = leaf_value(sums[left, 0], sums[left, 1], real[2], sums[node])
            b = leaf_value(sums[left + 1, 0], sums[left + 1, 1], real[2], sums[node])
            sums[left, UPPER if signs[f] > 0 else LOWER] = (a + b) / 2.0
            sums[left + 1, LOWER if signs[f] > 0 else UPPER] = (a + b) / 2.0


@jit
def grow(  # type: ignore[no-untyped-def]
    bins, gradient, hessian, kinds, signs, groups, real, whole, arrived, offers, masks, rows, spare,
    block, histograms, nodes, sums, allowed, open, order, ratio, free, me, first, threads,
):  # fmt: skip
    """Grow a tree from the root in `nodes` and `sums`; returns the number of nodes.

    The arrays of `Table`, `Shared` and `Own`; me: the thread's number, first: of its features.
    """
    most = whole[0]
    unused = most - 1
    # Numbers that are handed on must not be plain constants: those have versions of their own.
    made: Any = np.int64(1)
    goal: Any = np.int64(0)
    fresh: Any = 0
    leaves = 1
    if nodes[0, OPEN]:
        fill(
            bins, gradient, hessian, rows, block, histograms, nodes[0, SLOT], nodes[0, START],
            nodes[0, END], first,
        )  # fmt: skip
    while True:
        for node in range(fresh, made):
            offers[me, node, 0] = 0.0
            if nodes[node, OPEN]:
                find(
                    kinds, signs, real, histograms, nodes[node, SLOT],
                    allowed[0 if groups is None else node], first, sums[node], order, ratio,
                    offers[me, node], masks[me, node],
                )  # fmt: skip
        goal += threads
        meet(arrived, goal)
        for node in range(fresh, made):
            # Every thread notes the same best offer: the largest gain, then the lowest feature.
            owner = 0
            for i in range(1, threads):
                if offers[i, node, 0] > offers[owner, node, 0]:
                    owner = i
            sums[node, GAIN] = offers[owner, node, 0]
            nodes[node, FEATURE] = np.int64(offers[owner, node, 1])
            nodes[node, BIN] = np.int64(offers[owner, node, 2])
            nodes[node, OWNER] = owner
            if sums[node, GAIN] == 0.0:
                free[unused] = nodes[node, SLOT]
                unused += 1
        fresh = made
        while fresh == made:
            best: Any = np.int64(0)
            gain = 0.0
            for i in range(made):
                if nodes[i, LEFT] < 0 and sums[i, GAIN] > gain:
                    best, gain = i, sums[i, GAIN]
            if gain == 0.0 or leaves == most:
                return made
            divide(
                bins, signs, groups, real, whole, offers, masks, rows, spare, nodes, sums, allowed,
                open, best, made,
            )  # fmt: skip
            leaves += 1
            small, big = made, made + 1
            if sums[small, ROWS] > sums[big, ROWS]:
                small, big = big, small
            made += 2
            if leaves == most:
                return made
            if nodes[small, OPEN] or nodes[big, OPEN]:
                # The small child's histogram from its rows, the other's by subtraction.
                unused -= 1
                nodes[small, SLOT], nodes[big, SLOT] = free[unused], nodes[best, SLOT]
                fill(
                    bins, gradient, hessian, rows, block, histograms, nodes[small, SLOT],
                    nodes[small, START], nodes[small, END], first,
                )  # fmt: skip
                for f in range(histograms.shape[1]):
                    less, rest = histograms[nodes[small, SLOT], f], histograms[nodes[big, SLOT], f]
                    for b in range(256):
                        for k in range(3):
                            rest[b, k] -= less[b, k]
            else:
                # Two leaves for good: the parent's histogram is free again.
                free[unused] = nodes[best, SLOT]
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
