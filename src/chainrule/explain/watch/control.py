"""Pause, step, resume, stop: what a page asks for, and where the training thread obeys."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.train import Run

ACTIONS = ("pause", "step", "resume", "stop")
#: Seconds after which a paused run looks whether Ctrl-C was pressed meanwhile.
_LOOK = 0.1


class Control:
    """Set by the pages' threads, obeyed by the training thread at the end of a step.

    Attributes:
        paused: the run is to wait, step by step where asked to.
        stopping: the run was told to end.
    """

    def __init__(self) -> None:
        self._asked = threading.Condition()
        self._steps = 0
        self.paused = False
        self.stopping = False

    def ask(self, action: str, run: Run) -> None:
        """One of `ACTIONS`: "step" makes one step and pauses, "stop" ends the run as Ctrl-C."""
        with self._asked:
            if action == "pause":
                self.paused = True
            elif action == "step":
                self._steps += self.paused
                self.paused = True
            elif action == "resume":
                self.paused, self._steps = False, 0
            elif action == "stop":
                self.stopping = True
                run.interrupt()
            self._asked.notify_all()

    def wait(self, run: Run) -> None:
        """Wait until a step may be made, or the run is to end."""
        with self._asked:
            while self.paused and not self._steps and not run.ending:
                self._asked.wait(_LOOK)
            if self._steps:
                self._steps -= 1
