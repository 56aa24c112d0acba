"""`explain(optimizer)`: the next step of an optimiser, or the last that was recorded."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.shown import Shown
from chainrule.base.text import speaking, t
from chainrule.explain.explanation.names import Names
from chainrule.explain.updates import checks, render
from chainrule.explain.updates.rules import at_rest
from chainrule.explain.updates.twins import Clip, Twin, clip_of, taken_by
from chainrule.explain.updates.wholes import lbfgs, lbfgs_again, rule_of
from chainrule.explain.updates.work import Place, UpdateLine, Work
from chainrule.graph.sparse import SparseTensor
from chainrule.graph.tensor import Tensor
from chainrule.nn.module import Module
from chainrule.optim import LBFGS, Adafactor, Optimizer, SwitchOptimizer

Array = NDArray[np.float64]

EVERY = 3  # elements of a parameter that are worked one by one


class Member(NamedTuple):
    """One parameter: its number in the optimiser, its name, itself, and its copies before and after
    the step."""

    number: int
    name: str
    p: Tensor
    before: Tensor
    after: Tensor


class Update:
    """The step for one element; printing it shows all of its lines.

    rule: the optimiser's name. step: which step it is, from 1. before, after: the element's value;
    after is None where a line search decides. lines: how the one becomes the other.
    """

    def __init__(self, of: UpdateExplanation, member: Member, at: Place) -> None:
        self.of, self.member = of, member
        self.rule, self.parameter, self.index = of.rule, member.name, at
        work = of.work(member, at)
        self.step, self.lines = work.step, tuple(work.lines)
        self.before = work.before
        self.after = work.values.get("p_new")
        self.checks: tuple[checks.LineCheck, ...] | None = of.checks_of(member.name, at)

    def verify(self) -> tuple[checks.LineCheck, ...]:
        """Checks each line: the arithmetic again with 40 digits, states and parameter against the
        step that the optimiser really takes (in float64, and in the parameter's own dtype)."""
        self.checks = self.of.check(self.member, self.index, self.lines)
        return self.checks

    def to_text(self, digits: int = 5) -> str:
        """One line for each number."""
        return render.entry_text(self, digits)

    text = to_text

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return f"<Update of {self.parameter}{list(self.index)} by {self.rule}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.to_text(), "text/latex": render.entry_latex(self)}


class UpdateExplanation(Shown):
    """A step of an optimiser with its numbers. `print(explanation)` shows, for each parameter, the
    element that moves most, or all of few.

    which: "next" (the step that `optimizer.step()` would take with the gradients of now) or "last"
    (the last step taken inside `recording()`; of LBFGS the last iteration, from its own state).
    The numbers are those of the moment when this was made.
    """

    def __init__(
        self, optimizer: Optimizer, which: str, names: Names, wanted: Sequence[Any] | None
    ) -> None:
        self.rule = type(optimizer).__name__
        self.which = which
        self.checked: checks.Checked | None = None
        if isinstance(optimizer, SwitchOptimizer):
            optimizer, optimizer_params = _turn(optimizer, which)
            self.rule = f"{self.rule} → {type(optimizer).__name__}"
        else:
            optimizer_params = _held(optimizer)
        self.optimizer = optimizer
        self._rule = rule_of(optimizer)
        if self._rule is None and not isinstance(optimizer, LBFGS):
            raise ArgumentError(
                t("explain knows the optimisers of chainrule.optim and what is derived from them, "
                  "not {rule}.", rule=type(optimizer).__name__)
            )  # fmt: skip
        chosen = _chosen(optimizer_params, names, wanted)
        taken = taken_by(optimizer) if which == "last" else None
        self._clips: dict[int, Clip] = {}
        if isinstance(optimizer, LBFGS) and which == "last":
            if not any(state.get("n_iter") for state in optimizer.state.values()):
                raise ArgumentError(t("{rule} has not taken a step yet.", rule=self.rule))
            self.source = self.outcome = Twin(optimizer)
        elif which == "last":
            if taken is None or taken.after is None:
                raise ArgumentError(
                    t("No step of this {rule} was recorded: call step() inside "
                      "`with chainrule.explain.recording():`.", rule=self.rule)
                )  # fmt: skip
            self.source, self.outcome, self._clips = taken.before, taken.after, taken.clips
        else:
            with_gradient = [p for _, _, p in chosen if p._grad is not None]
            if not with_gradient:
                raise _no_gradient(chosen[0][1])
            self.source = Twin(optimizer, with_gradient)
            self.outcome = _stepped(self.source, False)
            self._clips = {id(p): c for p in with_gradient if (c := clip_of(p)) is not None}
        self.members = [
            Member(number, name, p, self.source.of[id(p)], self._after(p))
            for number, name, p in chosen
            if id(p) in self.source.of and self._moves(self.source.of[id(p)])
        ]
        self._still = [
            each for each in chosen if all(each[2] is not member.p for member in self.members)
        ]
        self._exact: dict[int, Any] = {}

    def _after(self, p: Tensor) -> Tensor:
        if self.which == "last":
            return self.outcome.of[id(p)]
        return self.outcome.of[id(self.source.of[id(p)])]

    def _moves(self, p: Tensor) -> bool:
        return p._grad is not None or isinstance(self.optimizer, LBFGS)

    # ---- the lines -------------------------------------------------------------------------------

    def entry(self, key: Any, place: Sequence[int] | int = ()) -> Update:
        """One element worked in full: `entry("weight", (0, 1))`. `key`: the parameter's name, its
        number or the tensor."""
        member = self.find(key)
        at = (place,) if isinstance(place, int) else tuple(place)
        shape = member.before.shape
        if len(at) != len(shape) or any(not -n <= i < n for i, n in zip(at, shape, strict=True)):
            raise ShapeError(
                t("{parameter} has shape {shape}: the index {index} names no element of it.",
                  parameter=member.name, shape=tuple(shape), index=at)
            )  # fmt: skip
        return Update(self, member, tuple(i % n for i, n in zip(at, shape, strict=True)))

    def find(self, key: Any) -> Member:
        """The parameter of a name, a number or a tensor."""
        for member in self.members:
            if _is(key, member.number, member.name, member.p):
                return member
        for number, name, p in self._still:
            if _is(key, number, name, p):
                raise _no_gradient(name)
        known = [member.name for member in self.members]
        raise ArgumentError(
            t("The optimiser holds no parameter {wanted!r}; it holds {known}.",
              wanted=key if isinstance(key, str | int) else type(key).__name__,
              known=", ".join(known[:8]) + (", …" if len(known) > 8 else ""))
        )  # fmt: skip

    def places(self, member: Member) -> list[Place]:
        """The elements that are shown: all of few, else the one that moves most."""
        shape = tuple(member.before.shape)
        if not member.before.numel():
            return []
        if member.before.numel() <= EVERY:
            return list(np.ndindex(shape))
        moved = np.abs(array(member.after) - array(member.before))
        if self.which == "last" and isinstance(self.optimizer, LBFGS):
            moved = np.abs(self._vector("d")[self._slice(member)].reshape(shape))
        moved = np.where(np.isfinite(moved), moved, np.inf)
        return [tuple(int(i) for i in np.unravel_index(int(moved.argmax()), shape))]

    def sentence(self, p: Tensor | None) -> str:
        """The lines of one parameter in one text; "" for another tensor."""
        for member in self.members:
            places = self.places(member) if member.p is p else []
            if places:
                lines = "; ".join(line.text(4) for line in self.entry(p, places[0]).lines)
                return f"{member.name}{list(places[0])}: {lines}" if places[0] else lines
        return ""

    def told(self, p: Tensor | None, digits: int = 4) -> dict[str, Any] | None:
        """The same as data: `{"title", "lines": [{"text", "latex", "label"}]}`, or None."""
        for member in self.members:
            places = self.places(member) if member.p is p else []
            if places:
                found = self.entry(p, places[0])
                lines = [
                    {"text": text, "latex": tex, "label": label}
                    for label, text, tex, _ in render.marked(found, digits)
                ]
                return {"title": render.heading(found), "lines": lines}
        return None

    def work(self, member: Member, at: Place) -> Work:
        """The worked lines of one element."""
        optimizer, p = self.source.optimizer, member.before
        group = next(g for g in optimizer.param_groups if any(q is p for q in g["params"]))
        state = optimizer.state.get(p, {})
        if isinstance(optimizer, Adafactor) and group["eps"][0] is None:
            tiny = 2.0**-52 if p.dtype.name == "float64" else 2.0**-23
            group = group | {"eps": (tiny, group["eps"][1])}
        grad = p._grad
        arrays = {k: array(v) for k, v in state.items() if isinstance(v, Tensor)}
        arrays |= {"p": array(p), "g": np.zeros(p.shape) if grad is None else array(grad)}
        scalars = {k: float(v) for k, v in state.items() if k in optimizer.scalars}
        step = int(state.get("step", 0)) + 1
        work = Work(group, step, at, arrays, scalars, self._clips.get(id(member.p)))
        if isinstance(optimizer, LBFGS):
            self._lbfgs(work, member, at)
        elif (
            isinstance(grad, SparseTensor)
            and optimizer.takes_rows(group, True)
            and at[0] not in grad._rows
        ):
            at_rest(work)
        else:
            optimizer.takes_rows(group, isinstance(grad, SparseTensor))
            assert self._rule is not None
            self._rule(work)
        return work

    def _lbfgs(self, work: Work, member: Member, at: Place) -> None:
        state = self.state
        place = self._place(member, at)
        work.step = int(state.get("n_iter", 0)) + 1
        if self.which == "last":
            work.step -= 1
            step = float(state["t"]) * self._vector("d")[place]
            work.before -= step
            work.let(p=work.before)
            lbfgs_again(work, place, state, array)
            return
        parts = [np.zeros(p.numel()) if p._grad is None else array(p._grad).ravel()
                 for p in work.group["params"]]  # fmt: skip
        lbfgs(work, np.concatenate(parts), place, state, array)

    @property
    def whole(self) -> bool:
        """Whether all parameters are known before and after the step."""
        if not isinstance(self.optimizer, LBFGS):
            return True
        return self.which == "next" and self.optimizer.param_groups[0]["line_search_fn"] is None

    @property
    def state(self) -> dict[str, Any]:
        """LBFGS keeps one state for all parameters."""
        optimizer = self.source.optimizer
        return optimizer.state.get(optimizer.param_groups[0]["params"][0], {})

    def _vector(self, name: str) -> Array:
        return array(self.state[name])

    def _slice(self, member: Member) -> slice:
        start = 0
        for p in self.source.optimizer.param_groups[0]["params"]:
            if p is member.before:
                break
            start += p.numel()
        return slice(start, start + member.before.numel())

    def _place(self, member: Member, at: Place) -> int:
        """Where an element is in the vector of all parameters."""
        inside = int(np.ravel_multi_index(at, member.before.shape)) if at else 0
        return int(self._slice(member).start) + inside

    # ---- checking --------------------------------------------------------------------------------

    def verify(self) -> checks.Checked:
        """Checks every line that is shown; see `Update.verify`. Texts printed afterwards mark each
        line with ✓ or ✗."""
        found = {}
        for member in self.members:
            for at in self.places(member):
                lines = tuple(self.work(member, at).lines)
                found[member.name, at] = self.check(member, at, lines)
        self.checked = checks.Checked(found)
        return self.checked

    def checks_of(self, name: str, at: Place) -> tuple[checks.LineCheck, ...] | None:
        return None if self.checked is None else self.checked.entries.get((name, at))

    def check(
        self, member: Member, at: Place, lines: Sequence[UpdateLine]
    ) -> tuple[checks.LineCheck, ...]:
        """The lines against the arithmetic and against the step itself."""
        return tuple(checks.check(line, self._real(member, at, line.slot)) for line in lines)

    def _real(self, member: Member, at: Place, slot: str) -> checks.Real | None:
        """What the step really gave for a slot: in float64, and in the dtype of the program."""
        if not slot:
            return None
        dtype = member.before.dtype.name
        before = float(array(member.before)[at])
        if slot == "grad":
            assert member.before._grad is not None
            return checks.Real(None, float(array(member.before._grad)[at]), dtype, 0.0)
        if isinstance(self.optimizer, LBFGS) and self.which == "last":
            if slot == "d":
                d, place = self._vector("d"), self._place(member, at)
                return checks.Real(None, float(d[place]), dtype, float(np.abs(d).max()))
            return checks.Real(None, before, dtype, 0.0)
        if id(member.p) not in self._exact:
            only = Twin(self.source.optimizer, [member.before])
            self._exact[id(member.p)] = _stepped(only, True), only
        exact, only = self._exact[id(member.p)]
        twin = exact.of[id(only.of[id(member.before)])]
        if slot == "p":
            own = float(array(member.after)[at])
            return checks.Real(float(array(twin)[at]), own, dtype, own - before)
        state = exact.optimizer.state
        if slot == "d":
            first = exact.optimizer.param_groups[0]["params"][0]
            d = array(state[first]["d"])
            return checks.Real(float(d[self._place(member, at)]), None, dtype, 0.0)
        value = state[twin][slot]
        if isinstance(value, Tensor):
            whole = array(value)
            there = tuple(i if n > 1 else 0 for i, n in zip(at, whole.shape, strict=True))
            return checks.Real(float(whole[there]), None, dtype, 0.0)
        return checks.Real(float(value), None, dtype, 0.0)

    # ---- texts -----------------------------------------------------------------------------------

    def to_text(self, digits: int = 5, language: str | None = None) -> str:
        """The worked step as plain text, with `digits` significant digits."""
        with speaking(language):
            return render.to_text(self, digits)

    def to_markdown(self, digits: int = 5, language: str | None = None) -> str:
        """The worked step as Markdown with formulas in `$…$`."""
        with speaking(language):
            return render.to_markdown(self, digits)

    def to_latex(self, digits: int = 5, language: str | None = None) -> str:
        """The worked step as the body of a LaTeX document (amsmath)."""
        with speaking(language):
            return render.to_latex(self, digits)

    def to_html(self, digits: int = 5, language: str | None = None) -> str:
        """The worked step as one HTML element without scripts."""
        with speaking(language):
            return render.to_html(self, digits)

    def __repr__(self) -> str:
        return f"<UpdateExplanation of {self.rule}: {len(self.members)} parameters>"


def build(
    optimizer: Optimizer, wrt: Any, step: str | None, scope: Mapping[str, Any]
) -> UpdateExplanation:
    """What `chainrule.explain(optimizer)` gives; `scope`: the variables that names come from."""
    if step not in (None, "next", "last"):
        raise ArgumentError(t("step is 'next' or 'last', not {step!r}.", step=step))
    names = Names(scope, wrt if isinstance(wrt, Mapping) else {},
                  wrt if isinstance(wrt, Module) else None)  # fmt: skip
    names.learn_modules([])
    wanted: Sequence[Any] | None
    if isinstance(wrt, Module):
        wanted = list(wrt.parameters())
    elif wrt is None or isinstance(wrt, Mapping):
        wanted = None if wrt is None else list(wrt.values())
    else:
        wanted = [wrt] if isinstance(wrt, Tensor | str) else list(wrt)
    which = step or ("last" if _nothing_new(optimizer) else "next")
    return UpdateExplanation(optimizer, which, names, wanted)


def array(tensor: Any) -> Array:
    """The numbers of a tensor, in float64."""
    if isinstance(tensor, SparseTensor):
        tensor = tensor.to_dense()
    return np.array(tensor._data if isinstance(tensor, Tensor) else tensor, np.float64)


def _is(key: Any, number: int, name: str, p: Tensor) -> bool:
    """Whether `key` means this parameter."""
    return p is key or (isinstance(key, str) and key == name) or (
        type(key) is int and key == number
    )  # fmt: skip


def _no_gradient(name: str) -> ArgumentError:
    return ArgumentError(
        t("{parameter} has no gradient: call backward() before explain().", parameter=name)
    )


def _held(optimizer: Optimizer) -> list[tuple[str | None, Tensor]]:
    """All parameters with the names that the optimiser was given."""
    out: list[tuple[str | None, Tensor]] = []
    for group in optimizer.param_groups:
        names = group.get("param_names") or [None] * len(group["params"])
        out += zip(names, group["params"], strict=True)
    return out


def _turn(
    optimizer: SwitchOptimizer, which: str
) -> tuple[Optimizer, list[tuple[str | None, Tensor]]]:
    """The optimiser whose turn it is, or was, with the rates that it has then."""
    held = _held(optimizer)
    if which == "last":
        second = optimizer._taken > optimizer.after
        return (optimizer.second if second else optimizer.first), held
    second = optimizer.active is optimizer.second
    if not second:
        return optimizer.first, held
    rates = [group["lr"] for group in optimizer.second.param_groups]
    taken = optimizer._taken
    try:
        optimizer._count()
        told = [dict(group) for group in optimizer.second.param_groups]
    finally:
        optimizer._taken = taken
        for group, lr in zip(optimizer.second.param_groups, rates, strict=True):
            group["lr"] = lr
    active = copy.copy(optimizer.second)
    active.param_groups = told
    return active, held


def _chosen(
    held: list[tuple[str | None, Tensor]], names: Names, wanted: Sequence[Any] | None
) -> list[tuple[int, str, Tensor]]:
    """The parameters with their numbers and names, only the wanted ones."""
    named = [
        (i, name or names.of(p) or t("parameter {number}", number=i), p)
        for i, (name, p) in enumerate(held)
    ]
    if wanted is None:
        return named
    keep = [each for each in named if any(_is(key, *each) for key in wanted)]
    if not keep:
        raise ArgumentError(
            t("The optimiser holds no parameter {wanted!r}; it holds {known}.",
              wanted=", ".join(w if isinstance(w, str) else type(w).__name__ for w in wanted),
              known=", ".join(name for _, name, _ in named[:8]) + (", …" if len(named) > 8 else ""))
        )  # fmt: skip
    return keep


def _nothing_new(optimizer: Optimizer) -> bool:
    """Whether a step was recorded, and no other gradients have come since."""
    if isinstance(optimizer, SwitchOptimizer):
        optimizer = optimizer.second if optimizer._taken > optimizer.after else optimizer.first
    taken = taken_by(optimizer)
    if taken is None:
        return False
    for _, p in _held(optimizer):
        old = taken.before.of.get(id(p))
        if p._grad is not None and (
            old is None or old._grad is None
            or not np.array_equal(array(p._grad), array(old._grad), equal_nan=True)
        ):  # fmt: skip
            return False
    return True


def _stepped(source: Twin, double: bool) -> Twin:
    """The copy of a copy, one step further."""
    twin = Twin(source.optimizer, double=double)
    twin.step()
    return twin
