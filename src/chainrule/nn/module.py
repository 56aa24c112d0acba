"""`Module`: a function with parameters, buffers and children, under PyTorch's protocol."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from reprlib import recursive_repr
from typing import Any, Self

from chainrule.base.dtypes import DType, as_dtype, bfloat16, float16, float32, float64
from chainrule.base.errors import ArgumentError, ChainruleError, DTypeError
from chainrule.base.text import t
from chainrule.graph import Tensor, no_grad
from chainrule.graph.tensor import RemovableHandle
from chainrule.nn.errors import MissingAttributeError, MissingForwardError, RegistrationError
from chainrule.nn.hooks import (
    CallHooks,
    ForwardHook,
    StateHooks,
    add_hook,
    call_with_hooks,
)
from chainrule.nn.parameter import Buffer, Parameter, check_device
from chainrule.nn.printing import name_place, tree
from chainrule.nn.state import IncompatibleKeys, Loading, StateDict, save_own


class _Descents(threading.local):
    """The modules whose children are being visited by `train` in this thread."""

    def __init__(self) -> None:
        self.modules: set[Module] = set()


_training = _Descents()


class Module:
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
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent: set[str]

    # Tables made when the first hook comes, so that a call without hooks pays one comparison.
    _call_hooks: CallHooks | None = None
    _state_hooks: StateHooks | None = None
    # Goes into the metadata of a state dict; a class whose tensors change counts it up.
    _version: int = 1

    def __init__(self) -> None:
        self.__dict__.update(
            training=True, _parameters={}, _buffers={}, _modules={}, _non_persistent=set()
        )

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
            if self._call_hooks is None:
                return self.forward(*args, **kwargs)
            return call_with_hooks(self, self._call_hooks, args, kwargs)
        except ChainruleError as error:
            name_place(error, self)
            raise

    # ---- attributes ------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        # Reached only when the normal lookup failed.
        own = self.__dict__
        for table in ("_parameters", "_buffers", "_modules"):
            entries = own.get(table)
            if entries is not None and name in entries:
                return entries[name]
        if "_modules" not in own and not name.startswith("__"):
            raise self._not_initialised(name)
        raise MissingAttributeError(
            t("{module} has no attribute {name!r}.", module=type(self).__name__, name=name),
            name=name,
            obj=self,
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._forget(name, "_parameters")
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._forget(name, "_modules")
            self.register_module(name, value)
        elif isinstance(value, Buffer):
            self._forget(name, "_buffers")
            self.register_buffer(name, value, value.persistent)
        else:
            own = self.__dict__
            if "_parameters" in own:
                for table, kind in (
                    ("_parameters", "nn.Parameter"),
                    ("_modules", "nn.Module"),
                    ("_buffers", "Tensor"),
                ):
                    if name in own[table]:
                        a_buffer = kind == "Tensor" and isinstance(value, Tensor)
                        if value is not None and not a_buffer:
                            raise self._wrong_kind(name, value, kind)
                        own[table][name] = value
                        return
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        for table in (self._parameters, self._buffers, self._modules):
            if name in table:
                del table[name]
                self._non_persistent.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = {*super().__dir__(), *self._parameters, *self._buffers, *self._modules}
        return sorted(name for name in names if not name[:1].isdigit())

    def _forget(self, name: str, except_in: str) -> None:
        """Make room for a registration under `name`; in its own table it keeps its place."""
        own = self.__dict__
        if "_modules" not in own:
            raise self._not_initialised(name)
        own.pop(name, None)
        for table in ("_parameters", "_buffers", "_modules"):
            if table != except_in:
                own[table].pop(name, None)

    def _not_initialised(self, name: str) -> MissingAttributeError:
        return MissingAttributeError(
            t(
                "{module}.{name} is used before the module is initialised: write "
                "`super().__init__()` as the first line of {module}.__init__.",
                module=type(self).__name__,
                name=name,
            )
        )

    def _wrong_kind(self, name: str, value: object, kind: str) -> RegistrationError:
        return RegistrationError(
            t(
                "{module}.{name} cannot be of type {value}: {kind} or None is wanted. To use the "
                "name for something else, delete the attribute first.",
                module=type(self).__name__,
                name=name,
                value=type(value).__name__,
                kind=kind,
            )
        )

    def _check_name(self, name: Any, table: str) -> None:
        """Refuse a name under which nothing can be registered."""
        if "_modules" not in self.__dict__:
            raise self._not_initialised(str(name))
        why = None
        if not isinstance(name, str):
            why = t("a name must be a string")
        elif not name:
            why = t("a name must not be empty")
        elif "." in name:
            why = t("a name must not contain a dot: dots separate modules in state dicts")
        elif name not in self.__dict__[table] and hasattr(self, name):
            why = t("the module has an attribute of that name already")
        if why is not None:
            raise RegistrationError(
                t(
                    "{module} cannot register {name!r}: {why}.",
                    module=type(self).__name__,
                    name=name,
                    why=why,
                )
            )

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None keeps the name without a tensor (as `Linear(bias=False)` does)."""
        self._check_name(name, "_parameters")
        if param is not None:
            if not isinstance(param, Parameter):
                raise self._wrong_kind(name, param, "nn.Parameter")
            if param.grad_fn is not None:
                raise RegistrationError(
                    t(
                        "{module}.{name} must be a leaf, but it was computed by {how}: compute it "
                        "in forward, or write nn.Parameter(value.detach()).",
                        module=type(self).__name__,
                        name=name,
                        how=param.grad_fn.name(),
                    )
                )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but not trained; `persistent` ones go into the state dict."""
        self._check_name(name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise self._wrong_kind(name, tensor, "Tensor")
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent.discard(name)
        else:
            self._non_persistent.add(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a child."""
        self._check_name(name, "_modules")
        if module is not None and not isinstance(module, Module):
            raise self._wrong_kind(name, module, "nn.Module")
        self._modules[name] = module

    add_module = register_module

    # ---- walking the tree ------------------------------------------------------------------------

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """All modules with their dotted names, this one first; each once."""
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
        """The parameters; `recurse=False`: this module's own only."""
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
        """Call `fn` on every module, children before parents."""
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
        """Set training mode (dropout drops, batch norm measures) here and in all children."""
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
        """Set evaluation mode: `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train (True) or freeze (False) all parameters."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of all parameters."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = parameter.grad.detach().zero_()

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
            elif str(value) == "cpu" or value is None:
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
        """
        return Loading(self, state_dict, strict, assign).run()

    # ---- hooks -----------------------------------------------------------------------------------

    def _hooks_of_calls(self) -> CallHooks:
        if self._call_hooks is None:
            self._call_hooks = CallHooks()
        return self._call_hooks

    def _hooks_of_state(self) -> StateHooks:
        if self._state_hooks is None:
            self._state_hooks = StateHooks()
        return self._state_hooks

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """`hook(module, args)` runs before forward and may return new arguments.

        `with_kwargs`: `hook(module, args, kwargs)`, which may return `(args, kwargs)`.
        """
        wrapped = ForwardHook(hook, with_kwargs)
        return add_hook(self._hooks_of_calls().forward_pre, wrapped, prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """`hook(module, args, output)` runs after forward and may return a new output.

        `with_kwargs`: `hook(module, args, kwargs, output)`. `always_call`: also when forward
        failed, with output None.
        """
        wrapped = ForwardHook(hook, with_kwargs, always_call)
        return add_hook(self._hooks_of_calls().forward, wrapped, prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """`hook(module, grad_output)` runs when the output's gradients are known.

        It may return a tuple of gradients to use instead.
        """
        return add_hook(self._hooks_of_calls().backward_pre, hook, prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """`hook(module, grad_input, grad_output)` runs when the inputs' gradients are known.

        It may return a tuple of gradients to pass on instead of `grad_input`.
        """
        return add_hook(self._hooks_of_calls().backward, hook, prepend)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """`hook(module, prefix, keep_vars)` runs before the module's tensors are collected."""
        return add_hook(self._hooks_of_state().save_pre, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """`hook(module, state_dict, prefix, local_metadata)` runs after it, and may change it."""
        return add_hook(self._hooks_of_state().save_post, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """`hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)` runs before loading and may change `state_dict`."""
        return add_hook(self._hooks_of_state().load_pre, hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """`hook(module, incompatible_keys)` runs after loading and may empty its lists."""
        return add_hook(self._hooks_of_state().load_post, hook)

    # ---- printing --------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands between the parentheses in the printed form."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    @recursive_repr("...")
    def __repr__(self) -> str:
        return tree(self)
