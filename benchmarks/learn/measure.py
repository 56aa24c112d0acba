"""The coordinator: both libraries, each in its process, in turn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks.learn.cases import Case

SIDES = ("chainrule", "sklearn")
# Threads of a library that has just worked wait in a loop for more for a while.
PAUSE = 0.06
# A first trial longer than this ends the search for the best setting.
PATIENCE = 4.0


class Failed(Exception):
    """A library could not do what was asked."""


class Process:
    """A library's process."""

    def __init__(self, side: str) -> None:
        command = [sys.executable, "-m", "benchmarks.learn.worker", side]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, do: str, **values: Any) -> Any:
        """The answer. Raises Failed for an error over there."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"do": do, **values}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the process ended"}
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["value"]

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


class Pair:
    """Both libraries: processes that measure time, and ones that only imported for memory."""

    def __init__(self) -> None:
        self.timing = {side: Process(side) for side in SIDES}
        self.memory = {side: Process(side) for side in SIDES}

    def close(self) -> None:
        for process in (*self.timing.values(), *self.memory.values()):
            process.close()

    def measure(self, case: Case, rows: int, turns: int, peak: bool) -> dict[str, Any]:
        """One row of the table. Raises Failed."""
        for process in self.timing.values():
            process.ask("load", name=case.name, rows=rows)
        found: dict[str, Any] = {"family": case.family, "name": case.name, "rows": rows}
        best: dict[str, Any] = {}
        for act in self.timing[SIDES[0]].ask("acts"):
            best[act] = {side: self._best(side, act, case) for side in SIDES}
            found[act] = self._turns(act, best[act], turns)
            found[f"{act}_settings"] = best[act]
        # With the same seed for both.
        for side in SIDES:
            self.timing[side].ask("fit", setting=best["fit"][side], seed=0)
        found["score"] = {side: self.timing[side].ask("score") for side in SIDES}
        if peak:
            found["peak"] = {
                side: self.memory[side].ask(
                    "peak", name=case.name, rows=rows, setting=best["fit"][side]
                )
                for side in SIDES
            }
        return found

    def _best(self, side: str, act: str, case: Case) -> dict[str, Any]:
        """The fastest setting of a library."""
        tried = []
        for setting in case.settings():
            if act == "use" and any(
                setting["threads"] == s["threads"]
                and setting["options"].get("n_jobs") == s["options"].get("n_jobs")
                for _, s in tried
            ):
                continue  # only threads and jobs can change after the fit
            seconds = self.timing[side].ask(act, setting=setting, seed=0)
            # The shorter, the more a single measurement says of the machine.
            for _ in range(0 if seconds > 0.2 else 1 if seconds > 0.02 else 5):
                seconds = min(seconds, self.timing[side].ask(act, setting=setting, seed=0))
            tried.append((seconds, setting))
            if seconds > PATIENCE:
                break
        return min(tried, key=lambda pair: pair[0])[1]

    def _turns(self, act: str, settings: dict[str, Any], turns: int) -> dict[str, float]:
        """Median seconds of both, which take turns."""
        taken: dict[str, list[float]] = {side: [] for side in SIDES}
        end = time.perf_counter() + 0.6
        while len(taken["sklearn"]) < turns or (
            time.perf_counter() < end and len(taken["sklearn"]) < 9
        ):
            seed = len(taken["sklearn"])
            for side in SIDES:
                time.sleep(PAUSE)
                taken[side].append(self.timing[side].ask(act, setting=settings[side], seed=seed))
        return {side: statistics.median(values) for side, values in taken.items()}


def first_call(case: Case) -> float:
    """Seconds of the longer of first fit and first use with an empty cache. Raises Failed."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"NUMBA_CACHE_DIR": folder, "XDG_CACHE_HOME": folder}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.learn.worker", "chainrule", "first", case.name],
            env=os.environ | places, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise Failed(done.stderr.strip().splitlines()[-1])
    return max(json.loads(done.stdout).values())
