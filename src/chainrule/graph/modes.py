"""What holds for the code that runs now, in each thread: gradient recording and the namespace."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any

import numpy as np


class _Mode(threading.local):
    """What holds now, in this thread.

    `grad`: operations are recorded. `F`: the namespace in which forwards run; NumPy, unless a trace
    is being taken (`ops` fills it in). `recording`: the namespace that records again, for gradients
    of gradients. `trace`: the trace being taken, or None. `autocast`: the region of mixed
    precision, or None. `watch`: is told of every node made
    (`watch.made(node, inputs, outputs)`), of gradients about to be clipped and of optimisers about
    to step (`watch.clipping`, `watch.stepping`), or None; `F` is then a namespace of its own, so
    that no operation takes a way around it, and `watch.F` the one that it stands for. `anomaly`:
    the checks of `detect_anomaly`, or None; `watching`: the namespace of arrays under another
    name, for them.
    `quiet(f, *args)`: calls f with NumPy's floating-point warnings off.
    """

    grad = True
    autocast: Any = None
    F: Any = None
    recording: Any = None
    trace: Any = None
    watch: Any = None
    anomaly: Any = None
    watching: Any = None

    def __init__(self) -> None:
        # An own context is the cheapest public way to silence NumPy: 0.1 µs a call where
        # np.errstate needs 0.5, and the user's own error state stays as it is.
        context = contextvars.Context()
        context.run(np.seterr, all="ignore")
        self.quiet: Callable[..., Any] = context.run


mode = _Mode()


class _GradMode:
    """A context manager and decorator that sets gradient recording."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(mode.grad)
        mode.grad = self._enabled

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        mode.grad = self._before.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        enabled = self._enabled

        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with _GradMode(enabled):
                return function(*args, **kwargs)

        return wrapped


class _Bare(_GradMode):
    """One that is also a decorator without `()`."""

    def __new__(cls, orig_func: Callable[..., Any] | None = None) -> Any:
        self = super().__new__(cls)
        if orig_func is not None:
            self.__init__()  # type: ignore[misc]
            return self(orig_func)
        return self


class no_grad(_Bare):
    """Operations inside are not recorded (context manager or decorator, with or without `()`).

    >>> w = cr.ones(2, requires_grad=True)
    >>> with cr.no_grad():
    ...     y = w * 2
    >>> y.requires_grad
    False
    """

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(_Bare):
    """Operations inside are recorded, also within `no_grad`; a decorator as `no_grad` is.

    >>> w = cr.ones(2, requires_grad=True)
    >>> with cr.no_grad(), cr.enable_grad():
    ...     y = w * 2
    >>> y.requires_grad
    True
    """

    def __init__(self) -> None:
        super().__init__(True)


class set_grad_enabled(_GradMode):
    """Sets recording at once; as a context manager, restores it at the end."""

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        self._begin()

    def _begin(self) -> None:
        self._before.append(mode.grad)
        mode.grad = self._enabled

    def __enter__(self) -> None:
        pass

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        mode.grad = self._before.pop()
        return super().__call__(function)


class inference_mode(_GradMode):
    """As `no_grad`; `inference_mode(False)` changes nothing (decorator with or without `()`)."""

    def __new__(cls, mode: Any = True) -> Any:
        self = super().__new__(cls)
        if callable(mode):
            self.__init__()  # type: ignore[misc]
            return self(mode)
        return self

    def __init__(self, mode: bool = True) -> None:
        super().__init__(False)
        self._active = bool(mode)

    def __enter__(self) -> None:
        if self._active:
            super().__enter__()

    def __exit__(self, *error: Any) -> None:
        if self._active:
            super().__exit__(*error)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return super().__call__(function) if self._active else function


def is_grad_enabled() -> bool:
    """Whether operations are recorded now, in this thread."""
    return mode.grad
