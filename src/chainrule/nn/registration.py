"""Registration: assigning a parameter, buffer or module to an attribute makes it known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from chainrule.base.tables import Table
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.nn.errors import MissingAttributeError, RegistrationError
from chainrule.nn.parameter import Buffer, Parameter

if TYPE_CHECKING:
    from chainrule.nn.module import Module


class Registered:
    """The part of `Module` that holds its own parameters, buffers and children, by name."""

    training: bool
    _parameters: Table[str, Parameter | None]
    _buffers: Table[str, Tensor | None]
    _modules: Table[str, Module | None]
    _non_persistent: set[str]

    def __init__(self) -> None:
        self.__dict__.update(
            training=True,
            _parameters=Table(),
            _buffers=Table(),
            _modules=Table(),
            _non_persistent=set(),
        )

    def __getattr__(self, name: str) -> Any:
        # Reached only when the normal lookup failed.
        own = self.__dict__
        for table in ("_parameters", "_buffers", "_modules"):
            entries = own.get(table)
            if entries is not None and name in entries:
                return entries[name]
        if "_modules" not in own and not name.startswith("__"):
            raise self._not_initialised(name)
        said = t("{module} has no attribute {name!r}.", module=type(self).__name__, name=name)
        if name in ("cuda", "xpu", "ipu"):
            said += " " + t("There is one device here, the processor: leave the call out.")
        raise MissingAttributeError(said, name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._forget(name, "_parameters")
            self.register_parameter(name, value)
        elif isinstance(value, Registered):
            self._forget(name, "_modules")
            self.register_module(name, cast("Module", value))
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
        if module is not None and not isinstance(module, Registered):
            raise self._wrong_kind(name, module, "nn.Module")
        self._modules[name] = module

    add_module = register_module
