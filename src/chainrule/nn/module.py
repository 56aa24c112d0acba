"""`Module`: a function with parameters, buffers and children, under PyTorch's protocol."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from reprlib import recursive_repr
from typing import Any, Self

from chainrule.base.devices import is_device
from chainrule.base.dtypes import DType, as_dtype, bfloat16, float16, float32, float64
from chainrule.base.errors import ArgumentError, ChainruleError, DTypeError
from chainrule.base.text import t
from chainrule.graph import Tensor, no_grad
from chainrule.graph.modes import mode
from chainrule.graph.tensor import zero_gradient
from chainrule.nn.errors import MissingAttributeError, MissingForwardError
from chainrule.nn.hooks import Hooked, call_with_hooks
from chainrule.nn.parameter import Parameter, check_device
from chainrule.nn.printing import name_place, tree, wrong_call
from chainrule.nn.registration import Registered
from chainrule.nn.state import IncompatibleKeys, Loading, StateDict, save_own


class _Descents(threading.local):
    """The modules whose children are being visited by `train` in this thread."""

    def __init__(self) -> None:
        self.modules: set[Module] = set()


_training = _Descents()


class Module(Registered, Hooked):
    """Base class of everything that has parameters.

    Assigning a `Parameter`, a `Buffer` or another module to an attribute registers it:

        class Line(nn.Module):
            def __init__(self):
                super().__init__()
                self.slope = nn.Parameter(cr.zeros(1))

            def forward(self, x):
                return self.slope * x

    Call the module (`line(x)`), not its `forward`: the call runs the hooks, and errors of shapes
    and dtypes then say in which module they arose.

    >>> class Twice(cr.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layer = cr.nn.Linear(2, 2)
    ...     def forward(self, x):
    ...         return self.layer(self.layer(x))
    >>> model = Twice()
    >>> model(cr.ones(3, 2)).shape
    (3, 2)
    >>> [name for name, _ in model.named_parameters()]
    ['layer.weight', 'layer.bias']
    """

    # Goes into the metadata of a state dict; a class whose tensors change counts it up.
    _version: int = 1

    # ---- calling ---------------------------------------------------------------------------------

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass writes its own."""
        raise MissingForwardError(
            t(
                "{module} was called but has no forward: write `def forward(self, x): ...` in it.",
                module=type(self).__name__,
            )
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if mode.trace is not None:
                mode.trace.ran(self)
            if self._call_hooks is None:
                return self.forward(*args, **kwargs)
            return call_with_hooks(self, self._call_hooks, args, kwargs)
        except ChainruleError as error:
            name_place(error, self, args, kwargs)
            raise
        except TypeError:
            wrong = wrong_call(self, args, kwargs)
            if wrong is None:
                raise
            name_place(wrong, self, args, kwargs)
            raise wrong from None

    # ---- walking the tree ------------------------------------------------------------------------

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """All modules with their dotted names, this one first; each once.

        >>> [name for name, _ in cr.nn.Sequential(cr.nn.Flatten(), cr.nn.ReLU()).named_modules()]
        ['', '0', '1']
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                # Without removal, only the way from the root counts, so that cycles end.
                seen = memo if remove_duplicate else set(memo)
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(seen, path, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """All modules, this one first; each once."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct children with their names; each once."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct children; each once."""
        for _, module in self.named_children():
            yield module

    def _named_members(
        self, table: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        owners = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for path, module in owners:
            for name, tensor in module.__dict__[table].items():
                if tensor is None or id(tensor) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(tensor))
                yield (f"{path}.{name}" if path else name), tensor

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their dotted names; one that is shared comes once."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters; `recurse=False`: this module's own only.

        >>> sum(p.numel() for p in cr.nn.Linear(3, 2).parameters())
        8
        """
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their dotted names."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def get_submodule(self, target: str) -> Module:
        """The module at the dotted path `target`; "" is this one."""
        module: Module = self
        for name in target.split(".") if target else ():
            found = getattr(module, name, None)
            if not isinstance(found, Module):
                names = ", ".join(module._modules) or t("none")
                raise MissingAttributeError(
                    t(
                        "{module} has no submodule {name!r} (of the path {target!r}); "
                        "its children: {names}.",
                        module=type(module).__name__,
                        name=name,
                        target=target,
                        names=names,
                    )
                )
            module = found
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put `module` at the path `target`; with `strict` something must be there already."""
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if not isinstance(module, Module):
            raise parent._wrong_kind(name, module, "nn.Module")
        if strict or hasattr(parent, name):
            parent.get_submodule(name)
        parent.register_module(name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at the dotted path `target`."""
        return self._get_member(target, "_parameters")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at the dotted path `target`."""
        return self._get_member(target, "_buffers")

    def _get_member(self, target: str, table: str) -> Any:
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        found = owner.__dict__[table].get(name)
        if found is None:
            raise MissingAttributeError(
                t(
                    "{module} has no {kind} {name!r}; it has: {names}.",
                    module=type(owner).__name__,
                    kind=t("parameter") if table == "_parameters" else t("buffer"),
                    name=name,
                    names=", ".join(owner.__dict__[table]) or t("none"),
                )
            )
        return found

    # ---- changing all of it ----------------------------------------------------------------------

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module, children before parents.

        >>> model = cr.nn.Sequential(cr.nn.Linear(2, 2), cr.nn.ReLU())
        >>> _ = model.apply(lambda m: m.bias.data.zero_() if hasattr(m, "bias") else None)
        >>> model[0].bias.tolist()
        [0.0, 0.0]
        """
        for module in list(self._bottom_up(())):
            fn(module)
        return self

    def _bottom_up(self, above: tuple[Module, ...]) -> Iterator[Module]:
        above = (*above, self)
        for module in self.children():
            if module not in above:
                yield from module._bottom_up(above)
        yield self

    def train(self, mode: bool = True) -> Self:
        """Set training mode (dropout drops, batch norm measures) here and in all children.

        >>> model = cr.nn.Dropout(0.5)
        >>> model.train(False).training
        False
        """
        if not isinstance(mode, bool):
            raise ArgumentError(t("train takes True or False, got {mode!r}.", mode=mode))
        self.training = mode
        # A module of a cycle comes by again while its children are being set.
        if self not in _training.modules:
            _training.modules.add(self)
            try:
                for module in self.children():
                    module.train(mode)
            finally:
                _training.modules.discard(self)
        return self

    def eval(self) -> Self:
        """Set evaluation mode: `train(False)`.

        >>> cr.nn.Dropout(0.5).eval()(cr.ones(3))
        tensor([1., 1., 1.])
        """
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train (True) or freeze (False) all parameters."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of all parameters."""
        for parameter in self.parameters():
            zero_gradient(parameter, set_to_none)

    def type(self, dst_type: DType | str) -> Self:
        """Cast all parameters and buffers to `dst_type`."""
        dtype = as_dtype(dst_type)
        return self._apply(lambda tensor: tensor.to(dtype))

    def _apply(self, fn: Callable[[Tensor], Tensor]) -> Self:
        """Give each parameter and buffer the value `fn(value)`; the objects stay the same."""
        done: set[int] = set()
        with no_grad():
            for module in self.modules():
                for tensor in (*module._parameters.values(), *module._buffers.values()):
                    if tensor is None or id(tensor) in done:
                        continue
                    done.add(id(tensor))
                    gradient, tensor.grad = tensor.grad, None
                    tensor.data = fn(tensor.data)
                    if gradient is not None:
                        tensor.grad = fn(gradient)
        return self

    def _cast(self, dtype: DType) -> Self:
        return self._apply(lambda x: x.to(dtype) if x.dtype.is_floating_point else x)

    def float(self) -> Self:
        """Cast floating parameters and buffers to float32."""
        return self._cast(float32)

    def double(self) -> Self:
        """Cast floating parameters and buffers to float64."""
        return self._cast(float64)

    def half(self) -> Self:
        """Cast floating parameters and buffers to float16."""
        return self._cast(float16)

    def bfloat16(self) -> Self:
        """Cast floating parameters and buffers to bfloat16."""
        return self._cast(bfloat16)

    def cpu(self) -> Self:
        """This module: everything is in main memory already."""
        return self

    def to(self, *args: Any, device: object = None, dtype: Any = None) -> Self:
        """Cast floating parameters and buffers: `to(dtype)`, `to("cpu", dtype)` or `to(tensor)`."""
        for value in args:
            if isinstance(value, Tensor):
                dtype = value.dtype
            elif value is None or is_device(value):
                device = value
            else:
                dtype = value
        check_device(device)
        if dtype is None:
            return self
        dtype = as_dtype(dtype)
        if not dtype.is_floating_point:
            raise DTypeError(
                t(
                    "Module.to takes a floating dtype, got {dtype}: integer parameters cannot be "
                    "trained. Module.type casts to any dtype.",
                    dtype=dtype.name,
                )
            )
        return self._cast(dtype)

    # ---- state dicts -----------------------------------------------------------------------------

    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """All parameters and persistent buffers under dotted names, sharing memory with the module.

        `keep_vars=True` gives the tensors themselves instead of detached ones.

        >>> list(cr.nn.Linear(3, 2).state_dict())
        ['weight', 'bias']
        """
        if destination is None:
            destination = StateDict()
            destination._metadata = {}
        self._save(destination, prefix, keep_vars, ())
        return destination

    def _save(
        self, destination: Any, prefix: str, keep_vars: bool, above: tuple[Module, ...]
    ) -> None:
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        hooks = self._state_hooks
        for before in list(hooks.save_pre.values()) if hooks else ():
            before(self, prefix, keep_vars)
        save_own(self, destination, prefix, keep_vars)
        above = (*above, self)
        for name, module in self._modules.items():
            if module is not None and module not in above:
                module._save(destination, f"{prefix}{name}.", keep_vars, above)
        for after in list(hooks.save_post.values()) if hooks else ():
            after(self, destination, prefix, metadata)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values by name into the parameters and buffers.

        `strict`: names must match exactly. `assign`: the tensors of `state_dict` take the place of
        the module's, with their dtype, instead of being copied. Returns the missing and the
        unexpected keys. Raises `StateDictError`, which lists everything that does not fit; the
        module is then unchanged.

        >>> a, b = cr.nn.Linear(3, 2), cr.nn.Linear(3, 2)
        >>> _ = a.load_state_dict(b.state_dict())
        >>> cr.equal(a.weight, b.weight)
        True
        """
        return Loading(self, state_dict, strict, assign).run()

    # ---- printing --------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands between the parentheses in the printed form."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    @recursive_repr("...")
    def __repr__(self) -> str:
        return tree(self)
