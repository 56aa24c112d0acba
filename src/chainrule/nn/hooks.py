"""Hooks: functions of the user that run before and after a module's forward and backward."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph.tensor import RemovableHandle
from chainrule.nn.backward_hooks import BackwardWatch

if TYPE_CHECKING:
    from chainrule.nn.module import Module


@dataclass(slots=True)
class ForwardHook:
    """A forward (pre-)hook and how it wants to be called."""

    function: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False

    def __call__(self, module: Module, args: Any, kwargs: Any, *result: Any) -> Any:
        if self.with_kwargs:
            return self.function(module, args, kwargs, *result)
        return self.function(module, args, *result)


@dataclass(slots=True)
class CallHooks:
    """The hooks around a module's call. A module without any has None instead of this table."""

    forward_pre: dict[int, ForwardHook] = field(default_factory=dict)
    forward: dict[int, ForwardHook] = field(default_factory=dict)
    backward_pre: dict[int, Callable[..., Any]] = field(default_factory=dict)
    backward: dict[int, Callable[..., Any]] = field(default_factory=dict)


@dataclass(slots=True)
class StateHooks:
    """The hooks around saving and loading a module's state dict."""

    save_pre: dict[int, Callable[..., Any]] = field(default_factory=dict)
    save_post: dict[int, Callable[..., Any]] = field(default_factory=dict)
    load_pre: dict[int, Callable[..., Any]] = field(default_factory=dict)
    load_post: dict[int, Callable[..., Any]] = field(default_factory=dict)


class Hooked:
    """The part of `Module` that takes hooks. The tables are made when the first hook comes, so that
    a call without hooks pays one comparison."""

    _call_hooks: CallHooks | None = None
    _state_hooks: StateHooks | None = None

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


def add_hook(hooks: dict[int, Any], hook: Any, prepend: bool = False) -> RemovableHandle:
    """Put `hook` last (first with `prepend`) into `hooks`."""
    handle = RemovableHandle(hooks)
    others = dict(hooks) if prepend else {}
    if prepend:
        hooks.clear()
    hooks[handle.id] = hook
    hooks.update(others)
    return handle


def call_with_hooks(module: Module, hooks: CallHooks, args: Any, kwargs: Any) -> Any:
    """`module.forward(*args, **kwargs)` with `hooks` around it.

    The order is PyTorch's: pre-hooks (each may replace the arguments), forward, forward hooks (each
    may replace the result); backward hooks see the arguments and the result as they are then.
    """
    done: set[int] = set()
    result = None
    try:
        for pre in list(hooks.forward_pre.values()):
            args, kwargs = _replaced(module, pre(module, args, kwargs), pre, args, kwargs)
        watch = BackwardWatch(module, hooks) if hooks.backward or hooks.backward_pre else None
        if watch:
            args = watch.inputs(args)
        result = module.forward(*args, **kwargs)
        for key, hook in list(hooks.forward.items()):
            done.add(key)
            changed = hook(module, args, kwargs, result)
            result = result if changed is None else changed
        return watch.outputs(result) if watch else result
    except Exception:
        _run_always(module, hooks, done, args, kwargs, result)
        raise


def _replaced(
    module: Module, answer: Any, hook: ForwardHook, args: Any, kwargs: Any
) -> tuple[Any, Any]:
    """The arguments after a pre-hook that answered `answer`."""
    if answer is None:
        return args, kwargs
    if not hook.with_kwargs:
        return (answer if isinstance(answer, tuple) else (answer,)), kwargs
    if isinstance(answer, tuple) and len(answer) == 2:
        return answer
    raise ArgumentError(
        t(
            "A forward pre-hook of {module} with with_kwargs=True must return None or a tuple "
            "(args, kwargs), not {answer!r}.",
            module=type(module).__name__,
            answer=answer,
        )
    )


def _run_always(
    module: Module, hooks: CallHooks, done: set[int], args: Any, kwargs: Any, result: Any
) -> None:
    """After a failure, run the hooks with `always_call` that had no turn yet."""
    for key, hook in list(hooks.forward.items()):
        if not hook.always_call or key in done:
            continue
        try:
            changed = hook(module, args, kwargs, result)
            result = result if changed is None else changed
        except Exception as error:
            # The first failure is the one to report; this one must not hide it.
            warnings.warn(
                t(
                    "A forward hook with always_call=True of {module} failed too: {error}",
                    module=type(module).__name__,
                    error=error,
                ),
                stacklevel=4,
            )
