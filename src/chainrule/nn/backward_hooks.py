"""Backward hooks: what lets a module see the gradients that enter and leave it.

The module's inputs and outputs are passed through a node each, which computes nothing. In backward
the node at the outputs collects the gradients of the outputs, the one at the inputs those of the
inputs, and there the hooks run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chainrule.base.errors import ArgumentError, AutogradError
from chainrule.base.text import t
from chainrule.graph import Node, Tensor, memory
from chainrule.graph.modes import mode
from chainrule.graph.tensor import spec_of, wrap

if TYPE_CHECKING:
    from chainrule.nn.hooks import CallHooks
    from chainrule.nn.module import Module

Gradients = tuple[Tensor | None, ...]


class _Crossing:
    """The operation of such a node: gradients pass unless `react` returns others."""

    name = "module_hook"
    keeps = False

    def __init__(self, react: Callable[[list[Tensor | None]], list[Tensor | None]]) -> None:
        self.react = react

    def backward(self, F: Any, node: Node, grads: list[Any], saved: Any) -> list[Any]:
        recorded = any(isinstance(g, Tensor) for g in grads)
        tensors = [g if g is None or recorded else wrap(g) for g in grads]
        answers = self.react(tensors)
        if recorded:
            return answers
        # Views, as the hooks may have kept the tensors: no one else may add to them in place.
        return [None if a is None else a._data[...] for a in answers]

    # Read when an input or output was written in place, as these are views of the caller's tensors.

    @property
    def op(self) -> Any:
        raise AutogradError(
            t(
                "An input or output of a module with backward hooks was modified in place: use "
                "the out-of-place form, or clone() it first."
            )
        )

    def reapply(self, base: Tensor, params: dict[str, Any]) -> Tensor:
        return self.op(base)


def _cross(tensors: list[Tensor], crossing: _Crossing) -> list[Tensor]:
    """The same tensors as outputs of one node of `crossing`."""
    edges = [x.grad_fn or (x if x.requires_grad else None) for x in tensors]
    indices = tuple(x._index for x in tensors)
    node = Node(crossing, {}, memory.tick(), tuple(edges), indices, ())
    node.outputs = tuple(spec_of(x) for x in tensors)
    passed = []
    for i, x in enumerate(tensors):
        out = x.detach()
        if x.requires_grad:
            out._node, out._index, out._rg = node, i, True
        more = out._more()
        more.base, more.view, more.stamp = x, (crossing, {}), memory.tick()
        passed.append(out)
    return passed


class BackwardWatch:
    """The backward hooks of one call of a module."""

    def __init__(self, module: Module, hooks: CallHooks) -> None:
        self.module = module
        self.before = list(hooks.backward_pre.values())
        self.after = list(hooks.backward.values())
        self.n_inputs = 0
        self.watches_inputs = False
        self.grad_output: Gradients | None = None

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments to call forward with."""
        self.n_inputs = len(args)
        passed, self.watches_inputs = self._pass(args, self._at_inputs)
        return passed

    def outputs(self, result: Any) -> Any:
        """The result to give to the caller."""
        if isinstance(result, tuple):
            return self._pass(result, self._at_outputs)[0]
        if isinstance(result, Tensor):
            return self._pass((result,), self._at_outputs)[0][0]
        raise ArgumentError(
            t(
                "{module} has backward hooks, so its forward must return a tensor or a tuple of "
                "tensors, not {kind}.",
                module=type(self.module).__name__,
                kind=type(result).__name__,
            )
        )

    def _pass(
        self, values: tuple[Any, ...], react: Callable[[Gradients], Gradients]
    ) -> tuple[tuple[Any, ...], bool]:
        """`values` with their tensors led through a node, if any of them needs a gradient."""
        places = [i for i, v in enumerate(values) if isinstance(v, Tensor)]
        if not mode.grad or not any(values[i].requires_grad for i in places):
            return values, False

        def on_tensors(grads: list[Tensor | None]) -> list[Tensor | None]:
            spread: list[Tensor | None] = [None] * len(values)
            for i, g in zip(places, grads, strict=True):
                spread[i] = g
            answers = react(tuple(spread))
            return [answers[i] for i in places]

        passed = list(values)
        crossed = _cross([values[i] for i in places], _Crossing(on_tensors))
        for i, tensor in zip(places, crossed, strict=True):
            passed[i] = tensor
        return tuple(passed), True

    def _at_outputs(self, grads: Gradients) -> Gradients:
        for hook in self.before:
            grads = self._answer(hook(self.module, grads), grads, "full_backward_pre_hook")
        self.grad_output = grads
        if not self.watches_inputs:
            nothing: Gradients = (None,) * self.n_inputs
            for hook in self.after:
                answer = hook(self.module, nothing, grads)
                if answer is not None and any(a is not None for a in answer):
                    raise ArgumentError(
                        t(
                            "A full_backward_hook of {module} returned a gradient, but no input "
                            "of the module requires one: return None.",
                            module=type(self.module).__name__,
                        )
                    )
            self.grad_output = None
        return grads

    def _at_inputs(self, grads: Gradients) -> Gradients:
        if self.grad_output is not None:
            for hook in self.after:
                answer = hook(self.module, grads, self.grad_output)
                grads = self._answer(answer, grads, "full_backward_hook")
            self.grad_output = None
        return grads

    def _answer(self, answer: Any, grads: Gradients, kind: str) -> Gradients:
        """The gradients after a hook that returned `answer`."""
        if answer is None:
            return grads
        answer = answer if isinstance(answer, tuple) else (answer,)
        if len(answer) != len(grads):
            raise ArgumentError(
                t(
                    "A {kind} of {module} returned {found} gradients, {wanted} are wanted.",
                    kind=kind,
                    module=type(self.module).__name__,
                    found=len(answer),
                    wanted=len(grads),
                )
            )
        return answer
