"""The Tensor: an array that remembers how it was computed.

This floor names no operation. `ops` puts its functions here as methods when they register.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.dtypes import DType
from chainrule.base.errors import AutogradError, DTypeError, ShapeError
from chainrule.base.text import t
from chainrule.graph import memory, show
from chainrule.graph.convert import array_of
from chainrule.graph.face import Face
from chainrule.graph.modes import mode, no_grad
from chainrule.graph.node import Node, Spec


class Extra:
    """What few tensors have: a dtype without NumPy type, a base that is viewed, hooks."""

    __slots__ = (
        "base", "dtype", "hooks", "post_hooks", "rebased", "retained", "rows", "stamp", "view",
    )  # fmt: skip

    def __init__(self) -> None:
        self.dtype: DType | None = None  # bfloat16, or None
        self.base: Tensor | None = None  # the tensor that this one is a view of
        self.view: Any = None  # (operation, params) that made the view
        self.stamp = 0  # when the view's history was read from its base
        self.rebased = 0  # when an in-place operation last changed this tensor's history
        self.hooks: dict[int, Callable[[Tensor], Tensor | None]] | None = None
        self.post_hooks: dict[int, Callable[[Tensor], None]] | None = None
        self.retained = False
        self.rows: Tensor | None = None  # of a gradient in a trace: which rows are not left out


class RemovableHandle:
    """Takes a hook away again: `handle.remove()`, or use it as a context manager."""

    _next = 0

    def __init__(self, hooks: dict[int, Any]) -> None:
        self._hooks = hooks
        self.id = RemovableHandle._next
        RemovableHandle._next += 1

    def remove(self) -> None:
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class Tensor(Face):
    """An n-dimensional array with a gradient.

    `Tensor(data, dtype=None, requires_grad=False)`: an array is used without copying where its
    dtype fits (`chainrule.tensor` copies); lists become the default dtype. Errors: DTypeError for
    data that is not numeric.
    """

    __slots__ = ("__weakref__", "_data", "_extra", "_grad", "_index", "_node", "_rg")

    _data: Any
    _extra: Extra | None
    _grad: Tensor | None
    _index: int
    _node: Node | None
    _rg: bool

    # NumPy must leave `array + tensor` to the tensor.
    __array_priority__ = 1000
    __array_ufunc__ = None

    def __init__(self, data: Any = (), dtype: Any = None, requires_grad: bool = False) -> None:
        if isinstance(data, Tensor):
            dtype = data.dtype if dtype is None else dtype
            data = data._data if mode.trace is None else mode.trace.lift(data)
        elif isinstance(data, tuple) and not data:
            data = []
        if data.__class__ in (list, tuple, int, float) and dtype is None:
            dtype = dtypes.get_default_dtype()  # as PyTorch's constructor; cr.tensor() infers
        wanted = None if dtype is None else dtypes.as_dtype(dtype)
        self._data = data if hasattr(data, "is_symbol") else array_of(data, wanted)
        if mode.trace is not None and isinstance(self._data, np.ndarray):
            self._data = mode.trace.constant(self._data)
        self._extra = None
        self._grad = None
        self._index = 0
        self._node = None
        self._rg = False
        if wanted is dtypes.bfloat16:
            self._more().dtype = wanted
        if requires_grad:
            self.requires_grad = True

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return show.tensor(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self._node is not None:
            raise AutogradError(
                t(
                    "Only tensors made by the user (leaves) can be deep-copied; this one was "
                    "computed. Write tensor.detach().clone()."
                )
            )
        if id(self) in memo:
            return memo[id(self)]
        copy = memo[id(self)] = type(self).__new__(type(self))
        Tensor.__init__(copy, np.copy(self._data), self.dtype, self._rg)
        copy._grad = None if self._grad is None else self._grad.__deepcopy__(memo)
        return copy

    def __reduce__(self) -> Any:
        # In memory only (copies to worker processes); our files never hold pickles.
        return _rebuild, (type(self), np.asarray(self._data), self.dtype.name, self._rg)

    # ---- gradient ---------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        return self._rg

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self._node is not None and not value:
            raise AutogradError(
                t(
                    "requires_grad can be turned off only on tensors made by the user (leaves); "
                    "this one was computed. Write tensor.detach()."
                )
            )
        if value and not self.dtype.is_floating_point:
            raise DTypeError(
                t(
                    "Only floating-point tensors can require a gradient; this one is {dtype}. "
                    "Write tensor.float().",
                    dtype=self.dtype.name,
                )
            )
        self._rg = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Sets `requires_grad` and returns the tensor.

        >>> cr.zeros(2).requires_grad_().requires_grad
        True
        """
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Made by the user, not computed from tensors that require a gradient."""
        return self._node is None

    @property
    def grad_fn(self) -> Node | None:
        """The recorded operation that made this tensor; None for leaves."""
        return self._fresh_node()

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` left here, or None."""
        if mode.trace is not None:
            mode.trace.read_grad(self)
        if self._grad is REUSED:
            _Reused.refuse(self._grad)
        if self._grad is None and self._node is not None and not self.retains_grad:
            raise AutogradError(
                t(
                    "This tensor was computed by {op}, so backward() passes its gradient on and "
                    "does not keep it: call tensor.retain_grad() before backward(), or use "
                    "chainrule.autograd.grad(loss, tensor).",
                    op=self._node.op.name,
                )
            )
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise DTypeError(
                    t("grad must be a Tensor or None, not {kind}.", kind=type(value).__name__)
                )
            if value.shape != self.shape:
                raise ShapeError(
                    t(
                        "grad has shape {grad}, the tensor has shape {shape}: they must be equal.",
                        grad=value.shape,
                        shape=self.shape,
                    )
                )
        if mode.trace is not None:
            mode.trace.note_grad(self)
        self._grad = value

    @property
    def retains_grad(self) -> bool:
        return self._extra is not None and self._extra.retained

    @property
    def data(self) -> Tensor:
        """The same memory, unrecorded. Writing to it is not seen by the gradient's checks."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        fresh = value if isinstance(value, Tensor) else Tensor(value)
        self._data = fresh._data
        if fresh.dtype is dtypes.bfloat16 or self._extra is not None:
            self._more().dtype = dtypes.bfloat16 if fresh.dtype is dtypes.bfloat16 else None

    @property
    def _version(self) -> int:
        """How often this tensor's memory was written in place."""
        return memory.version(self._data)

    def detach(self) -> Tensor:
        """The same memory as a tensor without history.

        >>> cr.ones(2, requires_grad=True).detach().requires_grad
        False
        """
        ready(self)
        out = wrap(self._data)
        if self.dtype is dtypes.bfloat16:
            out._more().dtype = dtypes.bfloat16
        if mode.trace is not None:
            mode.trace.alias(self, out)
        return out

    def detach_(self) -> Tensor:
        """Forgets the history of this tensor."""
        if self._extra is not None and self._extra.base is not None:
            raise AutogradError(t("A view cannot be detached in place: write tensor.detach()."))
        self._node, self._index, self._rg = None, 0, False
        return self

    def retain_grad(self) -> None:
        """Keep the gradient of this computed tensor in `.grad` during backward."""
        if not self._rg:
            raise AutogradError(t("retain_grad() on a tensor that does not require a gradient."))
        if self._node is not None and not self.retains_grad:
            self._more().retained = True
            self._hook_list().append((self._index, _Retain(self)))

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call `hook(grad)` when this tensor's gradient is known; what it returns replaces it."""
        if not self._rg:
            raise AutogradError(
                t("A hook on a tensor that does not require a gradient would never be called.")
            )
        if self._node is None:
            extra = self._more()
            extra.hooks = {} if extra.hooks is None else extra.hooks
            handle = RemovableHandle(extra.hooks)
            extra.hooks[handle.id] = hook
            return handle
        one: dict[int, Any] = {}
        handle = RemovableHandle(one)
        one[handle.id] = hook
        self._hook_list().append((self._index, _Removable(one)))
        return handle

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call `hook(tensor)` after backward has added to `.grad` (leaves only)."""
        if self._node is not None or not self._rg:
            raise AutogradError(t("Only leaves that require a gradient accumulate one."))
        extra = self._more()
        extra.post_hooks = {} if extra.post_hooks is None else extra.post_hooks
        handle = RemovableHandle(extra.post_hooks)
        extra.post_hooks[handle.id] = hook
        return handle

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Adds the gradient of this tensor to `.grad` of every leaf that it was computed from.

        `gradient`: ∂L/∂self, of this tensor's shape; may be left out for a single number.
        `create_graph`: record the gradients too, for gradients of gradients.

        >>> x = cr.tensor([1.0, 2.0], requires_grad=True)
        >>> (x**2).sum().backward()
        >>> x.grad
        tensor([2., 4.])
        """
        from chainrule.graph import backward  # it needs Tensor itself

        backward.backward([self], [gradient], retain_graph, create_graph, inputs)

    # ---- internals --------------------------------------------------------------------------

    def _more(self) -> Extra:
        if self._extra is None:
            self._extra = Extra()
        return self._extra

    def _hook_list(self) -> list[Any]:
        node = self._fresh_node()
        if node.hooks is None:
            node.hooks = []
        return node.hooks

    def _fresh_node(self) -> Any:
        ready(self)
        return self._node


class _Retain:
    """The hook of `retain_grad`. Weak, or tensor → node → hook → tensor would be a cycle."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = weakref.ref(tensor)

    def __call__(self, grad: Tensor) -> None:
        tensor = self._tensor()
        if tensor is None:
            return
        if not grad._rg and isinstance(grad._data, np.ndarray):
            grad = wrap(grad._data.copy())  # the walk may use its own for other tensors
        tensor._grad = grad if tensor._grad is None else tensor._grad + grad


class _Removable:
    def __init__(self, hooks: dict[int, Any]) -> None:
        self._hooks = hooks

    def __call__(self, grad: Tensor) -> Any:
        result = None
        for hook in list(self._hooks.values()):
            result = hook(grad)
        return result


_new = object.__new__


def wrap(data: Any) -> Tensor:
    """A tensor around `data` as it is: no check, no copy, no history."""
    out = _new(Tensor)
    out._data = data
    out._extra = None
    out._grad = None
    out._index = 0
    out._node = None
    out._rg = False
    return out


def ready(tensor: Tensor) -> bool:
    """Brings a view up to date with its base; False for dtypes that need the slow path.

    An in-place operation on a base changes what its views were computed from: they take their
    history (and in a trace their data) from the base again.
    """
    extra = tensor._extra
    if extra is None:
        return True
    if extra.base is not None and extra.stamp < memory.writes.rebased:
        _refresh(tensor)
    return extra.dtype is None


def _refresh(tensor: Tensor) -> None:
    """From the root of the views down to `tensor`, whichever of them has a newer base."""
    chain: list[tuple[Tensor, Extra, Tensor]] = []
    while (extra := tensor._extra) is not None and extra.base is not None:
        chain.append((tensor, extra, extra.base))
        tensor = extra.base
    for view, extra, base in reversed(chain):
        rebased = 0 if base._extra is None else base._extra.rebased
        if rebased > extra.stamp:
            op, params = extra.view
            if mode.trace is not None:
                mode.trace.touch(view)
            before, mode.grad = mode.grad, True  # the view was recorded, whatever holds now
            try:
                again = op.reapply(base, params)
            finally:
                mode.grad = before
            view._data, view._node, view._index = again._data, again._node, again._index
            view._rg = again._rg
            extra.rebased = rebased
        extra.stamp = memory.tick()


class _Reused(Tensor):
    """What `.grad` holds after a compiled step that used the gradient's memory for other things."""

    __slots__ = ()

    def refuse(self, *_: Any) -> Any:
        raise AutogradError(
            t(
                "This gradient was used up inside a compiled step, which then reused its memory. "
                "To read gradients or to add to them, compile with keep_grads=True; to start anew, "
                "call zero_grad() first."
            )
        )

    _data = property(refuse)  # type: ignore[assignment]

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self


REUSED: Any = _new(_Reused)
REUSED._extra = REUSED._grad = REUSED._node = None
REUSED._index, REUSED._rg = 0, False


def zero_gradient(leaf: Tensor, set_to_none: bool = True) -> None:
    """Forgets the gradient of a leaf, or fills it with zeros if it has one."""
    if set_to_none:
        leaf.grad = None
        return
    if mode.trace is not None:
        mode.trace.read_grad(leaf)
    if leaf._grad is REUSED:
        leaf.grad = Tensor(np.zeros(leaf.shape, leaf._data.dtype), leaf.dtype)
    elif leaf._grad is not None:
        leaf.grad = leaf._grad.detach()
        with no_grad():
            leaf._grad.zero_()


def spec_of(tensor: Tensor) -> Spec:
    return Spec(tensor._data.shape, tensor._data.dtype)


def _rebuild(kind: type[Tensor], array: np.ndarray, dtype: str, requires_grad: bool) -> Tensor:
    out = kind.__new__(kind)
    Tensor.__init__(out, array, dtype, requires_grad)
    return out
