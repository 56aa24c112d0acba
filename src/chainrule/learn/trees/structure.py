"""A grown tree: its arrays (scikit-learn's names), its walks and its pruning."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from chainrule.learn.trees.growing import grow_best_first, grow_depth_first
from chainrule.learn.trees.ranking import Columns, Ranking, in_threads, row_blocks
from chainrule.learn.trees.walking import (
    Nodes,
    add_trees,
    apply_trees,
    join,
    memory,
    pack,
)


@dataclass(frozen=True)
class Limits:
    """When growth stops; the numbers mean what scikit-learn's parameters of these names mean."""

    criterion: int
    classes: int = 1
    max_depth: int = 2**31 - 1
    min_samples_split: int = 2
    min_samples_leaf: int = 1
    max_features: int = 1
    random_cuts: bool = False
    min_weight_leaf: float = 0.0
    min_impurity_decrease: float = 0.0
    max_leaf_nodes: int | None = None


# As many walks, one row through one tree each, are worth another thread.
_WORTH = 40_000
# Rows that become float32 at a time.
_BLOCK = 4096


class Tree:
    """A binary tree over float32 rows: `x ≤ threshold` goes left, −1 marks no child.

    Attributes (arrays over the nodes, preorder unless max_leaf_nodes was given): children_left,
    children_right, feature (−2: leaf), threshold, impurity, n_node_samples,
    weighted_n_node_samples, missing_go_to_left, value [nodes, 1, classes or 1].
    """

    n_outputs = 1

    def __init__(self, nodes: Any, facts: Any, value: Any, n_features: int) -> None:
        self.children_left, self.children_right, self.feature, self.n_node_samples = (
            np.ascontiguousarray(nodes[:, k], dtype=np.int64) for k in range(4)
        )
        self.missing_go_to_left = np.ascontiguousarray(nodes[:, 4], dtype=np.uint8)
        self.threshold, self.impurity, self.weighted_n_node_samples = (
            np.ascontiguousarray(facts[:, k]) for k in range(3)
        )
        self.value = np.array(value)[:, None, :]
        self.n_features = n_features

    def __getstate__(self) -> dict[str, Any]:
        return {name: kept for name, kept in vars(self).items() if name != "packed"}

    @property
    def node_count(self) -> int:
        return len(self.feature)

    @property
    def capacity(self) -> int:
        return len(self.feature)

    @property
    def n_leaves(self) -> int:
        return int((self.children_left < 0).sum())

    @property
    def max_n_classes(self) -> int:
        return int(self.value.shape[2])

    @property
    def n_classes(self) -> Any:
        return np.array([self.value.shape[2]])

    @property
    def depths(self) -> Any:
        """How many splits stand above each node."""
        depth = np.zeros(self.node_count, np.int64)
        for children in self._levels():
            depth[self.children_left[children]] = depth[children] + 1
            depth[self.children_right[children]] = depth[children] + 1
        return depth

    @property
    def max_depth(self) -> int:
        return sum(1 for _ in self._levels())

    def _levels(self) -> Any:
        """The splitting nodes of each level, from the root down."""
        level = np.zeros(1, np.int64)
        while True:
            level = level[self.children_left[level] >= 0]
            if not len(level):
                return
            yield level
            level = np.concatenate([self.children_left[level], self.children_right[level]])

    @cached_property
    def packed(self) -> Nodes:
        """The nodes as the walks want them; a value that changes in `value` changes here, too."""
        return pack(
            self.threshold, self.children_left, self.children_right, self.feature,
            self.missing_go_to_left, self.value[:, 0, :],
        )  # fmt: skip

    def apply(self, X: Any) -> Any:
        """int64 [rows], the leaf that each row of a table of floats reaches, seen as float32."""
        out = np.empty((len(X), 1), np.int64)
        root, places = np.zeros(1, np.uint32), memory()
        step = len(X) if X.dtype == np.float32 and X.flags.c_contiguous else _BLOCK
        for low in range(0, len(X), max(step, 1)):
            # Machine code is compiled once more for rows that may not be written.
            rows = np.require(X[low : low + step], np.float32, ("C", "W"))
            apply_trees(rows, *self.packed[:3], root, places, out[low : low + step])
        return out[:, 0]

    def settle(self, X: Any) -> Any:
        """As `apply`, on all rows at once: for few levels, without machine code to be compiled."""
        at, every = np.zeros(len(X), np.int64), np.arange(len(X))
        for _ in self._levels():
            # A leaf has the feature −2 and keeps its rows.
            x = X[every, np.maximum(self.feature, 0)[at]].astype(np.float32)
            right = x > self.threshold[at]
            unknown = np.flatnonzero(np.isnan(x))
            right[unknown] = self.missing_go_to_left[at[unknown]] == 0
            there = np.where(right, self.children_right[at], self.children_left[at])
            at = np.where(there < 0, at, there)
        return at

    def predict(self, X: Any) -> Any:
        """[rows, classes or 1], the values of the leaves."""
        return self.packed.values[self.apply(X)]

    def decision_path(self, X: Any) -> Any:
        """Sparse [rows, nodes], 1 where a row passes through a node."""
        parent = np.full(self.node_count, -1)
        inner = np.flatnonzero(self.children_left >= 0)
        parent[self.children_left[inner]] = inner
        parent[self.children_right[inner]] = inner
        length = self.depths + 1
        leaf = self.apply(X)
        starts = np.concatenate([[0], np.cumsum(length[leaf])])
        columns = np.empty(starts[-1], np.int64)
        node, at = leaf.copy(), starts[1:] - 1
        alive = np.arange(len(X))
        while len(alive):
            columns[at[alive]] = node[alive]
            at[alive] -= 1
            node[alive] = parent[node[alive]]
            alive = alive[node[alive] >= 0]
        shape = (len(X), self.node_count)
        return csr_matrix((np.ones(len(columns), np.int64), columns, starts), shape=shape)

    def decreases(self) -> Any:
        """Weight · impurity that each split removes, 0 at leaves."""
        mass = self.weighted_n_node_samples * self.impurity
        out = np.zeros(self.node_count)
        inner = self.children_left >= 0
        children = mass[self.children_left[inner]] + mass[self.children_right[inner]]
        out[inner] = mass[inner] - children
        return out

    def compute_feature_importances(self, normalize: bool = True) -> Any:
        """Share of the impurity decrease that each feature's splits brought."""
        inner = self.children_left >= 0
        out: Any = np.bincount(self.feature[inner], self.decreases()[inner], self.n_features)
        out /= self.weighted_n_node_samples[0]
        total = out.sum()
        return out / total if normalize and total > 0 else out

    # -- Cost-complexity pruning (Breiman, Friedman, Olshen, Stone 1984, chapter 3) --------------

    def pruning(self) -> Any:
        """(α, node, sum of the leaves' impurity after it) of each collapse, weakest link first."""
        inner = np.flatnonzero(self.children_left >= 0)
        cost = self.weighted_n_node_samples * self.impurity / self.weighted_n_node_samples[0]
        branch, leaves = cost.copy(), np.ones(self.node_count, np.int64)
        parent = np.full(self.node_count, -1)
        for level in reversed(list(self._levels())):
            left, right = self.children_left[level], self.children_right[level]
            parent[left] = parent[right] = level
            branch[level] = branch[left] + branch[right]
            leaves[level] = leaves[left] + leaves[right]
        alpha = np.full(self.node_count, np.inf)
        alpha[inner] = (cost[inner] - branch[inner]) / (leaves[inner] - 1)
        heap = [(float(alpha[i]), int(i)) for i in inner]
        heapq.heapify(heap)
        gone = np.zeros(self.node_count, bool)
        while heap:
            a, node = heapq.heappop(heap)
            if gone[node] or a != alpha[node]:
                continue
            more, fewer = cost[node] - branch[node], leaves[node] - 1
            stack = [node]
            while stack:
                below = stack.pop()
                if self.children_left[below] >= 0 and not gone[below]:
                    gone[below] = True
                    stack += [
                        int(self.children_left[below]),
                        int(self.children_right[below]),
                    ]
            up = node
            while up >= 0:
                branch[up] += more
                leaves[up] -= fewer
                if up != node:
                    alpha[up] = (cost[up] - branch[up]) / (leaves[up] - 1)
                    heapq.heappush(heap, (float(alpha[up]), int(up)))
                up = parent[up]
            yield a, node, float(branch[0])

    def pruned(self, ccp_alpha: float) -> Tree:
        """The tree without the branches whose links are not stronger than ccp_alpha."""
        cut = set()
        for alpha, node, _ in self.pruning():
            if alpha > ccp_alpha:
                break
            cut.add(node)
        keep, stack = [], [0]
        while stack:
            node = stack.pop()
            keep.append(node)
            if node not in cut and self.children_left[node] >= 0:
                stack += [int(self.children_right[node]), int(self.children_left[node])]
        kept = np.array(keep)
        new = np.full(self.node_count, -1)
        new[kept] = np.arange(len(kept))
        leaf = np.array([n in cut for n in keep]) | (self.children_left[kept] < 0)
        nodes = np.empty((len(kept), 5), np.int64)
        nodes[:, 0] = np.where(leaf, -1, new[self.children_left[kept]])
        nodes[:, 1] = np.where(leaf, -1, new[self.children_right[kept]])
        nodes[:, 2] = np.where(leaf, -2, self.feature[kept])
        nodes[:, 3] = self.n_node_samples[kept]
        nodes[:, 4] = np.where(leaf, 0, self.missing_go_to_left[kept])
        facts = np.stack(
            [
                np.where(leaf, -2.0, self.threshold[kept]),
                self.impurity[kept],
                self.weighted_n_node_samples[kept],
            ],
            axis=1,
        )
        return Tree(nodes, facts, self.value[kept, 0], self.n_features)


def add_values(
    trees: list[Tree],
    X: Any,
    out: Any,
    scale: float = 1.0,
    threads: int = 1,
    columns: int = 1,
) -> Any:
    """out += scale · the values of the leaves; tree t adds from column t mod `columns` on."""
    # Small trees are walked in one call; to lay large ones side by side would cost more than calls.
    small = sum(tree.node_count for tree in trees) < 100_000
    packed = in_threads(lambda tree: tree.packed, trees, 1 if small else threads)
    walks = [join(group) for group in ([packed] if small else [[one] for one in packed])]

    def block(rows: tuple[int, int]) -> None:
        at = slice(*rows)
        for i, (nodes, roots) in enumerate(walks):
            first = i % columns
            add_trees(X[at], *nodes, roots, None, first, columns, scale, memory(), out[at])

    in_threads(block, row_blocks(len(X), threads, max(2000, _WORTH // len(trees))), threads)
    return out


def grow(
    ranking: Ranking | Columns,
    target: Any,
    weight: Any,
    limits: Limits,
    seed: int,
    features: Any = None,
    samples: Any = None,
    spend: bool = False,
) -> Tree:
    """The tree of a numbered table; target and weight float64 [rows], weight 0 leaves a row out.

    features: int64 [D], the order in which they are looked at where all are: of equal splits the
    first stays. None for 0, 1, 2, …  samples: int64, the rows that count, some of them more than
    once; None for all of a weight. spend: `target` may be overwritten.
    """
    table: tuple[Any, ...]
    if isinstance(ranking, Ranking):
        d, table, missing = (
            len(ranking.low),
            (ranking.low, ranking.high, None),
            ranking.missing,
        )
    else:
        d, table, missing = len(ranking.values), (None, None, ranking.values), 0
    if samples is None and np.count_nonzero(weight) == len(weight):
        samples = np.arange(len(weight), dtype=np.int32)
    else:
        samples = (np.flatnonzero(weight) if samples is None else samples).astype(np.int32)
    count, classes = len(samples), limits.classes
    leaves = count
    if limits.max_depth < 30:
        leaves = min(leaves, 2**limits.max_depth)
    if limits.max_leaf_nodes is not None:
        leaves = min(leaves, limits.max_leaf_nodes)
    leaves = max(min(leaves, count // max(limits.min_samples_leaf, 1)), 1)
    capacity = 2 * leaves + 1
    nodes = np.empty((capacity, 7), np.int32)
    facts, value = np.empty((capacity, 3)), np.empty((capacity, classes))
    w = weight[samples].astype(np.float64, copy=False)
    every = spend and count == len(target) and target.dtype == np.float64
    y = target if every else target[samples].astype(np.float64, copy=False)
    whole = np.array(
        [
            limits.criterion, classes, limits.max_depth, limits.min_samples_split,
            limits.min_samples_leaf, limits.max_features, missing,
        ],
        np.int64,
    )  # fmt: skip
    real = np.array([limits.min_weight_leaf, limits.min_impurity_decrease, w.sum()])
    state = np.array([seed], np.uint64)
    arrays = (samples, w, y, whole, real, state, nodes, facts, value)
    counters = np.empty(4 * count + 4096, np.int32)
    work = (
        np.empty(count, np.int32),
        np.empty((2, count), np.int32),
        counters,
        np.empty(count + 1, np.int32),
        # Rows are not sorted and moved at the same time.
        counters[: 4 * count].view(np.float64).reshape(2, count),
        np.empty(count) if isinstance(ranking, Columns) else None,
        np.empty((2, classes)) if classes > 2 else None,
        np.arange(d) if features is None else features.copy(),
    )
    if limits.max_leaf_nodes is None:
        levels = min(limits.max_depth, count) + 2
        constant, stack = (
            np.empty((levels, d), np.uint8),
            np.empty((count + 1, 4), np.int64),
        )
        stack[0] = 0, count, 0, -1
        made = grow_depth_first(*table, *arrays, *work, constant, stack)
        del stack
    else:
        constant, spans = (
            np.empty((1, d), np.uint8),
            np.empty((2 * leaves, 4), np.int64),
        )
        made = grow_best_first(
            *table, *arrays, *work, constant, spans, np.empty(2 * leaves), leaves
        )
        del spans
    # What growing worked with is gone before the tree's own arrays are made.
    del arrays, counters, work, constant, samples, w, y
    nodes, facts, value = nodes[:made], facts[:made], value[:made]
    inner = np.flatnonzero(nodes[:, 0] >= 0)
    if isinstance(ranking, Ranking):
        facts[inner, 0] = ranking.cuts(nodes[inner, 2], nodes[inner, 5], nodes[inner, 6])
    leaf = nodes[:, 0] < 0
    facts[leaf, 0], nodes[leaf, 4] = -2.0, 0
    return Tree(nodes, facts, value, d)
