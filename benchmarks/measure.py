"""The coordinator: one worker process a setting, asked in turn, round by round."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import Limits, Rates, cores, medians
from benchmarks.peers import Job, caches, missing, settings
from benchmarks.workloads import WORKLOADS, Mode

ROOT = Path(__file__).parents[1]
# A cold start of so many seconds is not repeated: it has long drowned the noise.
SLOW_START = 5.0
# Largest difference between peers' losses (or outputs), relative to the largest of them. Five steps
# change the losses by 2 to 40 %, rounding products to bfloat16 by 0.1 % at most; single outputs
# by more.
TOLERANCE = {
    ("train", "float32"): 1e-3, ("train", "bf16"): 3e-3,
    ("infer", "float32"): 1e-3, ("infer", "bf16"): 3e-2,
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One line of the plan: a workload in one mode, batch size and precision."""

    key: str
    mode: Mode
    batch: int
    precision: str

    @property
    def title(self) -> str:
        what = "training step" if self.mode == "train" else "inference"
        title = WORKLOADS[self.key].title
        return f"({self.key}) {title}, {what}, batch {self.batch}, {self.precision}"


@dataclass(frozen=True)
class Plan:
    """How to measure."""

    threads: int
    rounds: int = 15
    seconds: float = 0.3
    # Seconds between two workers' blocks, for the thread pools of the last one to fall asleep.
    pause: float = 0.3
    warm_up: float = 1.0
    # Starts with an empty and with a filled cache; 0 leaves it at the one that every worker makes.
    starts: int = 0
    # Seconds after which a peer that has not answered is given up.
    patience: float = 300.0


class PeerFailed(Exception):
    """A worker could not do its job; the message is shown in the report."""


class Worker:
    """A peer's process. It waits in a read while it is not asked."""

    def __init__(self, job: Job, cache: str, log: Path, patience: float) -> None:
        self.job, self.log, self.patience = job, log, patience
        path = [str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            **caches(cache),
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
        }
        self._file = open(log, "w", encoding="utf-8")  # noqa: SIM115 (closed in `stop`)
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._file,
            env=environment,
            text=True,
        )
        if job.threads < cores():
            # Every pool, also one without a setting of its own, keeps to this many cores.
            allowed = sorted(os.sched_getaffinity(0))[: job.threads]
            os.sched_setaffinity(self.process.pid, allowed)

    def start(self) -> dict[str, Any]:
        """The first step: its own seconds, and those since the process was started."""
        reply = self._exchange(self.job.as_dict())
        return reply | {"from_start": time.perf_counter() - self.started}

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        return self._exchange({"do": do, **request})

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        alarm = threading.Timer(self.patience, self.process.kill)
        alarm.start()
        begin = time.perf_counter()
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            alarm.cancel()
        if not line:
            if time.perf_counter() - begin >= self.patience:
                raise PeerFailed(f"gave up after {self.patience:.0f} s")
            raise PeerFailed(f"the process ended: {self._last_words()}")
        reply = json.loads(line)
        if "error" in reply or "unavailable" in reply:
            raise PeerFailed(first_line(reply.get("error") or reply["unavailable"]))
        return reply

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return first_line(lines[-1]) if lines else f"exit status {self.process.wait()}"

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()
        self._file.close()


def first_line(text: str, length: int = 160) -> str:
    """The reason for the report: one line, without the folder that this checkout lies in."""
    line = text.strip().splitlines()[0].replace(f"{ROOT}{os.sep}", "")
    return line if len(line) <= length else line[: length - 1] + "…"


@dataclass
class Entry:
    """One setting's figures, growing round by round."""

    job: Job
    family: str
    worker: Worker | None = None
    steps: int = 1
    seconds: list[float] = field(default_factory=list)
    first_call: dict[str, list[float]] = field(default_factory=dict)
    values: list[float] = field(default_factory=list)
    memory: int | None = None
    failed: str | None = None

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """A failure within ends this setting, not the run."""
        try:
            yield
        except PeerFailed as reason:
            self.end(str(reason))

    def end(self, reason: str | None = None) -> None:
        self.failed = self.failed or reason
        if self.worker is not None:
            self.worker.stop()
            self.worker = None

    def note_start(self, kind: str, reply: dict[str, Any]) -> None:
        self.first_call.setdefault(kind, []).append(reply["first_call"])
        self.first_call.setdefault(f"{kind}_from_start", []).append(reply["from_start"])
        self.values = reply["values"]

    def block(self, seconds: float) -> list[float]:
        """Seconds a step in one block; nothing where the setting has failed."""
        if self.worker is None:
            return []
        with self.guarded():
            reply = self.worker.ask("block", seconds=seconds, steps=self.steps)
            self.steps = reply["steps"]
            return [reply["seconds"]]
        return []


def family(peer: str, options: dict[str, Any]) -> str:
    """The name under which settings are compared: eager and compiled PyTorch apart."""
    if peer == "pytorch":
        return "PyTorch compile" if options.get("compile") else "PyTorch eager"
    if peer == "chainrule":
        return "chainrule compiled" if options["compile"] else "chainrule glass"
    return {"jax": "JAX"}.get(peer, peer)


def is_ours(name: str) -> bool:
    return name.startswith("chainrule")


def run_row(
    row: Row, peers: Iterable[str], plan: Plan, limits: Limits, say: Callable[[str], None]
) -> dict[str, Any]:
    """Measures one row; the figures as the JSON file keeps them."""
    workload = WORKLOADS[row.key]
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        x, y = workload.data(row.batch)
        arrays: dict[str, Any] = {"x": x, "y": y, **workload.weights(row.mode)}
        np.savez(folder / "arrays.npz", **arrays)
        entries = []
        for peer in peers:
            choices = settings(peer, workload, row.mode, row.batch, row.precision)
            for setting, options in choices.items():
                job = Job(
                    row.key, row.mode, row.batch, row.precision, peer, setting,
                    plan.threads, str(folder / "arrays.npz"), options,
                )  # fmt: skip
                entries.append(Entry(job, family(peer, options), failed=missing(peer)))
        try:
            for index, entry in enumerate(entries):
                begin(entry, folder / str(index), plan, say)
            refused = disagreement(entries, TOLERANCE[row.mode, row.precision])
            if refused:
                say(f"  refused: {refused}")
                measured = [limits.measure()]
            else:
                measured = rounds(entries, plan, limits, say)
            for entry in entries:
                if entry.worker:
                    with entry.guarded():
                        entry.memory = entry.worker.ask("quit")["memory"]
        finally:
            for entry in entries:
                entry.end()
    return summary(row, entries, medians(measured), refused)


def begin(entry: Entry, folder: Path, plan: Plan, say: Callable[[str], None]) -> None:
    """Starts the worker on an empty cache; first step, then the losses that must agree."""
    if entry.failed:
        say(f"  {entry.job.name}: {entry.failed}")
        return
    folder.mkdir()
    job, log = entry.job, folder / "log"

    def start(kind: str, cache: int) -> Worker:
        """A fresh process that has done its first step."""
        entry.end()
        worker = Worker(job, str(folder / f"cache{cache}"), log, plan.patience)
        entry.worker = worker
        entry.note_start(kind, worker.start())
        return worker

    with entry.guarded():
        worker = start("cold", 0)
        for repeat in range(1, plan.starts):
            if entry.first_call["cold"][0] > SLOW_START:
                break
            worker = start("cold", repeat)
        for _ in range(plan.starts):
            worker = start("warm", 0)
        if job.mode == "train":
            entry.values += worker.ask("check")["values"]
    first = entry.first_call.get("cold", [math.nan])[0]
    say(f"  {job.name}: {entry.failed or f'first call {first:.2f} s'}")


def disagreement(entries: list[Entry], tolerance: float) -> str | None:
    """Who differs, where the settings' losses (or outputs) are not the same; None where they are.

    In training the losses before the first update, after one and after five are compared.
    """
    alive = [entry for entry in entries if not entry.failed]
    if len({len(entry.values) for entry in alive}) > 1:
        return "the peers gave different numbers of values"
    if not alive:
        return "nothing could run"
    values = np.array([entry.values for entry in alive], np.float64)
    if alive[0].job.mode == "train":
        values = values[:, [0, 1, -1]]
    middle = np.median(values, axis=0)
    distance = np.abs(values - middle).max(axis=1) / np.abs(middle).max()
    if (distance <= tolerance).all():
        return None
    worst = [f"{entry.job.name} by {far:.1e}" for entry, far in zip(alive, distance, strict=True)
             if not far <= tolerance]  # fmt: skip
    return f"results differ from the median of all: {'; '.join(worst)}"


def rounds(
    entries: list[Entry], plan: Plan, limits: Limits, say: Callable[[str], None]
) -> list[Rates]:
    """Warm-up, then `plan.rounds` rounds in which every setting gets one block in turn."""
    for entry in entries:
        time.sleep(plan.pause)
        entry.block(plan.warm_up)
    measured = []
    for index in range(plan.rounds):
        time.sleep(plan.pause)
        measured.append(limits.measure())
        for entry in entries:
            time.sleep(plan.pause)
            entry.seconds += entry.block(plan.seconds)
        say(f"  round {index + 1} of {plan.rounds}")
    return measured


def median_ratio(theirs: list[float], ours: list[float]) -> float:
    """How many times faster ours is: the median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(theirs, ours, strict=True))


def summary(row: Row, entries: list[Entry], limits: Rates, refused: str | None) -> dict[str, Any]:
    """A row's figures from its entries."""
    workload = WORKLOADS[row.key]
    flops = workload.flops(row.mode, row.batch)
    traffic = workload.bytes(row.mode, row.batch, row.precision)
    peak = limits["flops"]
    if row.precision == "bf16":
        peak = limits.get("bf16_flops", peak)
    timed = [entry for entry in entries if entry.seconds and not entry.failed]

    def fastest(group: Iterable[Entry]) -> Entry | None:
        return min(group, key=lambda entry: statistics.median(entry.seconds), default=None)

    best = fastest(entry for entry in timed if not is_ours(entry.family))
    found = []
    for entry in entries:
        figures: dict[str, Any] = {
            "peer": entry.job.peer,
            "setting": entry.job.setting,
            "family": entry.family,
            "failed": entry.failed,
            "seconds": entry.seconds,
            "first_call": {k: statistics.median(v) for k, v in entry.first_call.items()},
            "memory": entry.memory,
            "values": entry.values[:8],
        }
        if entry in timed:
            middle = statistics.median(entry.seconds)
            figures |= {
                "median": middle,
                "flops_share": flops / middle / peak,
                "bandwidth_share": traffic / middle / limits["bandwidth"],
                "ratio": median_ratio(best.seconds, entry.seconds) if best else None,
            }
        found.append(figures)
    families = dict.fromkeys(entry.family for entry in timed)
    chosen: dict[str, Any] = {n: fastest(e for e in timed if e.family == n) for n in families}
    return {
        "row": row.key,
        "title": row.title,
        "mode": row.mode,
        "batch": row.batch,
        "precision": row.precision,
        "flops": flops,
        "bytes": traffic,
        "limits": limits,
        "peak": peak,
        "limit_seconds": max(flops / peak, traffic / limits["bandwidth"]),
        "refused": refused,
        "best_peer": best.job.name if best else None,
        # Each of our modes against the fastest setting of each family.
        "versus": {
            ours: {
                name: median_ratio(theirs.seconds, chosen[ours].seconds)
                for name, theirs in chosen.items()
                if not is_ours(name)
            }
            for ours in chosen
            if is_ours(ours)
        },
        "settings": found,
    }
