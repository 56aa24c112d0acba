"""The base of all optimisers: parameter groups, state, and how a rule is run.

A rule is one pure formula in the namespace F (`update`). Glass mode runs it on NumPy arrays, piece
by piece, so that parameter, gradient and state stay in the cache between the formula's passes. A
trace runs it once on whole symbols; numbers that change from step to step (learning rate, bias
correction) enter it through `trace.host`, which asks for them anew at every replay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from operator import getitem, is_, itemgetter
from typing import Any, ClassVar, NamedTuple

import numpy as np

from chainrule.base import aligned, dtypes
from chainrule.base.constraints import Constraint
from chainrule.base.dtypes import DType
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor, enable_grad, memory, no_grad
from chainrule.graph.convert import cast_array
from chainrule.graph.modes import mode
from chainrule.graph.sparse import SparseTensor, is_sparse_gradient
from chainrule.graph.tensor import REUSED, wrap, zero_gradient
from chainrule.ops.arrays import native
from chainrule.ops.dispatch import cast
from chainrule.ops.inplace import assign
from chainrule.optim import groups, states
from chainrule.optim.rows import check_writable, refuse_sparse, write_rows
from chainrule.optim.states import HALVES

# Elements a piece: 128 KiB of float32, so that the handful of arrays of a formula fit into L2.
PIECE = 32768


class Batch(NamedTuple):
    """Parameters of one group that have taken equally many steps: they share all numbers."""

    group: dict[str, Any]
    dtype: DType  # in which the rule computes
    slots: tuple[str, ...]
    flags: dict[str, Any]
    members: list[tuple[Tensor, Tensor, dict[str, Any]]]  # parameter, gradient, state


class Optimizer:
    """Changes parameters by their gradients: `loss.backward(); optimizer.step()`.

    `params`: tensors, (name, tensor) pairs, or dicts with "params" and own options (groups).
    A subclass gives `options`, `slots`, `flags`, `numbers` and `update`, or its own `step`.
    Parameters of half precision are computed in float32 (so is their state) and rounded once.

    `foreach`, `fused` and `capturable`, with which PyTorch chooses among its implementations, are
    accepted and change nothing: there is one.
    """

    options: ClassVar[dict[str, Constraint]] = {}
    exports_step: ClassVar[bool] = True  # whether PyTorch's state dict has "step"
    elementwise: ClassVar[bool] = True  # False: the rule wants whole tensors, not pieces
    scalars: ClassVar[tuple[str, ...]] = ()  # numbers in each parameter's state, beside "step"
    guards_itself: ClassVar[bool] = False  # whether its own `step` tells a trace what it rests on
    masks_rows: ClassVar[bool] = False  # whether a gradient of 0 is another thing than none

    def __init__(
        self, params: Any, defaults: dict[str, Any], implementation: Mapping[str, Any] | None = None
    ) -> None:
        self._name = type(self).__name__
        groups.check_implementation(implementation or {}, self._name)
        self.defaults = groups.checked(self.options, defaults, self._name)
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        for group in groups.split(params, self._name):
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds a group: {"params": …} and the options in which it differs from the defaults.

        >>> a, b = cr.nn.Linear(1, 1), cr.nn.Linear(1, 1)
        >>> optimizer = cr.optim.SGD(a.parameters(), lr=0.1)
        >>> optimizer.add_param_group({"params": b.parameters(), "lr": 0.01})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.01]
        """
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise ArgumentError(
                t(
                    "{owner}: a parameter group is a dict with the key 'params', got {group!r}.",
                    owner=self._name,
                    group=type(param_group).__name__,
                )
            )
        tensors, names = groups.members(param_group["params"], self._name)
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for i, p in enumerate(tensors):
            if id(p) in known:
                raise ArgumentError(
                    t(
                        "{owner}: parameter {where} is given twice, and would be updated twice a "
                        "step: name each parameter in one group, once.",
                        owner=self._name,
                        where=names[i] if names else i,
                    )
                )
            known.add(id(p))
        if self.param_groups and ("param_names" in self.param_groups[0]) != (names is not None):
            raise ArgumentError(
                t("{owner}: give names in every parameter group, or in none.", owner=self._name)
            )
        group = {"params": tensors} | ({"param_names": names} if names else {})
        rest = {k: v for k, v in param_group.items() if k != "params"}
        group |= self.defaults | groups.checked(self.options, rest, self._name)
        self.check_group(group)
        self.param_groups.append(group)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "step" in vars(cls) and not cls.guards_itself:
            cls.step = _guarded(cls.step)  # type: ignore[method-assign]

    @property
    def ruled(self) -> bool:
        """Whether the step is that of a rule, and not the class's own."""
        return type(self).step is Optimizer.step

    # ---- what a rule is ---------------------------------------------------------------------

    def check_group(self, group: dict[str, Any]) -> None:
        """Raises where options that are valid alone do not go together."""

    def takes_rows(self, group: dict[str, Any], sparse: bool) -> bool:
        """Whether the rule runs on the rows of a sparse gradient alone (else on all, as dense).

        Asked for each gradient, `sparse` or not; raises for those that the rule does not take.
        """
        if sparse:
            refuse_sparse(self._name)
        return False

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """Names of the state tensors."""
        return ()

    def shapes(self, group: dict[str, Any], shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """The state tensors of a parameter of `shape`, with their shapes: by default its own."""
        return dict.fromkeys(self.slots(group), shape)

    def start(self, group: dict[str, Any]) -> dict[str, float]:
        """What state tensors and scalars begin with, where that is not 0."""
        return {}

    def flags(self, group: dict[str, Any]) -> dict[str, Any]:
        """The branches of the formula. A compiled step fixes them."""
        return {}

    def numbers(self, group: dict[str, Any], step: int, **scalars: float) -> dict[str, float]:
        """The numbers of the formula at step 1, 2, …; arithmetic among them happens here.

        It gets the `scalars` of the step before; those that it returns are kept for the next step
        and not given to the formula.
        """
        raise NotImplementedError

    @staticmethod
    def update(*operands: Any, **arguments: Any) -> Any:
        """The rule, element by element: F, p, g, state, with flags and numbers → p, state."""
        raise NotImplementedError

    # ---- a step -----------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates every parameter that has a gradient; returns what `closure` returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        if mode.trace is None:
            taken = None if mode.watch is None else mode.watch.stepping(self)
            for batch in self._batches():
                mode.quiet(self._run, batch)
            if taken is not None:
                taken()
        else:
            with no_grad():
                batches = list(self._batches())
                mode.trace.guard(self._unchanged(batches), t("the optimiser's options or state"))
                for batch in batches:
                    self._trace(batch)
        return loss

    def _batches(self) -> Iterable[Batch]:
        trace, uniform = mode.trace, type(self).shapes is Optimizer.shapes
        for group in self.param_groups:
            flags, start, slots = self.flags(group), self.start(group), self.slots(group)
            found: dict[Any, Batch] = {}
            for p in group["params"]:
                if trace is not None:
                    trace.read_grad(p)
                g = p._grad
                if g is None:
                    continue
                if g is REUSED:
                    REUSED.refuse()
                by_rows = self.takes_rows(group, is_sparse_gradient(g))
                if not (by_rows or g.__class__ is Tensor):
                    g = g.to_dense()
                if trace is not None and p not in self.state:
                    trace.undo(self.state.pop, p, None)
                state = self.state[p]
                dtype = p.dtype
                if dtype in HALVES:
                    dtype = dtypes.float32
                if not uniform:
                    slots = tuple(self.shapes(group, p.shape))
                for name in slots:
                    if name not in state:
                        shape, first = self.shapes(group, p.shape)[name], start.get(name, 0)
                        state[name] = wrap(aligned.full(shape, first, dtype.numpy))
                        if trace is not None:
                            trace.undo(state.pop, name, None)
                for name in self.scalars:
                    state.setdefault(name, float(start.get(name, 0)))
                scalars = tuple([state[name] for name in self.scalars])
                key = (state.setdefault("step", 0), dtype, slots, scalars, by_rows)
                if key not in found:
                    found[key] = Batch(group, dtype, slots, flags, [])
                found[key].members.append((p, g, state))
            yield from found.values()

    def _advance(self, batch: Batch) -> dict[str, float]:
        """Counts the step and gives its numbers."""
        first = batch.members[0][2]
        numbers = self._numbers(batch.group, first)
        kept = {"step": first["step"] + 1} | {name: numbers.pop(name) for name in self.scalars}
        for _, _, state in batch.members:
            state.update(kept)
        return numbers

    def _numbers(self, group: dict[str, Any], state: dict[str, Any]) -> dict[str, float]:
        scalars = {name: state[name] for name in self.scalars}
        return self.numbers(group, state["step"] + 1, **scalars)

    def _run(self, batch: Batch) -> None:
        dtype = batch.dtype.numpy
        steps = self._advance(batch)
        sparse = isinstance(batch.members[0][1], SparseTensor)
        if not sparse and self._run_kernel(batch, steps):
            return
        # As 0-d arrays: cheaper than Python numbers in NumPy, and rounded as in a trace.
        numbers = {k: np.array(v, dtype) for k, v in steps.items()}
        arguments = batch.flags | numbers
        for p, g, state in batch.members:
            states = {name: state[name]._data for name in batch.slots}
            if isinstance(g, SparseTensor):
                write_rows(self.update, p._data, p.dtype, g, states, arguments)
            else:
                self._write(p._data, p.dtype, g._data, states, arguments)

    def _run_kernel(self, batch: Batch, numbers: dict[str, float]) -> bool:
        """Updates all at once by a native kernel, if there is one."""
        if not self.elementwise or any(p.dtype is not batch.dtype for p, _, _ in batch.members):
            return False
        members = [
            (p._data, g._data, {name: state[name]._data for name in batch.slots})
            for p, g, state in batch.members
        ]
        return native.update(self.update, batch.flags, numbers, members) is not native.NONE

    def _write(
        self, p: np.ndarray, dtype: DType, g: np.ndarray, states: dict[str, Any], arguments: Any
    ) -> None:
        half = dtype in HALVES
        pieces: Iterable[Any] = (...,)
        if self.elementwise and p.flags.c_contiguous and p.flags.writeable:
            pieces = [slice(i, i + PIECE) for i in range(0, p.size, PIECE)]
            flat, g = p.reshape(-1), g.reshape(-1)
            flats = {name: a.reshape(-1) for name, a in states.items()}
        else:
            check_writable(p)
            flat, flats = p, states
        for piece in pieces:
            x = old = flat[piece]
            d = g[piece]
            if half:
                x, d = x.astype(np.float32), d.astype(np.float32)
            views = {name: a[piece] for name, a in flats.items()}
            y, new = self.update(mode.F, x, d, views, **arguments)
            # What the formula did not change in place is copied back.
            if y is not old:
                old[...] = cast_array(y, dtype) if half else y
            for name, view in views.items():
                if new[name] is not view:
                    view[...] = new[name]
        memory.written(p)
        for a in states.values():
            memory.written(a)

    def _trace(self, batch: Batch) -> None:
        group, dtype, slots, flags, members = batch

        def numbers() -> tuple[float, ...]:
            return tuple(self._advance(batch).values())

        def save() -> Callable[[], None]:
            before = {name: members[0][2][name] for name in ("step", *self.scalars)}

            def undo() -> None:
                for _, _, state in members:
                    state.update(before)

            return undo

        computed = self._numbers(group, members[0][2])
        names = tuple(name for name in computed if name not in self.scalars)
        values = mode.trace.host(numbers, names, dtype.numpy, save)
        arguments = flags | dict(zip(names, values, strict=True))
        lift = mode.trace.lift
        for p, g, state in members:
            symbols = {name: lift(state[name]) for name in slots}
            x, d = lift(cast(p, dtype)), lift(cast(g, dtype))
            y, new = self.update(mode.F, x, d, symbols, **arguments)
            if self.masks_rows and is_sparse_gradient(g):
                there = mode.F.reshape(lift(g._more().rows), (-1,) + (1,) * (p.ndim - 1))
                y = mode.F.where(there, y, x)
                new = {name: mode.F.where(there, new[name], symbols[name]) for name in slots}
            assign(p, wrap(y))
            for name in slots:
                assign(state[name], wrap(new[name]))
            mode.trace.stepped(p)

    def _unchanged(self, batches: list[Batch]) -> Callable[[], bool]:
        """A question for each run of a traced step: would the same be written down again?"""
        structure = [(group, list(group["params"])) for group in self.param_groups]
        states = [state for b in batches for _, _, state in b.members]
        params = [p for b in batches for p, _, _ in b.members]
        slots = [(state, name) for b in batches for _, _, state in b.members for name in b.slots]
        owners, names = [state for state, _ in slots], [name for _, name in slots]
        tensors = [state[name] for state, name in slots]
        counts = itemgetter("step", *self.scalars)
        together = [[state for _, _, state in b.members] for b in batches]
        seen: list[dict[str, Any] | None] = [None] * len(batches)  # options that gave the same

        def same_rule(k: int) -> bool:
            group, _, slots, flags, members = batches[k]
            if group == seen[k]:
                return True
            if self.flags(group) != flags or any(
                tuple(self.shapes(group, p.shape)) != slots for p, _, _ in members
            ):
                return False
            # A list may change and stay equal to itself: the parameters were compared before.
            lists = any(isinstance(x, list) for name, x in group.items() if name != "params")
            seen[k] = None if lists else dict(group)
            return True

        def check() -> bool:
            found = self.param_groups
            if len(found) != len(structure):
                return False
            for group, (old, members) in zip(found, structure, strict=True):
                now = group["params"]
                if group is not old or len(now) != len(members) or not all(map(is_, now, members)):
                    return False
            if not all(map(is_, map(self.state.get, params), states)):
                return False
            try:
                return (
                    all(len(set(map(counts, those))) == 1 for those in together)
                    and all(map(is_, map(getitem, owners, names), tensors))
                    and all(map(same_rule, range(len(batches))))
                )
            except KeyError:  # a state has lost an entry
                return False

        return check

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients, or fills them with zeros.

        >>> w = cr.tensor([1.0], requires_grad=True)
        >>> w.sum().backward()
        >>> cr.optim.SGD([w], lr=0.1).zero_grad()
        >>> w.grad is None
        True
        """
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none and mode.trace is None:
                    p._grad = None
                else:
                    zero_gradient(p, set_to_none)

    # ---- state dicts ------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on: {"state": {index: …}, "param_groups": […]}.

        Parameters are counted through all groups. The tensors are the optimiser's own, not copies.
        """
        return states.written(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave; nothing is changed if it does not fit."""
        states.load(self, state_dict)

    def __repr__(self) -> str:
        lines = [f"{self._name} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k != "params"]
        return "\n".join([*lines, ")"])


def _guarded(step: Callable[..., Any]) -> Callable[..., Any]:
    """A subclass's own `step`, whose numbers a trace can only take as constants: the options are
    those of the trace, or the step is traced again."""

    @wraps(step)
    def guarded(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        if mode.trace is not None:
            before = _described(self.param_groups)
            mode.trace.guard(
                lambda: _described(self.param_groups) == before,
                t("the optimiser's options or state"),
            )
        return step(self, *args, **kwargs)

    return guarded


def _described(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [group | {"params": [id(p) for p in group["params"]]} for group in groups]
