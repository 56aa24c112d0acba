"""Ctrl-C and SIGTERM during training: they ask the run to end, Ctrl-C again ends it."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupt:
    """A context in which SIGINT and SIGTERM set `raised`; SIGINT then raises KeyboardInterrupt.

    SIGTERM never raises, since job schedulers and `timeout` may send it twice. It is left alone
    where the program handles or ignores it. Outside the main thread, where Python lets nobody set
    handlers, both keep their meaning.

    Attributes:
        raised: whether one of them came; number: which, the first of them.
    """

    def __init__(self) -> None:
        self.raised = False
        self.number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(number)
                # None: a handler that was not set from Python and could not be put back.
                if before is None or (number == signal.SIGTERM and before != signal.SIG_DFL):
                    continue
                self._before[number] = before
                signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.raised and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self.raised:
            self.raised, self.number = True, number
