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
