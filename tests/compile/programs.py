"""Random programs: any mix of operations on tensors of many shapes and dtypes.

A program is data: seeds of its tensors and a list of steps, each a name and a seed. A step takes
what it needs from a pool of tensors and adds its result; one that finds nothing fit adds nothing,
so any part of a program is a program, and failures shrink.

Rounding: operations that jump (floor, sort, comparisons) only get exact numbers, those that never
met an operation that rounds. What remains of that is measured: `noise` changes every rounded
result by about as much as rounding may, and where that shows, so may a difference.
"""

import importlib.util
import random
import warnings
from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.base.errors import (
    ArgumentError,
    AutogradError,
    DTypeError,
    IndexRangeError,
    ShapeError,
)
from chainrule.compile import backend
from chainrule.compile.backend import CompileWarning
from chainrule.compile.native import Native
from chainrule.compile.runtime import get_num_threads, set_num_threads
from chainrule.compile.runtime.cores import most_threads
from chainrule.compile.runtime.target import generic

REFUSED = (ShapeError, ArgumentError, DTypeError, IndexRangeError)
SIZES = (1, 1, 2, 3, 3, 4, 5, 7, 8, 9, 13, 16, 17, 20, 31, 33)
BATCHES = (1, 2, 3, 5, 7, 8, 15, 16, 17, 19, 31, 32, 33, 40)
EPS = {"float32": 3e-7, "float64": 1e-15, "float16": 1e-3, "bfloat16": 8e-3}

_spec = importlib.util.spec_from_file_location("steps", Path(__file__).with_name("steps.py"))
steps = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(steps)
STEPS, WEIGHTS, EXACT, LARGEST = steps.STEPS, steps.WEIGHTS, steps.EXACT, steps.LARGEST


@dataclass(frozen=True)
class Program:
    """`batch`: the size that most first axes have; `inputs`, `state`: a seed each."""

    batch: int
    inputs: tuple[int, ...]
    state: tuple[int, ...]
    steps: tuple[tuple[str, int], ...]

    def smaller(self) -> list["Program"]:
        """Programs with one part less."""
        out = [
            Program(self.batch, self.inputs, self.state, self.steps[:i] + self.steps[i + n :])
            for n in (8, 4, 2, 1)
            for i in range(len(self.steps) - n + 1)
        ]
        out += [
            Program(self.batch, self.inputs[:-1], self.state, self.steps)
        ] if len(self.inputs) > 1 else []  # fmt: skip
        out += [Program(self.batch, self.inputs, self.state[:-1], self.steps)] if self.state else []
        return out


def random_program(seed: int, longest: int = 14) -> Program:
    rng = random.Random(seed)
    names = list(STEPS)
    weights = [WEIGHTS.get(n, 2) for n in names]
    return Program(
        rng.choice(BATCHES),
        tuple(rng.randrange(1 << 20) for _ in range(rng.randint(1, 3))),
        tuple(rng.randrange(1 << 20) for _ in range(rng.randint(0, 3))),
        tuple(
            (rng.choices(names, weights)[0], rng.randrange(1 << 20))
            for _ in range(rng.randint(2, longest))
        ),
    )


# ---- the tensors that it begins with ----------------------------------------------------------


def shape_for(rng: random.Random, batch: int) -> tuple[int, ...]:
    rank = rng.choice((0, 1, 1, 2, 2, 2, 3, 4, 4))
    shape = [rng.choice(SIZES) for _ in range(rank)]
    if rank and rng.random() < 0.7:
        shape[0] = batch
    while prod(shape) > LARGEST // 2:
        at = rng.randrange(len(shape))
        shape[at] = max(1, shape[at] // 2) if at or rank == 1 else shape[at]
        if prod(shape[1:]) == 1:
            break
    if rank and rng.random() < 0.03:
        shape[rng.randrange(rank)] = 0
    return tuple(shape)


def array_for(seed: int, batch: int, call: int = 0) -> np.ndarray:
    """Shape and dtype follow from the seed; the numbers are others at each call."""
    rng = random.Random(seed)
    draw = np.random.default_rng([seed, call])
    shape = shape_for(rng, batch)
    kind = rng.random()
    if kind < 0.1:
        return draw.integers(-5, 6, shape).astype(rng.choice((np.int64, np.int32, np.uint8)))
    if kind < 0.15:
        return draw.random(shape) < 0.5
    dtype = np.float64 if rng.random() < 0.2 else np.float32
    if rng.random() < 0.5:
        # Small multiples of 1/4: equal entries, zeros, and exact sums.
        return (draw.integers(-8, 9, shape) / 4).astype(dtype)
    return np.asarray(draw.standard_normal(shape)).astype(dtype)


# ---- running ------------------------------------------------------------------------------------


@dataclass
class Run:
    """One run of a program. `exact`: ids of tensors whose entries no rounding has touched."""

    program: Program
    noise: int = 0
    pool: list[Any] = field(default_factory=list)
    fixed: int = 0  # so many of the pool are inputs and state: never written by `inplace`
    exact: set[int] = field(default_factory=set)
    did: set[str] = field(default_factory=set)  # the steps that found what they need
    rng: random.Random = field(default_factory=random.Random)

    def go(self, tensors: list[Any]) -> list[Any]:
        self.pool = list(tensors)
        self.fixed = len(tensors)
        self.exact = set(map(id, tensors))
        for number, (name, seed) in enumerate(self.program.steps):
            self.rng = random.Random(seed)
            self.sources_exact = True
            try:
                out = STEPS[name](self)
            except REFUSED:
                continue
            self.did |= {name} if out is not None or name == "write_state" else set()
            if out is None:
                continue
            for x in out if isinstance(out, list | tuple) else [out]:
                if x.numel() <= LARGEST:
                    self.pool.append(self.rounded(x, number, name) if name not in EXACT else x)
                    if name in EXACT and self.sources_exact:
                        self.exact.add(id(self.pool[-1]))
        return self.pool[len(tensors) :]

    sources_exact = True

    def rounded(self, x: Any, number: int, name: str) -> Any:
        """The result changed as rounding may change it, if asked for."""
        if not self.noise or not x.is_floating_point() or not x.numel():
            return x
        draw = np.random.default_rng([self.noise, number])
        eps = EPS[x.dtype.name]
        values = np.asarray(x.detach().double().numpy())
        top = np.abs(values[np.isfinite(values)]).max(initial=0)
        if x.numel() == 1 or name == "mean_or_sum":
            # Of what cancels little is left, with the rounding of all: x − tanh(x), a sum.
            for y in (y for y in self.pool if y.is_floating_point()):
                summands = np.asarray(y.detach().double().numpy())
                top = max(top, np.abs(summands[np.isfinite(summands)]).max(initial=0))
        off = draw.uniform(-1, 1, x.shape) * eps * (np.abs(values) + 0.2 * top)
        return x + cr.tensor(np.nan_to_num(off, posinf=0, neginf=0)).to(x.dtype)

    # ---- choosing -----------------------------------------------------------------------------

    def pick(self, fit: Any = None, exact: bool = False) -> Any:
        """A tensor of the pool, later ones more often; None if none is fit."""
        found = [
            x for x in self.pool
            if (fit is None or fit(x)) and (not exact or id(x) in self.exact)
        ]  # fmt: skip
        if not found:
            return None
        x = found[max(self.rng.randrange(len(found)), self.rng.randrange(len(found)))]
        self.sources_exact = self.sources_exact and id(x) in self.exact
        return x

    def floating(self, rank: int | None = None, **more: Any) -> Any:
        return self.pick(
            lambda x: x.is_floating_point() and (rank is None or x.ndim == rank), **more
        )

    def dim(self, x: Any) -> int:
        return self.rng.randrange(-x.ndim, x.ndim)

    def new(self, *shape: int, dtype: Any = None, scale: float = 0.5) -> Any:
        """A constant of the program."""
        draw = np.random.default_rng(self.rng.randrange(1 << 30))
        values = draw.standard_normal(shape) * scale
        return cr.tensor(values).to(dtype or cr.float32)

    def index(self, n: int, *shape: int, negative: bool = False) -> Any:
        draw = np.random.default_rng(self.rng.randrange(1 << 30))
        return cr.tensor(draw.integers(-n if negative else 0, n, shape))


# ---- glass and compiled -------------------------------------------------------------------------


class Mismatch(AssertionError):
    """Compiled and glass mode differ."""


@dataclass
class Known:
    """What the run in glass mode tells the others."""

    finite: list[bool] = field(default_factory=list)  # which tensors the loss takes in
    eps: float = 0.0  # of the coarsest dtype in it
    size: float = 0.0  # of the terms of the loss together


class Setting:
    """A program with state of its own, to be called in glass mode or compiled."""

    def __init__(self, program: Program, known: Known | None = None, noise: int = 0) -> None:
        self.program, self.noise = program, noise
        self.known = known or Known()
        self.first = known is None
        self.state = [cr.tensor(array_for(s, program.batch)) for s in program.state]
        for x, seed in zip(self.state, program.state, strict=True):
            x.requires_grad_(x.is_floating_point() and seed % 2 == 0)

    def inputs(self, call: int) -> list[Any]:
        p = self.program
        out = [cr.tensor(array_for(s, p.batch, call)) for s in p.inputs]
        for x, seed in zip(out, p.inputs, strict=True):
            x.requires_grad_(x.is_floating_point() and seed % 3 == 0)
        return out

    def function(self, *inputs: Any) -> Any:
        """Forward, loss, gradients, and an update of the parameters."""
        run = Run(self.program, self.noise)
        made = run.go([*inputs, *self.state])
        if self.first and not self.known.finite:
            self.known.finite = [bool(np.isfinite(values(x)).all()) for x in made]
            floats = [x for x in run.pool if x.is_floating_point()]
            self.known.eps = max((EPS[x.dtype.name] for x in floats), default=0.0)
        loss = cr.tensor(0.0)
        for i, (x, fine) in enumerate(zip(made, self.known.finite, strict=True)):
            if x.is_floating_point() and fine and x.numel():
                w = np.random.default_rng([5, i]).uniform(0.5, 1.5, x.shape) / x.numel()
                if self.first:
                    terms = np.abs(values(x) * w)
                    self.known.size += float(terms[np.isfinite(terms)].sum())
                loss = loss + (x * cr.tensor(w).to(x.dtype)).sum().to(cr.float32)
        rng = random.Random(len(self.program.steps))
        results = rng.sample(made, min(len(made), 5))
        results += results[:1] + list(inputs[:1])
        leaves = [x for x in (*inputs, *self.state) if x.requires_grad]
        found: list[Any] = []
        if loss.requires_grad and self.program.batch % 2:
            found = [g for g in cr.autograd.grad(loss, leaves, allow_unused=True) if g is not None]
        elif loss.requires_grad:
            for x in leaves:
                x.grad = None
            loss.backward()
            with cr.no_grad():
                for x in self.state:
                    if x.requires_grad and x.grad is not None:
                        x.sub_(x.grad.clamp(-1, 1) * 0.01)
        return results, loss, found

    def calls(self, function: Any, number: int = 2) -> dict[str, np.ndarray]:
        """All that can be seen of some calls: results, state, gradients."""
        seen: dict[str, np.ndarray] = {}
        for call in range(number):
            inputs = self.inputs(call)
            results, loss, found = function(*inputs)
            shown = {f"result {k}": x for k, x in enumerate(results)} | {"loss": loss}
            shown |= {f"gradient {k}": x for k, x in enumerate(found)}
            for kind, tensors in (("input", inputs), ("state", self.state)):
                for k, x in enumerate(tensors):
                    shown[f"{kind} {k}"] = x
                    if x.grad is not None:
                        shown[f"{kind} {k}.grad"] = x.grad
            seen |= {f"call {call}: {name}": np.array(x._data) for name, x in shown.items()}
        return seen


def values(x: Any) -> np.ndarray:
    return np.asarray(x.detach().double().numpy())


def check(program: Program, threads: int = 2, target: str | None = None) -> str:
    """Compares; returns "same", or why nothing can be said. Mismatch if they differ."""
    glass = Setting(program)
    try:
        expected = glass.calls(glass.function)
    except AutogradError:  # a value that a gradient needs was overwritten
        return "refused"
    known = glass.known
    native = Setting(program, known)
    compiled = cr.compile(native.function, keep_grads=True)
    got = compiled_calls(native.calls, compiled, threads, target)
    if got.keys() != expected.keys():
        raise Mismatch(f"{list(got)}, expected {list(expected)}")
    wrong = [name for name, x in expected.items() if not close(got[name], x, known, name)]
    if not wrong:
        return "same"
    # Does rounding show as much?
    noisy = [Setting(program, known, n) for n in (1, 2, 3)]
    others = [s.calls(s.function) for s in noisy]
    for name in wrong:
        a, b = got[name], expected[name]
        if not close(a, b, known, name, [o[name] for o in others]):
            raise Mismatch(f"{name}: {a.dtype}{a.shape} for {b.dtype}{b.shape}\n{a}\nexpected\n{b}")
    return "rounding shows"


def compiled_calls(calls: Any, compiled: Any, threads: int, target: str | None) -> Any:
    """calls(compiled) on so many threads of such a machine; Mismatch if that is not native."""
    before, made = get_num_threads(), backend.Native
    set_num_threads(min(threads, most_threads()))
    if target is not None:
        backend.Native = partial(Native, target=generic(target))  # type: ignore[misc]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", CompileWarning)
            got = calls(compiled)
    finally:
        set_num_threads(before)
        backend.Native = made  # type: ignore[misc]
    stats = compiled.stats()
    if stats["backend"] != "native" or stats["compiled"] != 1:
        raise Mismatch(f"not one native program: {stats}")
    return got


def close(a: Any, b: Any, known: Known, name: str, others: Any = ()) -> bool:
    """Equal but for rounding; `others`: b as it is with other rounding."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if b.dtype.kind != "f":
        return bool(np.array_equal(a, b)) or any(not np.array_equal(b, o) for o in others)
    eps = max(known.eps, EPS[b.dtype.name])
    a, b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(all="ignore"):
        scale = np.abs(b[np.isfinite(b)]).max(initial=0)
        if name.endswith("loss") or "grad" in name:
            scale += known.size
        allowed = eps * 60 * (np.abs(b) + scale)
        if others:
            if any((np.isfinite(o) != np.isfinite(b)).any() for o in others):
                return True
            spread = max(np.abs(o - b)[np.isfinite(b)].max(initial=0) for o in others)
            allowed = allowed + 50 * spread
        return bool(((a == b) | (np.abs(a - b) <= allowed) | (np.isnan(a) & np.isnan(b))).all())
