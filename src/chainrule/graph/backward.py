"""The backward walk: gradients from outputs to leaves, in descending order of creation.

Iterative (a heap of nodes by age), so depth is limited by memory alone. What a node saved is freed
as soon as it has been used, unless the graph is retained.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from chainrule.base.errors import AutogradError, DTypeError, ShapeError
from chainrule.base.text import t
from chainrule.graph import memory
from chainrule.graph.autocast import inside
from chainrule.graph.modes import enable_grad, mode, no_grad
from chainrule.graph.node import Node, Spec
from chainrule.graph.sparse import Rows, SparseTensor, accumulated, total
from chainrule.graph.tensor import Tensor, ready, wrap


def backward(
    tensors: Tensor | Sequence[Tensor],
    gradients: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Adds the gradients of `tensors` to `.grad` of the leaves, or of `inputs` only."""
    wanted = None if inputs is None else ([inputs] if isinstance(inputs, Tensor) else list(inputs))
    if wanted is not None and not wanted:
        raise AutogradError(t("backward(inputs=[]) has nothing to compute a gradient for."))
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if gradients is None:
        gradients = [None] * len(tensors)
    gradients = [gradients] if isinstance(gradients, Tensor) else list(gradients)
    walk = _Walk(bool(create_graph if retain_graph is None else retain_graph), create_graph)
    for tensor, gradient in zip(tensors, gradients, strict=True):
        walk.start(tensor, gradient)
    if wanted is None:
        for leaf, grad in walk.run(None):
            _accumulate(leaf, grad, create_graph)
        return
    found = walk.run(wanted)
    for tensor, grad in found:
        if grad is not None:
            _accumulate(tensor, grad, create_graph)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of `outputs` with respect to `inputs` (any tensors), leaving `.grad` alone.

    An input that the outputs do not depend on is an error, unless `allow_unused` (its gradient is
    None) or `materialize_grads` (it is zero).

    >>> x = cr.tensor(3.0, requires_grad=True)
    >>> cr.autograd.grad(x**2, x)
    (tensor(6.),)
    """
    outs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    ins = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if grad_outputs is None:
        starts: list[Tensor | None] = [None] * len(outs)
    else:
        starts = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    if len(starts) != len(outs):
        raise AutogradError(
            t(
                "{outputs} outputs need {outputs} gradients, got {gradients}.",
                outputs=len(outs),
                gradients=len(starts),
            )
        )
    for number, tensor in enumerate(ins):
        if not tensor._rg:
            raise AutogradError(
                t(
                    "Input {number} does not require a gradient: set requires_grad=True before "
                    "it is used.",
                    number=number,
                )
            )
    walk = _Walk(bool(create_graph if retain_graph is None else retain_graph), create_graph)
    for tensor, start in zip(outs, starts, strict=True):
        walk.start(tensor, start)
    result: list[Tensor | None] = []
    for number, (tensor, g) in enumerate(walk.run(ins)):
        if g is None:
            if materialize_grads:
                result.append(Tensor(np.zeros(tensor.shape, tensor._data.dtype), tensor.dtype))
                continue
            if not allow_unused:
                raise AutogradError(
                    t(
                        "The outputs do not depend on input {number} (shape {shape}): pass "
                        "allow_unused=True to get None for it.",
                        number=number,
                        shape=tensor.shape,
                    )
                )
            result.append(None)
        else:
            result.append(_as_tensor(g, tensor))
    return tuple(result)


class _Walk:
    """One backward pass. Gradients are arrays, or tensors where they are recorded themselves."""

    def __init__(self, retain: bool, record: bool) -> None:
        self.retain = retain
        self.record = record
        self.F = mode.recording if record else mode.F if mode.watch is None else mode.watch.F
        self.checks = mode.anomaly
        if self.F is mode.watching and not record:
            self.F = type(mode).F
        self.steep: list[Node] = []  # for the checks: whose gradient was first infinite
        self.pending: dict[Node, Any] = {}  # gradient of each node's output, or a list of them
        self.heap: list[tuple[int, Node]] = []
        self.leaves: dict[int, list[Any]] = {}  # id → [leaf, gradient, whether it is ours alone]

    def start(self, tensor: Tensor, gradient: Tensor | None) -> None:
        if not tensor._rg:
            raise AutogradError(
                t(
                    "This tensor does not require a gradient and was not computed from one that "
                    "does, so backward() has nothing to do: was requires_grad=True forgotten, or "
                    "was it computed under no_grad()?"
                )
            )
        ready(tensor)
        data = tensor._data
        if gradient is None:
            if data.size != 1:
                raise AutogradError(
                    t(
                        "backward() without a gradient needs a single number; this tensor has "
                        "shape {shape}. Write loss.sum().backward(), or pass gradient= of that "
                        "shape.",
                        shape=tensor.shape,
                    )
                )
            g: Any = np.ones(data.shape, data.dtype)
            g = mode.F.asarray(g)
            g = wrap(g) if self.record else g
        else:
            if gradient.shape != tensor.shape:
                raise ShapeError(
                    t(
                        "gradient has shape {gradient}, the tensor has shape {shape}: they must "
                        "be equal.",
                        gradient=gradient.shape,
                        shape=tensor.shape,
                    )
                )
            if not gradient.dtype.is_floating_point:
                raise DTypeError(t("gradient must be floating point, not {d}.", d=gradient.dtype))
            g = gradient if self.record else gradient._data
        if tensor._node is None:
            self._to_leaf(tensor, g, False)
        else:
            self._to_node(tensor._node, tensor._index, g)

    def run(self, wanted: list[Tensor] | None) -> list[tuple[Tensor, Any]]:
        """Walks down to the leaves, or only to `wanted`; returns pairs of tensor and gradient."""
        if wanted is not None:
            for tensor in wanted:
                ready(tensor)
        captured: dict[tuple[Node, int], Any] = {}
        watched = {(w._node, w._index) for w in wanted or () if w._node is not None}
        useful, reached = (None, None) if wanted is None else self._useful(wanted)
        recording = enable_grad() if self.record else no_grad()
        with np.errstate(all="ignore"), recording, inside(None):
            while self.heap:
                node = heappop(self.heap)[1]
                g = self.pending.pop(node)
                if node.hooks is not None:
                    g = self._hooked(node, g)
                if watched:
                    for number in range(len(node.outputs) if node.outputs else 1):
                        if (node, number) in watched:
                            captured[node, number] = g[number] if node.outputs else g
                if useful is None or node in useful:
                    self._step(node, g, reached)
        if self.checks is not None:
            self.checks.summed(list(self.leaves.values()), self.steep)
        if wanted is None:
            return [(leaf, self._final(leaf, g, own)) for leaf, g, own in self.leaves.values()]
        pairs: list[tuple[Tensor, Any]] = []
        done: dict[int, Any] = {}
        for tensor in wanted:
            if tensor._node is not None:
                pairs.append((tensor, captured.get((tensor._node, tensor._index))))
            elif id(tensor) in self.leaves:
                if id(tensor) not in done:
                    done[id(tensor)] = self._final(*self.leaves[id(tensor)])
                pairs.append((tensor, done[id(tensor)]))
            else:
                pairs.append((tensor, None))
        return pairs

    def _step(self, node: Node, g: Any, reached: set[Any] | None) -> None:
        saved = node.saved
        if saved is None:
            raise AutogradError(
                t(
                    "Backward a second time through {op}: its saved values were freed by the "
                    "first. Pass retain_graph=True to the first backward().",
                    op=node.op.name,
                )
            )
        if memory.writes.last > node.seq:
            _refuse_stale(node)
        if self.record:
            saved = _as_recorded(node)
        if self.checks is None:
            results = node.op.backward(self.F, node, g, saved)
        else:
            results = self.checks.backward(self.F, node, g, saved, self.steep)
        indices = node.indices
        for i, (edge, result) in enumerate(zip(node.edges, results, strict=True)):
            if edge is None or result is None:
                continue
            if edge.__class__ is Node:
                if reached is None or edge in reached:
                    self._to_node(edge, indices[i] if indices else 0, result)
            else:
                self._to_leaf(edge, result, result is not g and _alone(result, saved, results))
        if not self.retain and node.op.keeps:
            node.saved = None

    def _to_node(self, node: Any, index: int, g: Any) -> None:
        held = self.pending.get(node)
        if held is None:
            heappush(self.heap, (-node.seq, node))
            if node.outputs is None:
                self.pending[node] = g
            else:
                self.pending[node] = [g if i == index else None for i in range(len(node.outputs))]
        elif node.outputs is None:
            self.pending[node] = held + g
        else:
            held[index] = g if held[index] is None else held[index] + g

    def _to_leaf(self, leaf: Any, g: Any, own: bool) -> None:
        entry = self.leaves.get(id(leaf))
        if entry is None:
            self.leaves[id(leaf)] = [leaf, g, own]
        else:
            entry[1] = total(entry[1], g)
            entry[2] = True

    def _hooked(self, node: Node, g: Any) -> Any:
        for index, hook in list(node.hooks or ()):
            value = g[index] if node.outputs else g
            if value is None:
                continue
            result = hook(value if self.record else wrap(value))
            if result is not None:
                value = result if self.record else result._data
                if node.outputs:
                    g[index] = value
                else:
                    g = value
        return g

    def _final(self, leaf: Tensor, g: Any, own: bool) -> Any:
        extra = leaf._extra
        data = leaf._data
        if (
            own
            and extra is None
            and g.__class__ is data.__class__ is np.ndarray
            and g.shape == data.shape
            and g.dtype is data.dtype
        ):
            return g  # as nearly always
        if extra is not None and extra.hooks:
            for hook in list(extra.hooks.values()):
                result = hook(g if self.record else _as_tensor(g, leaf))
                if result is not None:
                    plain = not self.record and not isinstance(result, SparseTensor)
                    g, own = (result._data if plain else result), False
        if isinstance(g, Rows):
            return g
        if g.shape != leaf.shape:
            raise ShapeError(
                t(
                    "A hook or custom function gave a gradient of shape {grad} for a tensor of "
                    "shape {shape}: they must be equal.",
                    grad=g.shape,
                    shape=leaf.shape,
                )
            )
        if isinstance(g, SparseTensor):
            return g.to(leaf.dtype)
        if not self.record and isinstance(g, np.ndarray | np.generic):
            if g.dtype != leaf._data.dtype:
                g = np.asarray(g).astype(leaf._data.dtype)
            elif not own:
                g = np.array(g)
        return g

    def _useful(self, wanted: list[Tensor]) -> tuple[set[Any], set[Any]]:
        """The nodes to pass on the way to a wanted tensor; these and the wanted nodes."""
        seen = {node for _, node in self.heap}
        stack, order = list(seen), []
        while stack:
            node = stack.pop()
            order.append(node)
            for edge in node.edges:
                if edge.__class__ is Node and edge not in seen:
                    seen.add(edge)
                    stack.append(edge)
        leaves = {id(w) for w in wanted if w._node is None}
        nodes = {w._node for w in wanted if w._node is not None}
        useful: set[Any] = set()
        for node in sorted(order, key=lambda n: n.seq):
            for edge in node.edges:
                if id(edge) in leaves or edge in nodes or edge in useful:
                    useful.add(node)
        return useful, useful | nodes


def _alone(result: Any, saved: Any, results: Any) -> bool:
    """Whether nothing else can hold this array: what others hold must not be added to in place."""
    if result.__class__ is not np.ndarray or result.base is not None:
        return False
    for value in saved:
        if value is result:
            return False
    return sum([other is result for other in results]) == 1


def _refuse_stale(node: Node) -> None:
    for value in node.saved:
        if value.__class__ is np.ndarray and memory.written_at(value) > node.seq:
            raise AutogradError(
                t(
                    "{op} saved a tensor of shape {shape} for its gradient, and that tensor was "
                    "modified by an in-place operation afterwards, so the gradient would be "
                    "wrong. Use the out-of-place form, or clone() before modifying it.",
                    op=node.op.name,
                    shape=value.shape,
                )
            )


def _as_recorded(node: Node) -> tuple[Any, ...]:
    """What the node saved, as tensors tied into the graph, so that gradients are recorded."""
    saved: list[Any] = []
    for i, value in enumerate(node.saved):
        if value is None or isinstance(value, Spec | int | float | bool):
            saved.append(value)
        elif i < len(node.edges):
            edge = node.edges[i]
            if edge is None:
                saved.append(wrap(value))
            elif isinstance(edge, Node):
                saved.append(_tied(value, edge, node.indices[i] if node.indices else 0))
            else:
                saved.append(edge)
        elif i - len(node.edges) < len(node.outputs or (None,)):
            saved.append(_tied(value, node, i - len(node.edges)))
        else:
            saved.append(wrap(value))
    return tuple(saved)


def _tied(data: Any, node: Node, index: int) -> Tensor:
    out = wrap(data)
    if data.dtype.kind == "f":
        out._node, out._index, out._rg = node, index, True
    return out


def _as_tensor(g: Any, like: Tensor) -> Tensor:
    if isinstance(g, Tensor):
        return g
    rows = None
    if isinstance(g, Rows):
        g, rows = g.dense, wrap(g.there)
    out = wrap(np.asarray(g) if isinstance(g, np.generic) else g)
    if like._extra is not None and like._extra.dtype is not None:
        out._more().dtype = like._extra.dtype
    if rows is not None:
        out._more().rows = rows
    return out


def _both(a: Tensor, b: Tensor) -> Tensor | None:
    """The rows of two sparse gradients of a trace; None where one is dense."""
    first, second = (None if g._extra is None else g._extra.rows for g in (a, b))
    return None if first is None or second is None else first | second


def _accumulate(leaf: Tensor, g: Any, record: bool) -> None:
    tracing = mode.trace is not None
    plain = leaf._extra is None and g.__class__ is np.ndarray and not tracing
    if plain and leaf._grad is None:
        leaf._grad = wrap(g)  # as nearly always
        return
    g = _as_tensor(g, leaf)
    if tracing:
        mode.trace.read_grad(leaf)
        mode.trace.note_grad(leaf)
    if leaf._grad is None:
        leaf._grad = g
    elif record or leaf._grad._rg:
        leaf._grad = leaf._grad + g
    elif mode.trace is not None:
        if leaf._grad._extra is not None:
            leaf._grad._extra.rows = _both(leaf._grad, g)
        mode.trace.assign(leaf._grad, leaf._grad + g)
    elif SparseTensor in (leaf._grad.__class__, g.__class__):
        leaf._grad = accumulated(leaf._grad, g)
    else:
        with np.errstate(all="ignore"):
            leaf._grad._data += g._data
        memory.written(leaf._grad._data)
    extra = leaf._extra
    if extra is not None and extra.post_hooks:
        for hook in list(extra.post_hooks.values()):
            hook(leaf)
