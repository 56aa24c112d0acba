"""What happened so far, and the events that pages are told: shared by run and page threads."""

from __future__ import annotations

import json
import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

#: Events kept for pages that come back; one that missed more gets everything anew.
_KEPT = 256
#: Points of a curve; at twice as many, each pair is made one.
_POINTS = 2000
_ROWS = 400


@dataclass
class Event:
    """Something that pages are told: its number, its kind and plain values."""

    number: int
    kind: str
    content: dict[str, Any]

    @cached_property
    def text(self) -> bytes:
        """The event as a server-sent event."""
        return encode(self.number, self.kind, self.content)


def encode(number: int, kind: str, content: Any) -> bytes:
    """One server-sent event. Numbers that are not finite become texts: JSON has none."""
    body = json.dumps(_plain(content), separators=(",", ":"), allow_nan=False)
    return f"id: {number}\nevent: {kind}\ndata: {body}\n\n".encode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if math.isfinite(value):
            return float(f"{value:.6g}") if abs(value) < 1e15 else value
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


class Record:
    """The history of a run as its pages show it, and the queue of events to them.

    The training thread publishes; each page's thread asks for what came after the last event that
    it sent. Nobody waits for a page: one that is too slow finds that it missed something and gets
    the whole again.

    Args:
        about: what never changes: the model, its layers, the run's length.
        joined: called when a page begins to listen, in its thread.

    Attributes:
        ended: nothing will be published any more.
        viewers: pages that listen now.
    """

    def __init__(self, about: dict[str, Any], joined: Callable[[], None] = lambda: None) -> None:
        self._changed = threading.Condition()
        self._events: deque[Event] = deque(maxlen=_KEPT)
        self._number = 0
        self._about, self._joined = about, joined
        self._state: dict[str, Any] = {"state": "running"}
        self._points: list[list[float]] = []
        self._ticks: list[dict[str, Any]] = []
        self._epochs: list[dict[str, Any]] = []
        self._rows: list[dict[str, Any]] = []
        self._last: dict[str, Any] | None = None
        self.ended = False
        self.viewers = 0

    # ---- the training thread -----------------------------------------------------------------

    def publish(self, kind: str, content: dict[str, Any]) -> None:
        """Keep what happened and tell the pages.

        kind: "state"; "tick" (with `points`, [step, loss] each, and `epochs`, rows of the history
            with their `step`); "layers" (statistics of each layer, and all that `Probe` finds).
        """
        with self._changed:
            self._number += 1
            self._keep(kind, content)
            self._events.append(Event(self._number, kind, content))
            self._changed.notify_all()

    def end(self) -> None:
        """Let the pages' threads send what is left, and end."""
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def _keep(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "state":
            self._state = content
        elif kind == "tick":
            self._points += content["points"]
            self._points = _thinned(self._points, _POINTS)
            self._epochs = _every_second(self._epochs + content["epochs"], _POINTS)
            tick = {k: v for k, v in content.items() if k not in ("points", "epochs")}
            self._ticks = _every_second([*self._ticks, tick], _POINTS)
        elif kind == "layers":
            # Histograms and pictures are kept of the newest only.
            layers = {
                name: {k: v for k, v in row.items() if isinstance(v, float)}
                for name, row in content["layers"].items()
            }
            row = {"step": content["step"], "layers": layers}
            self._rows = _every_second([*self._rows, row], _ROWS)
            self._last = content

    # ---- the pages' threads ------------------------------------------------------------------

    def snapshot(self) -> Event:
        """Everything so far as one event, numbered as the newest that it holds."""
        with self._changed:
            content = {
                "about": self._about,
                "state": self._state,
                "points": list(self._points),
                "ticks": list(self._ticks),
                "epochs": list(self._epochs),
                "rows": list(self._rows),
                "last": self._last,
            }
            return Event(self._number, "snapshot", content)

    def after(self, number: int, timeout: float) -> list[Event] | None:
        """The events after that number, waiting for one; None if some are no longer kept (or were
        never told, as by another run): then a snapshot is due."""
        with self._changed:
            if self._number == number and not self.ended:
                self._changed.wait(timeout)
            missed = self._number - number
            if not 0 <= missed <= len(self._events):
                return None
            return list(self._events)[len(self._events) - missed :] if missed else []

    def join(self) -> None:
        """A page listens."""
        with self._changed:
            self.viewers += 1
        self._joined()

    def leave(self) -> None:
        """A page has gone."""
        with self._changed:
            self.viewers -= 1
            self._changed.notify_all()

    def wait_until_left(self, timeout: float) -> None:
        """Wait until no page listens, at most `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self.viewers, timeout)


def buckets(first: int, losses: list[float], count: int) -> list[list[float]]:
    """At most `count` points [step, mean loss] of the losses of steps `first`, `first` + 1, …"""
    width = max(1, -(-len(losses) // count))
    points = []
    for start in range(0, len(losses), width):
        part = losses[start : start + width]
        points.append([first + start + len(part) - 1, sum(part) / len(part)])
    return points


def _thinned(points: list[list[float]], most: int) -> list[list[float]]:
    """Each pair of points as one, where there are more than twice too many."""
    if len(points) < 2 * most:
        return points
    pairs = zip(points[::2], points[1::2], strict=False)
    joined = [[b[0], (a[1] + b[1]) / 2] for a, b in pairs]
    return joined + points[2 * len(joined) :]


def _every_second(rows: list[Any], most: int) -> list[Any]:
    """Every second row, the last one kept, until there are no more than twice too many."""
    while len(rows) >= 2 * most:
        rows = rows[len(rows) % 2 == 0 :: 2]
    return rows
