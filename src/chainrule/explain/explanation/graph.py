"""The recorded operations behind a tensor as steps, in the order of computing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.errors import AutogradError
from chainrule.base.text import t
from chainrule.explain.explanation.capture import Record, Source, record_of
from chainrule.explain.explanation.names import Names
from chainrule.graph import memory
from chainrule.graph.autocast import inside
from chainrule.graph.modes import no_grad
from chainrule.graph.node import Node, Spec
from chainrule.graph.tensor import Tensor, ready
from chainrule.ops.arrays import NUMPY, native
from chainrule.ops.op import Op

Array = np.ndarray


class Use(NamedTuple):
    """One way on which a gradient comes back to a value: input `input` of `step`."""

    step: Step
    input: int
    gradient: Array


class Input:
    """What one input of a step is.

    `source`, `output`: the step that it comes from and which of its outputs; None for numbers and
    what was left out. `value`: an array, a number, or None if it is not known.
    """

    def __init__(
        self, name: str, source: Step | None, output: int, value: Any, shape: Any, dtype: Any,
        differentiable: bool,
    ) -> None:  # fmt: skip
        self.name = name
        self.source = source
        self.output = output
        self.value = value
        self.shape: tuple[int, ...] | None = shape
        self.dtype = dtype
        self.differentiable = differentiable
        self.gradient: Array | None = None  # what flows back along this edge


class Output:
    """One result of a step: its value, its gradient, and the uses that the gradient sums up."""

    def __init__(self, name: str, value: Any, shape: Any, dtype: Any) -> None:
        self.name = name
        self.value: Array | None = value
        self.shape: tuple[int, ...] = shape
        self.dtype = dtype
        self.gradient: Array | None = None
        self.uses: list[Use] = []


class Step:
    """One operation or leaf. `kind`: "operation", "parameter" (a leaf with gradient), "input"."""

    def __init__(self, kind: str, inputs: list[Input], outputs: list[Output]) -> None:
        self.id = ""
        self.kind = kind
        self.inputs = inputs
        self.outputs = outputs
        self.node: Node | None = None
        self.tensor: Tensor | None = None
        self.saved: Any = None
        self.recorded = False  # whether everything that went in is known
        self.name: str | None = None
        self.path: str | None = None  # of the module
        self.module_type: str | None = None
        self.source: Source | None = None
        self.inside: str | None = None
        self.parent: tuple[str, str] | None = None  # id and operation of the composite

    @property
    def op(self) -> Any:
        return None if self.node is None else self.node.op

    @property
    def known_op(self) -> type[Op] | None:
        """The operation of the registry, or None for custom functions and leaves."""
        op = self.op
        return op if isinstance(op, type) and issubclass(op, Op) else None

    @property
    def params(self) -> dict[str, Any]:
        return {} if self.node is None else self.node.params

    @property
    def op_name(self) -> str:
        return "" if self.node is None else str(self.op.name)

    @property
    def title(self) -> str:
        return self.name or self.op_name or self.outputs[0].name

    def __repr__(self) -> str:
        return f"<{self.id} {self.title}>"


class Graph:
    """All steps behind `roots`, inputs before what is computed from them."""

    def __init__(
        self, roots: Sequence[Tensor], names: Names, wrt: Sequence[Tensor] | None = None
    ) -> None:
        self.names = names
        self.steps: list[Step] = []
        self.roots: list[tuple[Step, int]] = []
        self._wanted = None if wrt is None else {id(w) for w in wrt}
        self._of_node: dict[Node, Step] = {}
        self._of_leaf: dict[int, Step] = {}
        self._of_array: dict[int, Step] = {}
        nodes = _nodes_behind(roots, wrt)
        records = {node: record_of(node) for node in nodes}
        names.learn_modules(r.modules for r in records.values() if r is not None)
        for node in nodes:
            self._add(node, records[node])
        for root in roots:
            node, index = _resolved(root._node, root._index)
            if isinstance(node, Node):
                self.roots.append((self._of_node[node], index))
            else:
                self.roots.append((self._leaf(node or root, root._data), 0))
        for number, step in enumerate(self.steps):
            step.id = f"n{number}"
        self._fill_values()
        names.settle(self.steps)

    # ---- building --------------------------------------------------------------------------------

    def _add(self, node: Node, record: Record | None) -> None:
        if record is None and node.saved is None:
            raise AutogradError(
                t(
                    "The values of {op} were freed by backward(). Explain before backward(), or "
                    "pass retain_graph=True to it, or compute the loss inside `with "
                    "chainrule.explain.recording():`, which keeps source lines and modules, too.",
                    op=node.op.name,
                )
            )
        saved = node.saved if record is None else _with_copies(record)
        _refuse_overwritten(node, saved)
        count = len(node.outputs) if node.outputs else 1
        n = len(node.edges)
        values = list(saved[:n]) if record is None else list(record.inputs[:n])
        values += [None] * (n - len(values))
        step = Step("operation", [], [])
        step.node, step.saved, step.recorded = node, saved, record is not None
        for i, (name, edge) in enumerate(zip(_input_names(node, n), node.edges, strict=True)):
            index = node.indices[i] if node.indices else 0
            step.inputs.append(self._input(name, edge, index, values[i], node))
        outputs = list(saved[n : n + count]) if record is None else list(record.outputs)
        outputs += [None] * (count - len(outputs))
        for k, (name, value) in enumerate(zip(_output_names(node, count), outputs)):
            spec = node.outputs[k] if node.outputs else value
            value = value if isinstance(value, Array) and _untouched(value, node) else None
            shape = getattr(spec, "shape", None)
            step.outputs.append(Output(name, value, shape, getattr(spec, "dtype", None)))
        if record is not None:
            step.source, step.inside = record.source, record.inside
            step.path, step.module_type = self.names.place(record.modules)
        self._of_node[node] = step
        self.steps.append(step)

    def _input(self, name: str, edge: Any, index: int, value: Any, node: Node) -> Input:
        if isinstance(edge, Node):
            edge, index = _resolved(edge, index)
        spec = value
        if self._left_out(edge):
            edge = None
        if isinstance(value, Spec) or (isinstance(value, Array) and not _untouched(value, node)):
            value = None
        if isinstance(edge, Node):
            source = self._of_node[edge]
            out = source.outputs[index]
            if value is None:
                value = out.value
            elif out.value is None and isinstance(value, Array) and out.shape in (
                None, value.shape
            ):  # fmt: skip
                out.value = value
            if out.shape is None and getattr(spec, "shape", None) is not None:
                out.shape, out.dtype = spec.shape, spec.dtype
            return Input(name, source, index, value, out.shape, out.dtype, True)
        if edge is not None:
            source = self._leaf(edge, edge._data if value is None else value)
            value = edge._data if value is None else value
            return Input(name, source, 0, value, value.shape, value.dtype, True)
        if isinstance(value, Array):
            source = self._constant(value)
            return Input(name, source, 0, value, value.shape, value.dtype, False)
        shape, dtype = getattr(spec, "shape", None), getattr(spec, "dtype", None)
        return Input(name, None, 0, value, shape, dtype, False)

    def _left_out(self, edge: Any) -> bool:
        """Whether an edge leads to nothing that is asked for: its value is data then."""
        if isinstance(edge, Node):
            return edge not in self._of_node
        return edge is not None and self._wanted is not None and id(edge) not in self._wanted

    def _leaf(self, tensor: Tensor, value: Array) -> Step:
        known = self._of_leaf.get(id(tensor))
        if known is None:
            out = Output(self.names.of(tensor) or "x", value, value.shape, value.dtype)
            known = self._of_leaf[id(tensor)] = Step("parameter", [], [out])
            known.tensor = tensor
            known.name = self.names.of(tensor)
            self.steps.append(known)
        return known

    def _constant(self, value: Array) -> Step:
        known = self._of_array.get(id(value))
        if known is None:
            name = self.names.of_array(value)
            out = Output(name or "data", value, value.shape, value.dtype)
            known = self._of_array[id(value)] = Step("input", [], [out])
            known.name = name
            self.steps.append(known)
        return known

    def _fill_values(self) -> None:
        """What was not kept is computed again where its inputs are known."""
        for step in self.steps:
            for x in step.inputs:
                if x.source is not None and x.differentiable:
                    out = x.source.outputs[x.output]
                    x.value = out.value if x.value is None else x.value
                    x.shape = out.shape if x.shape is None else x.shape
                    x.dtype = out.dtype if x.dtype is None else x.dtype
            op = step.known_op
            if op is None or all(o.value is not None for o in step.outputs):
                continue
            if any(missing(x, op) for x in step.inputs):
                _fill_shapes(step)
                continue
            with no_grad(), inside(None), np.errstate(all="ignore"):
                values = native.run(op, NUMPY, [x.value for x in step.inputs], step.params)
            for out, value in zip(step.outputs, values if op.outputs else (values,), strict=True):
                if out.value is None:
                    out.value = np.asarray(value)
                    out.shape, out.dtype = out.value.shape, out.value.dtype

    # ---- reading ---------------------------------------------------------------------------------

    @property
    def operations(self) -> Iterable[Step]:
        return (step for step in self.steps if step.kind == "operation")

    def leaf_gradient(self, tensor: Tensor) -> Array | None:
        """∂L/∂leaf, or None for a leaf that is not part of the graph."""
        step = self._of_leaf.get(id(tensor))
        return None if step is None else step.outputs[0].gradient

    def find(self, key: Any) -> tuple[Step, int]:
        """The step and output that an id, a name, a tensor or a step stands for."""
        if isinstance(key, Step):
            return key, 0
        if isinstance(key, Tensor):
            node, index = _resolved(key._node, key._index)
            if isinstance(node, Node) and node in self._of_node:
                return self._of_node[node], index
            if id(key) in self._of_leaf:
                return self._of_leaf[id(key)], 0
        for step in self.steps:
            if key in (step.id, step.name):
                return step, 0
        known = [s.name for s in self.steps if s.name]
        raise AutogradError(
            t(
                "Nothing in this graph is called {key}: it has {names}, and the ids n0 … n{n}.",
                key=repr(key) if isinstance(key, str) else type(key).__name__,
                names=", ".join(known) or t("no names"),
                n=len(self.steps) - 1,
            )
        )


def missing(x: Input, op: type[Op]) -> bool:
    """Whether the value of an input is not known (and not simply left out)."""
    left_out = x.source is None and x.shape is None and x.name in op.optional
    return x.value is None and not left_out


def _fill_shapes(step: Step) -> None:
    """An elementwise step that kept no values has the shape that its inputs broadcast to."""
    shapes = [x.shape for x in step.inputs if x.shape is not None]
    for out in step.outputs:
        if out.shape is None:
            out.shape = np.broadcast_shapes(*shapes)
            out.dtype = next((x.dtype for x in step.inputs if x.dtype is not None), None)


# ---- the tape --------------------------------------------------------------------------------


def _resolved(node: Any, index: int) -> tuple[Any, int]:
    """Past the nodes that modules put in for backward hooks, which compute nothing."""
    while isinstance(node, Node) and hasattr(node.op, "react"):
        node, index = node.edges[index], node.indices[index] if node.indices else 0
    return node, index


def _nodes_behind(roots: Sequence[Tensor], wrt: Sequence[Tensor] | None) -> list[Node]:
    """The nodes in the order of making; with `wrt` only those between it and the roots."""
    stack: list[Node] = []
    for root in roots:
        ready(root)
        if not root._rg:
            raise AutogradError(
                t(
                    "This tensor was not computed from one that requires a gradient, so there is "
                    "nothing to explain: was requires_grad=True forgotten, or was it computed "
                    "under no_grad()?"
                )
            )
        node, _ = _resolved(root._node, root._index)
        if isinstance(node, Node):
            stack.append(node)
    seen = set(stack)
    while stack:
        for edge in stack.pop().edges:
            for behind in _through(edge):
                if behind not in seen:
                    seen.add(behind)
                    stack.append(behind)
    order = sorted(seen, key=lambda n: n.seq)
    if any(node.op.name == "compiled" and not node.edges for node in order):
        raise AutogradError(
            t(
                "This tensor came out of a compiled function, which keeps no graph. Call the "
                "function inside `with chainrule.explain.recording():`, where it runs in glass "
                "mode, and explain what it gives there."
            )
        )
    if wrt is None:
        return order
    leaves = {id(w) for w in wrt if w._node is None}
    useful = {w._node for w in wrt if w._node is not None}
    for node in order:
        if any(id(e) in leaves or any(n in useful for n in _through(e)) for e in node.edges):
            useful.add(node)
    found = [node for node in order if node in useful]
    nodes = [_resolved(root._node, root._index)[0] for root in roots]
    if not all(n in useful or id(r) in leaves for n, r in zip(nodes, roots, strict=True)):
        raise AutogradError(t("This tensor was not computed from anything that wrt names."))
    return found


def _through(edge: Any) -> list[Node]:
    """The node of an edge; for a hook's node those that it stands for."""
    if not isinstance(edge, Node):
        return []
    if not hasattr(edge.op, "react"):
        return [edge]
    return [node for e in edge.edges for node in _through(e)]


def _with_copies(record: Record) -> tuple[Any, ...]:
    """What the node saved, with the parameters as they were."""
    saved = list(record.saved)
    for i, value in enumerate(record.inputs[: len(saved)]):
        if isinstance(saved[i], Array) and isinstance(value, Array):
            saved[i] = value
    return tuple(saved)


def _untouched(array: Array, node: Node) -> bool:
    return memory.written_at(array) <= node.seq


def _refuse_overwritten(node: Node, saved: Any) -> None:
    for value in saved:
        if isinstance(value, Array) and not _untouched(value, node):
            raise AutogradError(
                t(
                    "{op} used a tensor of shape {shape} that was overwritten afterwards (by an "
                    "optimiser's step?), so its numbers are gone. Explain before that, or compute "
                    "the loss inside `with chainrule.explain.recording():`.",
                    op=node.op.name,
                    shape=value.shape,
                )
            )


def _input_names(node: Node, n: int) -> list[str]:
    op = node.op
    if isinstance(op, type) and issubclass(op, Op):
        if op.variadic:
            head = list(op.inputs[:-1])
            return head + [f"{op.inputs[-1]}{i}" for i in range(n - len(head))]
        return list(op.inputs)
    return ["x"] if n == 1 else [f"x{i}" for i in range(n)]


def _output_names(node: Node, count: int) -> list[str]:
    names = list(getattr(node.op, "outputs", ()))
    return names or (["y"] if count == 1 else [f"y{k}" for k in range(count)])
