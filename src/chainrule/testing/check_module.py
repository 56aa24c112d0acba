"""The contract of a module: gradients, state, train and eval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from chainrule.base.text import t
from chainrule.graph.backward import grad
from chainrule.graph.modes import no_grad
from chainrule.graph.tensor import Tensor
from chainrule.nn.module import Module
from chainrule.ops.random import get_rng_state, manual_seed, set_rng_state
from chainrule.testing.gradients import differences, probes, projected, value_of
from chainrule.testing.report import CheckFailure, Mismatch, close, expect

_RTOL, _ATOL = 2e-5, 2e-6


def check_module(module: Module, input: Any, *, checks: Sequence[str] | None = None) -> list[str]:
    """Checks the contract of a module at `input` (a tensor, or a tuple of arguments).

    The module itself is left alone: copies in float64 are checked. Returns the names of the checks
    made. Errors: CheckFailure (an AssertionError) that names module, check and parameter.
    """
    given = input if isinstance(input, tuple) else (input,)
    chosen = list(MODULE_CHECKS) if checks is None else list(checks)
    before = get_rng_state()
    for name in chosen:
        copy = deepcopy(module).double()
        args = tuple(_double(x) for x in given)
        try:
            MODULE_CHECKS[name](copy, args)
        except Exception as error:
            what = str(error) if isinstance(error, Mismatch) else f"{type(error).__name__}: {error}"
            kind = type(module).__name__
            message = t("{module}: {check}: {what}", module=kind, check=name, what=what)
            raise CheckFailure(message, kind, name) from error
        finally:
            set_rng_state(before)
    return chosen


def _double(x: Any) -> Any:
    if not isinstance(x, Tensor):
        return x
    copy = Tensor(np.array(x._data), x.dtype)
    return copy.double() if copy.dtype.is_floating_point else copy


def _outputs(module: Module, args: tuple[Any, ...]) -> list[Tensor]:
    """The floating-point outputs, always from the same random numbers."""
    manual_seed(0)
    return [y for y in _flat(module(*args)) if y.dtype.is_floating_point]


def _flat(x: Any) -> list[Tensor]:
    if isinstance(x, Tensor):
        return [x]
    values = x.values() if isinstance(x, dict) else x if isinstance(x, tuple | list) else ()
    return [y for v in values for y in _flat(v)]


def _weights(outputs: list[Tensor]) -> list[Tensor]:
    rng = np.random.default_rng(5)
    return [Tensor(rng.uniform(0.5, 1.5, y.shape)) for y in outputs]


def _gradients(module: Module, args: tuple[Any, ...]) -> None:
    floats = [x for x in args if isinstance(x, Tensor) and x.dtype.is_floating_point]
    named: list[tuple[str, Tensor]] = [
        (n, p) for n, p in module.named_parameters() if p.requires_grad
    ]
    named += [(t("input {i}", i=i), x.requires_grad_()) for i, x in enumerate(floats)]
    outputs = _outputs(module, args)
    expect(outputs, t("It returns no floating-point tensor."))
    vs = _weights(outputs)
    found = grad(outputs, [p for _, p in named], vs, allow_unused=True)

    def total(p: Tensor, a: np.ndarray) -> float:
        kept = p._data.copy()
        p._data[...] = a
        with no_grad():
            ys = _outputs(module, args)
        # Before the value is put back: an output may be the input itself.
        result = float(sum(np.sum(y._data * v._data) for y, v in zip(ys, vs, strict=True)))
        p._data[...] = kept
        return result

    for (name, p), g in zip(named, found, strict=True):
        expect(g is not None, t("{name} gets no gradient.", name=name))
        x = value_of(p)
        directions = probes(x)
        numeric = differences(lambda a, p=p: total(p, a), x, directions)  # type: ignore[misc]
        assert g is not None
        close(f"∂/∂{name}", projected(directions, value_of(g)), numeric, _RTOL, _ATOL)


def _train_gradients(module: Module, args: tuple[Any, ...]) -> None:
    _gradients(module.train(), args)


def _eval_gradients(module: Module, args: tuple[Any, ...]) -> None:
    _gradients(module.eval(), args)


def _state(module: Module, args: tuple[Any, ...]) -> None:
    module.eval()
    expected = [value_of(y) for y in _outputs(module, args)]
    state = {k: v.clone() if isinstance(v, Tensor) else v for k, v in module.state_dict().items()}
    other = deepcopy(module)
    with no_grad():
        for p in other.parameters():
            p.add_(1.0)
    result = other.load_state_dict(state)
    expect(not result.missing_keys, t("Missing in the state: {names}", names=result.missing_keys))
    expect(not result.unexpected_keys, t("Unexpected: {names}", names=result.unexpected_keys))
    expect(list(other.state_dict()) == list(state), t("Loading changed the names of the state."))
    for y, e in zip(_outputs(other, args), expected, strict=True):
        close(t("output after loading the state"), value_of(y), e, 0, 0)


def _modes(module: Module, args: tuple[Any, ...]) -> None:
    module.train()
    expect(all(m.training for m in module.modules()), t("train() does not reach every child."))
    module.eval()
    expect(not any(m.training for m in module.modules()), t("eval() does not reach every child."))
    buffers = {name: value_of(b) for name, b in module.named_buffers()}
    first = [value_of(y) for y in _flat(module(*args))]
    for y, e in zip(_flat(module(*args)), first, strict=True):
        close(t("the same call in eval mode"), value_of(y), e, 0, 0)
    for name, b in module.named_buffers():
        close(t("buffer {name} in eval mode", name=name), value_of(b), buffers[name], 0, 0)


def _pure(module: Module, args: tuple[Any, ...]) -> None:
    before = [value_of(x) for x in args if isinstance(x, Tensor)]
    parameters = {name: value_of(p) for name, p in module.named_parameters()}
    _outputs(module.train(), args)
    for x, old in zip([x for x in args if isinstance(x, Tensor)], before, strict=True):
        close(t("the input after the call"), value_of(x), old, 0, 0)
    for name, p in module.named_parameters():
        close(t("{name} after the call", name=name), value_of(p), parameters[name], 0, 0)


def _dtypes(module: Module, args: tuple[Any, ...]) -> None:
    module.float()
    given = tuple(
        x.float() if isinstance(x, Tensor) and x.dtype.is_floating_point else x for x in args
    )
    for y in _outputs(module, given):
        expect(y.dtype.name == "float32", t("float32 in, {dtype} out.", dtype=y.dtype.name))


def _text(module: Module, args: tuple[Any, ...]) -> None:
    kind = type(module).__name__
    expect(repr(module).startswith(f"{kind}("), t("repr() does not begin with {kind}(.", kind=kind))
    expect((type(module).__doc__ or "").strip(), t("No docstring."))


MODULE_CHECKS: dict[str, Callable[[Module, tuple[Any, ...]], None]] = {
    "gradients in training": _train_gradients,
    "gradients in evaluation": _eval_gradients,
    "state": _state,
    "train and eval": _modes,
    "purity": _pure,
    "dtypes": _dtypes,
    "text": _text,
}
