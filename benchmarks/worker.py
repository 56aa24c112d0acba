"""One peer's worker process: builds its program, then runs blocks of steps when asked.

Requests and answers are JSON objects, one a line, over standard input and output. Between them the
process waits in a read, so an idle worker takes no processor time once its thread pool sleeps.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from benchmarks.peers import MODULES, Job, Program, Unavailable

# Updates before the loss that must agree with the other peers'.
CHECKED_STEPS = 5


def main() -> None:
    # Whatever a peer prints goes to the log, not between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        serve(answers)
    except Unavailable as reason:
        answer(answers, {"unavailable": str(reason)})
    except Exception as error:
        answer(answers, {"error": f"{type(error).__name__}: {error}"})
        raise


def answer(answers: TextIO, value: dict[str, Any]) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


def serve(answers: TextIO) -> None:
    job = Job(**json.loads(sys.stdin.readline()))
    program = prepare(job)
    start = time.perf_counter()
    first = program.read(program.step())
    answer(answers, {"first_call": time.perf_counter() - start, "values": first})
    for line in sys.stdin:
        request = json.loads(line)
        match request["do"]:
            case "check":
                losses = [program.read(program.step()) for _ in range(CHECKED_STEPS)]
                answer(answers, {"values": [loss[0] for loss in losses]})
            case "block":
                answer(answers, block(program, request["seconds"], request["steps"]))
            case "quit":
                answer(answers, {"memory": peak_memory()})
                return


def prepare(job: Job) -> Program:
    with np.load(job.arrays) as file:
        arrays = dict(file)
    x, y = arrays.pop("x"), arrays.pop("y")
    return import_module(MODULES[job.peer]).prepare(job, arrays, x, y)


def block(program: Program, seconds: float, steps: int) -> dict[str, float]:
    """Seconds a step over as many steps as fill `seconds`, beginning with a guess at the number."""
    spent = timed(program, steps)
    while spent < seconds:
        # The guess may come from one slow step: never more than tenfold at once.
        wanted = math.ceil(steps * 1.1 * seconds / spent)
        steps = min(wanted, 10 * steps)
        spent = timed(program, steps)
    return {"seconds": spent / steps, "steps": steps}


def timed(program: Program, steps: int) -> float:
    """Seconds of `steps` steps, the last one's result read."""
    step, result = program.step, None
    start = time.perf_counter()
    for _ in range(steps):
        result = step()
    program.read(result)
    return time.perf_counter() - start


def peak_memory() -> int:
    """Bytes of physical memory this process has held at most."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    # Bytes on macOS; elsewhere (without /proc) kibibytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


if __name__ == "__main__":
    main()
