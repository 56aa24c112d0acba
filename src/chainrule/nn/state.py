"""Saving a module's tensors into a state dict and loading them back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor, no_grad
from chainrule.nn.errors import StateDictError
from chainrule.nn.parameter import Parameter
from chainrule.nn.printing import headline

if TYPE_CHECKING:
    from chainrule.nn.module import Module

EXTRA = "_extra_state"


class StateDict(OrderedDict[str, Any]):
    """Names to tensors, in the order of registration; `_metadata` holds each module's version."""

    _metadata: dict[str, dict[str, Any]]


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` returns: keys the module wanted in vain, keys it did not know."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return t("<All keys matched successfully>")
        missing, unexpected = self
        return f"IncompatibleKeys(missing_keys={missing}, unexpected_keys={unexpected})"


def persistent(module: Module) -> Iterator[tuple[str, Tensor]]:
    """The module's own parameters and persistent buffers, as (name, tensor)."""
    for name, parameter in module._parameters.items():
        if parameter is not None:
            yield name, parameter
    for name, buffer in module._buffers.items():
        if buffer is not None and name not in module._non_persistent:
            yield name, buffer


def save_own(module: Module, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
    """Put the module's own tensors (not its children's) into `destination`."""
    for name, tensor in persistent(module):
        destination[prefix + name] = tensor if keep_vars else tensor.detach()
    if has_extra_state(module):
        destination[prefix + EXTRA] = module.get_extra_state()


def has_extra_state(module: Module) -> bool:
    return hasattr(module, "get_extra_state")


class Loading:
    """One `load_state_dict`: look at everything first, then copy, so that a refused state dict
    leaves the module as it was."""

    def __init__(self, root: Module, state: Mapping[str, Any], strict: bool, assign: bool) -> None:
        if not isinstance(state, Mapping):
            raise ArgumentError(
                t(
                    "load_state_dict wants a dict of names to tensors, got {kind}.",
                    kind=type(state).__name__,
                )
            )
        self.root, self.strict, self.assign = root, strict, assign
        self.state = dict(state)  # pre-hooks may change it
        self.metadata = getattr(state, "_metadata", {})
        self.keys = IncompatibleKeys([], [])
        self.problems: list[str] = []
        self.known: set[str] = set()
        self.actions: list[Callable[[], None]] = []
        self.post_hooks: list[Callable[[], Any]] = []
        # Parameters shared under two names stay shared when they are replaced.
        self.replaced: dict[int, Parameter] = {}

    def run(self) -> IncompatibleKeys:
        self.inspect(self.root, "", ())
        self.keys.unexpected_keys.extend(k for k in self.state if k not in self.known)
        # A post-hook may take keys off the lists, so only it can make a strict load pass.
        if self.problems or not self.post_hooks:
            self.refuse()
        with no_grad():
            for action in self.actions:
                action()
        for hook in self.post_hooks:
            if hook() is not None:
                raise ArgumentError(
                    t("A load_state_dict post-hook returned a value; change the lists in place.")
                )
        self.refuse()
        return self.keys

    def inspect(self, module: Module, prefix: str, above: tuple[Module, ...]) -> None:
        hooks = module._state_hooks
        if hooks is not None:
            for hook in hooks.load_pre.values():
                metadata = self.metadata.get(prefix[:-1], {})
                lists = (self.keys.missing_keys, self.keys.unexpected_keys, self.problems)
                hook(module, self.state, prefix, metadata, self.strict, *lists)
        for name, tensor in persistent(module):
            self.known.add(prefix + name)
            if prefix + name in self.state:
                self.take(module, name, tensor, prefix)
            else:
                self.keys.missing_keys.append(prefix + name)
        if has_extra_state(module):
            key = prefix + EXTRA
            self.known.add(key)
            if key in self.state:
                self.actions.append(lambda: module.set_extra_state(self.state[key]))
            else:
                self.keys.missing_keys.append(key)
        above = (*above, module)
        for name, child in module._modules.items():
            if child is not None and child not in above:
                self.inspect(child, f"{prefix}{name}.", above)
        if hooks is not None:
            for hook in hooks.load_post.values():
                self.post_hooks.append(partial(hook, module, self.keys))

    def take(self, module: Module, name: str, tensor: Tensor, prefix: str) -> None:
        """Plan to give `tensor` of `module` its value from the state, or note why it cannot be."""
        value = self.state[prefix + name]
        if not isinstance(value, (Tensor, np.ndarray)):
            self.problems.append(
                t(
                    "{key}: a tensor or NumPy array is wanted, got {kind}.",
                    key=prefix + name,
                    kind=f"{type(value).__module__}.{type(value).__name__}",
                )
            )
        elif tuple(value.shape) != tuple(tensor.shape):
            self.problems.append(
                t(
                    "{key}: the state dict has shape {found}, {module} needs {wanted}.",
                    key=prefix + name,
                    found=tuple(value.shape),
                    module=headline(module),
                    wanted=tuple(tensor.shape),
                )
            )
        elif self.assign:
            self.actions.append(lambda: self.replace(module, name, tensor, value))
        else:
            self.actions.append(lambda: _copy(tensor, value))

    def replace(self, module: Module, name: str, old: Tensor, value: Tensor | np.ndarray) -> None:
        new = value if isinstance(value, Tensor) else Tensor(value)
        if isinstance(old, Parameter):
            if id(old) not in self.replaced:
                made = new if isinstance(new, Parameter) else Parameter(new, old.requires_grad)
                made.requires_grad = old.requires_grad
                self.replaced[id(old)] = made
            module._parameters[name] = self.replaced[id(old)]
        else:
            module._buffers[name] = new

    def refuse(self) -> None:
        """Raise one error that lists everything wrong, if anything is."""
        lines = list(self.problems)
        if self.strict:
            missing, unexpected = self.keys
            if unexpected:
                names = ", ".join(unexpected)
                lines.insert(0, t("Not known to the module: {names}.", names=names))
            if missing:
                lines.insert(0, t("Missing in the state dict: {names}.", names=", ".join(missing)))
        if not lines:
            return
        if self.strict and not self.problems:
            lines.append(t("Write strict=False to load what fits."))
        head = t("The state dict does not fit {module}:", module=type(self.root).__name__)
        raise StateDictError("\n  ".join([head, *lines]))


def _copy(tensor: Tensor, value: Tensor | np.ndarray) -> None:
    tensor.copy_(value if isinstance(value, Tensor) else Tensor(value))
