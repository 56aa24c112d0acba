"""Operations that users define with a forward and a backward (PyTorch's `autograd.Function`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.base.errors import AutogradError
from chainrule.base.text import t
from chainrule.graph import memory
from chainrule.graph.modes import mode, no_grad
from chainrule.graph.node import Node, Spec
from chainrule.graph.tensor import Tensor, ready, spec_of, wrap


class Context:
    """What a forward hands to its backward."""

    def __init__(self) -> None:
        self.needs_input_grad: tuple[bool, ...] = ()
        self._to_save: tuple[Tensor | None, ...] = ()
        self._saved: tuple[Any, ...] | None = None
        self._constant: tuple[int, ...] = ()
        self._materialize = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for backward; a later in-place change of them is detected."""
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """The tensors given to `save_for_backward`."""
        return self._to_save if self._saved is None else self._saved

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """Outputs that get no gradient."""
        self._constant = tuple(map(id, outputs))

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (True) or None for outputs that nothing depends on."""
        self._materialize = value


class _Custom:
    """The operation of one call, as nodes see it."""

    keeps = True

    def __init__(
        self,
        function: type[Function],
        context: Context,
        count: int,
        places: tuple[int | None, ...],
        specs: tuple[Spec | None, ...],
    ) -> None:
        self.specs: Any = specs  # shape and dtype of each tensor among the arguments
        self.places = places  # where in the node's saved values each saved tensor stands
        self.name = function.__name__
        self.function = function
        self.context = context
        self.count = count  # of all arguments; nodes have one edge for each

    def backward(self, F: Any, node: Node, grads: Any, saved: Any) -> list[Any]:
        record = F is mode.recording
        context = self.context
        context._saved = tuple(
            None if at is None else saved[at] if record else wrap(saved[at]) for at in self.places
        )
        many = node.outputs or ()
        given = list(grads) if node.outputs else [grads]
        for i, g in enumerate(given):
            if g is None and context._materialize:
                given[i] = F.full(many[i].shape, 0, many[i].dtype)
        given = [g if g is None or isinstance(g, Tensor) else wrap(np.asarray(g)) for g in given]
        results = self.function.backward(context, *given)
        context._saved = None
        results = results if isinstance(results, tuple | list) else (results,)
        if len(results) != self.count:
            raise AutogradError(
                t(
                    "{name}.backward returned {n} gradients for {m} inputs: return one for each "
                    "argument of forward, None where there is none.",
                    name=self.name,
                    n=len(results),
                    m=self.count,
                )
            )
        out: list[Any] = []
        for i, (edge, r) in enumerate(zip(node.edges, results, strict=True)):
            if edge is None or r is None:
                out.append(None)
                continue
            r = r if record else r._data
            shape, dtype = self.specs[i].shape, self.specs[i].dtype
            if not _expands(shape, r.shape):
                raise AutogradError(
                    t(
                        "{name}.backward returned a gradient of shape {found} for argument {i} of "
                        "shape {shape}: they must be equal.",
                        name=self.name,
                        found=r.shape,
                        i=i,
                        shape=shape,
                    )
                )
            r = F.sum_to(r, shape)
            out.append(r if r.dtype.kind == dtype.kind and r.dtype == dtype else F.astype(r, dtype))
        return out


def _expands(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether `shape` broadcasts to `to`, so that a sum brings `to` back to it."""
    extra = len(to) - len(shape)
    return extra >= 0 and all(n in (1, m) for n, m in zip(shape, to[extra:], strict=True))


class Function:
    """Subclass it with static methods `forward(ctx, *args)` and `backward(ctx, *grad_outputs)`.

    `apply(*args)` runs it. `backward` returns one gradient for each argument of `forward`. Written
    with tensor operations, it can itself be differentiated.

    >>> class Clip(cr.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x.clamp(-1, 1)
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * (x.abs() <= 1)
    >>> x = cr.tensor([0.5, 2.0], requires_grad=True)
    >>> Clip.apply(x).sum().backward()
    >>> x.grad
    tensor([1., 0.])
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise AutogradError(t("A Function needs a static method forward(ctx, *args)."))

    @staticmethod
    def backward(ctx: Context, *grad_outputs: Any) -> Any:
        raise AutogradError(t("A Function needs a static method backward(ctx, *grad_outputs)."))

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Runs the forward, recorded as one operation."""
        context = Context()
        context.needs_input_grad = tuple(isinstance(a, Tensor) and a._rg for a in args)
        recorded = mode.grad and any(context.needs_input_grad)
        with no_grad():
            if "setup_context" in cls.__dict__:
                result = cls.forward(*args)
                cls.setup_context(context, args, result)  # type: ignore[attr-defined]
            else:
                result = cls.forward(context, *args)
        if not recorded:
            context._to_save = ()
            return result
        many = isinstance(result, tuple)
        outputs = [
            wrap(y._data.view() if isinstance(y._data, np.ndarray) else y._data)
            if any(y is a for a in args)
            else y
            for y in (result if many else (result,))
        ]
        edges: list[Any] = []
        saved: list[Any] = []
        indices: list[int] = []
        kept = context._to_save
        for a in args:
            tensor = isinstance(a, Tensor)
            if tensor:
                ready(a)
            edges.append(None if not tensor or not a._rg else a if a._node is None else a._node)
            indices.append(a._index if tensor else 0)
            saved.append(a._data if tensor and any(a is k for k in kept) else None)
        # Saved by value: a saved output would otherwise hold its own node in a cycle.
        saved += [y._data if any(y is k for k in kept) else None for y in outputs]
        known = [*args, *outputs]
        places: list[int | None] = []
        for k in kept:
            at = next((i for i, v in enumerate(known) if v is k), None)
            if at is None and k is not None:
                at = len(saved)  # a value from inside the forward: a constant for backward
                saved.append(k._data)
                known.append(k)
            places.append(at)
        specs = tuple(spec_of(a) if isinstance(a, Tensor) else None for a in args)
        node = Node(
            _Custom(cls, context, len(args), tuple(places), specs), {}, memory.tick(), tuple(edges),
            tuple(indices) if any(indices) else None, tuple(saved),
        )  # fmt: skip
        if mode.watch is not None:
            values = [a._data if isinstance(a, Tensor) else a for a in args]
            mode.watch.made(node, values, [y._data for y in outputs])
        if mode.anomaly is not None:
            values = [getattr(a, "_data", a) for a in args]
            mode.anomaly.computed(node.op, values, {}, [y._data for y in outputs])
            mode.anomaly.made(node, values)
        context._to_save = ()
        node.outputs = tuple(Spec(y._data.shape, y._data.dtype) for y in outputs) if many else None
        for i, y in enumerate(outputs):
            if y._data.dtype.kind == "f" and id(y) not in context._constant:
                y._node, y._index, y._rg = node, i if many else 0, True
        return tuple(outputs) if many else outputs[0]
