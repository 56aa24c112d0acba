"""Compiled loops of t-SNE: what NumPy cannot do in a few calls.

Points [N, 3] are padded with zeros below three dimensions.

w = 1/(1 + d²/ν) for ν degrees of freedom; the kernel of a pair is q = w^((ν + 1)/2), of which Z is
the sum over all pairs.
"""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Compiled loops take their types from their arguments.
import numpy as np

from chainrule.learn.compiling import SUMS, jit

# Points of a leaf: few enough that adding them one by one is cheaper than a deeper tree.
LEAF = 6
# Bits of a coordinate in a cell's number.
BITS = 20


@jit
def build(sums, numbers, dims, side, cells, spans, stack, path):
    """The tree of points sorted by their cells' numbers, each cell before those inside it.

    sums [N + 1, 3]: running sums of the points. cells [M, 5]: centre of mass, count, squared width;
    spans [M, 3]: first and last point, and the next cell that is not inside (negative for leaves).
    stack [3, 8·BITS + 8] and path [BITS + 1] are scratch. Returns how many cells there are, −1 if
    there is no room for them.
    """
    stack[0, 0], stack[1, 0], stack[2, 0] = 0, numbers.size, 0
    top, count, deepest = 1, 0, -1
    while top > 0:
        top -= 1
        a, b, depth = stack[0, top], stack[1, top], stack[2, top]
        node = count
        if node == cells.shape[0]:
            return -1
        count += 1
        # What lies as deep or deeper ends here.
        for level in range(depth, deepest + 1):
            spans[path[level], 2] *= node
        path[depth] = node
        deepest = depth
        for d in range(3):
            cells[node, d] = (sums[b, d] - sums[a, d]) / (b - a)
        width = side / (1 << depth)
        cells[node, 3] = b - a
        cells[node, 4] = width * width
        spans[node, 0], spans[node, 1] = a, b
        spans[node, 2] = -1
        if b - a <= LEAF or depth == BITS:
            continue
        spans[node, 2] = 1
        # Children from the last to the first, so that the first lies on top of the stack.
        shift = (BITS - 1 - depth) * dims
        end = b
        while end > a:
            digit = numbers[end - 1] >> shift
            begin = end - 1
            while begin > a and numbers[begin - 1] >> shift == digit:
                begin -= 1
            stack[0, top], stack[1, top], stack[2, top] = begin, end, depth + 1
            top += 1
            end = begin
    for level in range(deepest + 1):
        spans[path[level], 2] *= count
    return count


@jit(fastmath=SUMS)
def repel(points, cells, spans, count, angle, freedom, first, last, out):
    """out[i] = Σ_j q·w·(y_i − y_j), far cells as one point (Barnes and Hut). Returns Σ q."""
    power = (freedom + 1) / 2
    inverse = 1 / freedom
    limit = angle * angle
    total = 0.0
    for i in range(first, last):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        fx, fy, fz, mass = 0.0, 0.0, 0.0, 0.0
        node = 0
        while node < count:
            after = spans[node, 2]
            dx, dy, dz = x - cells[node, 0], y - cells[node, 1], z - cells[node, 2]
            square = dx * dx + dy * dy + dz * dz
            if cells[node, 4] < limit * square:
                w = 1 / (1 + square * inverse)
                q = w if power == 1 else w**power
                size = cells[node, 3]
                mass += size * q
                force = size * q * w
                fx += force * dx
                fy += force * dy
                fz += force * dz
                node = abs(after)
            elif after < 0:
                for j in range(spans[node, 0], spans[node, 1]):
                    dx, dy, dz = x - points[j, 0], y - points[j, 1], z - points[j, 2]
                    w = 1 / (1 + (dx * dx + dy * dy + dz * dz) * inverse)
                    q = w if power == 1 else w**power
                    mass += q
                    force = q * w
                    fx += force * dx
                    fy += force * dy
                    fz += force * dz
                node = -after
            else:
                node += 1
        # The point itself was counted with q = 1.
        total += mass - 1
        out[i, 0], out[i, 1], out[i, 2] = fx, fy, fz
    return total


@jit(fastmath=SUMS)
def attract(points, starts, neighbours, shares, freedom, measure, first, last, out):
    """out[i] = Σ_j p·w·(y_i − y_j) over the stored pairs.

    Returns Σ p·log(p/q) with q not divided by Z, if `measure`, else 0.
    """
    power = (freedom + 1) / 2
    inverse = 1 / freedom
    total = 0.0
    for i in range(first, last):
        fx, fy, fz = 0.0, 0.0, 0.0
        for s in range(starts[i], starts[i + 1]):
            j = neighbours[s]
            dx = points[i, 0] - points[j, 0]
            dy = points[i, 1] - points[j, 1]
            dz = points[i, 2] - points[j, 2]
            w = 1 / (1 + (dx * dx + dy * dy + dz * dz) * inverse)
            force = shares[s] * w
            fx += force * dx
            fy += force * dy
            fz += force * dz
            if measure and shares[s] > 0:
                total += shares[s] * (np.log(shares[s]) - power * np.log(w))
        out[i, 0], out[i, 1], out[i, 2] = fx, fy, fz
    return total


@jit(fastmath=SUMS)
def pair_rows(columns, shares, freedom, first, last, near, pull, push):
    """All pairs: pull = Σ_j p·w·(y_i − y_j), push = Σ_j q·w·(y_i − y_j). Returns Σ q.

    columns [D, N]: the points; shares [N, N]; near [N] is scratch; pull and push [N, D].
    """
    dims, n = columns.shape
    power = (freedom + 1) / 2
    total = 0.0
    for i in range(first, last):
        for j in range(n):
            near[j] = 0
        for d in range(dims):
            here = columns[d, i]
            for j in range(n):
                difference = here - columns[d, j]
                near[j] += difference * difference
        for j in range(n):
            near[j] = 1 / (1 + near[j] / freedom)
        mass = 0.0
        for j in range(n):
            mass += near[j] if power == 1 else near[j] ** power
        total += mass - 1
        for d in range(dims):
            here = columns[d, i]
            a, b = 0.0, 0.0
            for j in range(n):
                w = near[j]
                q = w if power == 1 else w**power
                step = w * (here - columns[d, j])
                a += shares[i, j] * step
                b += q * step
            pull[i, d], push[i, d] = a, b
    return total
