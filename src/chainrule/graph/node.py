"""One recorded operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.graph.tensor import Tensor


class Spec:
    """Shape and dtype of an input whose value the gradient does not need, so is not kept."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape = shape
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        n = 1
        for s in self.shape:
            n *= s
        return n

    def __repr__(self) -> str:
        return f"Spec({self.shape}, {self.dtype})"


class Node:
    """One recorded operation: what it was, where its inputs came from, what its gradient needs.

    `op`: has a `name`, `keeps` (whether its nodes save any value) and `backward(F, node, grads,
    saved)`, which gives the gradients of the inputs: one for each edge, None where there is none.
    `grads` is the gradient of the output (a list where there are several); `saved` is `node.saved`,
    or tensors made of it when the gradient itself is to be recorded.
    `seq`: when it was made; inputs always come from nodes with a smaller one, so descending `seq`
    is a topological order. `edges`: for each input the node that made it, the leaf tensor that it
    is, or None if it needs no gradient. `indices`: which output of that node (None: all the first).
    `saved`: the inputs, then the output (`Spec` in place of what is not needed); None once freed.
    `outputs`: 0 for one output, else the `Spec` of each.
    """

    __slots__ = (
        "__weakref__", "edges", "hooks", "indices", "op", "outputs", "params", "saved", "seq",
    )  # fmt: skip

    def __init__(
        self,
        op: Any,
        params: dict[str, Any],
        seq: int,
        edges: tuple[Node | Tensor | None, ...],
        indices: tuple[int, ...] | None,
        saved: Any,
    ) -> None:
        self.op = op
        self.params = params
        self.seq = seq
        self.edges = edges
        self.indices = indices
        self.saved = saved
        self.hooks: list[Any] | None = None
        self.outputs: tuple[Spec, ...] | None = None

    @property
    def next_functions(self) -> tuple[tuple[Node | Tensor | None, int], ...]:
        """PyTorch's view of the edges: pairs of (node or leaf, which output)."""
        return tuple(zip(self.edges, self.indices or (0,) * len(self.edges), strict=True))

    def name(self) -> str:
        return f"{self.op.name}_backward"

    def __repr__(self) -> str:
        return f"<{self.name()}>"
