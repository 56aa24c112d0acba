"""Tensors that a module registers by being assigned: `Parameter` (trained) and `Buffer` (state)."""

from __future__ import annotations

from typing import Any

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.ops import creation


class Parameter(Tensor):
    """A leaf tensor that is trained. It shares memory with the tensor or array it is made from.

    >>> cr.nn.Parameter(cr.zeros(2)).requires_grad
    True
    """

    __slots__ = ()

    def __init__(self, data: Any = (), requires_grad: bool = True) -> None:
        super().__init__(data.detach() if isinstance(data, Tensor) else data)
        self.requires_grad = requires_grad

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        known = id(self) in memo
        copy = super().__deepcopy__(memo)
        if not known:
            copy.grad = None  # as in PyTorch: a copied parameter starts without a gradient
        return copy

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """State that is not trained; with `persistent` it goes into the state dict."""

    __slots__ = ("persistent",)

    def __init__(self, data: Any = (), *, persistent: bool = True) -> None:
        super().__init__(data.detach() if isinstance(data, Tensor) else data)
        self.persistent = persistent

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        copy = super().__deepcopy__(memo)
        copy.persistent = self.persistent  # type: ignore[attr-defined]
        return copy

    def __reduce__(self) -> Any:
        return _buffer, (super().__reduce__(), self.persistent)


def _buffer(made_by: tuple[Any, tuple[Any, ...]], persistent: bool) -> Buffer:
    rebuild, arguments = made_by
    buffer: Buffer = rebuild(*arguments)
    buffer.persistent = persistent
    return buffer


def check_device(device: object) -> None:
    """Refuse any device but None and the CPU."""
    if device is not None and str(device) != "cpu":
        raise ArgumentError(t("There is no device {device}: write 'cpu'.", device=device))


def blank(shape: tuple[int, ...], device: object, dtype: Any) -> Parameter:
    """A parameter of `shape` that is still to be filled."""
    check_device(device)
    return Parameter(creation.empty(shape, dtype=dtype))
