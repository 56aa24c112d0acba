"""Running a program on the engine, and the worked steps that come out.

Values, local derivatives and gradients are the engine's own: each step is a recorded operation on
float64 tensors, a local derivative is the operation's VJP for g = 1, and the gradients are those
of one backward walk. The formulas beside them come from `math` and the differentiator, and are
shown only where their numbers are the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.base.text import t
from chainrule.explain.worksheet.derive import (
    BY_OUTPUT,
    CONSTANTS,
    NoDerivative,
    derivative,
    simplified,
    value_of,
)
from chainrule.explain.worksheet.program import OPERATORS, Program, Step, compile_expression
from chainrule.explain.worksheet.syntax import (
    Call,
    Expression,
    ExpressionError,
    Name,
    Number,
    names_in,
    parse,
    substitute,
)
from chainrule.graph import Tensor, enable_grad, no_grad
from chainrule.graph.backward import grad

Array = NDArray[np.float64]
MAX_ELEMENTS = 64

# What the reductions' formulas cannot say in the grammar of expressions.
_SLOPES = {"sum": "1", "mean": "1 / n"}


class Term(NamedTuple):
    """One arrow of the graph walked back: from a step's result to one of its inputs."""

    input: str
    derivative: Expression | None  # None: no formula; the engine's number stands alone
    local: Array
    gradient: Array  # upstream × local, summed to the input's shape
    numeric: Array | None  # central differences of the step alone


class Worked(NamedTuple):
    """One step, forward and back."""

    name: str
    function: str
    formula: Expression  # as written: sigmoid(q1)
    expansion: Expression | None  # what the operation computes: 1 / (1 + exp(-q1))
    value: Array
    upstream: Array | None  # None for a step that no variable reaches
    terms: tuple[Term, ...]


class Worksheet(NamedTuple):
    """A worked example. `gradients` holds ∂output/∂name of every variable and step; `parts` what
    each is the sum of, one a use; `numeric` the central differences of the whole expression."""

    source: str
    output: str
    variables: dict[str, Array]
    steps: tuple[Worked, ...]
    values: dict[str, Array]
    gradients: dict[str, Array]
    parts: dict[str, tuple[Array, ...]]
    numeric: dict[str, Array] | None


def worksheet(
    expression: str, variables: Mapping[str, float | Sequence[float]], check: bool = False
) -> Worksheet:
    """The chain rule worked through for an expression: `worksheet("x * x", {"x": 3})`.

    Args:
        expression: as in `syntax`; several, as in "q = x + y; q * z", are separated by semicolons.
        variables: numbers, or lists of them for vectors. A result that is a vector is summed.
        check: compare with central differences, too.

    Raises ExpressionError for what cannot be read or computed.
    """
    arrays = {name: _array(name, value) for name, value in variables.items()}
    program = compile_expression(expression, arrays)
    with enable_grad():
        tensors = _run(program, arrays)
    names = [name for name, tensor in tensors.items() if tensor.requires_grad]
    output = tensors[program.output]
    found = grad(
        output, [tensors[n] for n in names], Tensor(np.ones(output.shape)), allow_unused=True
    )
    gradients = {n: g.numpy() for n, g in zip(names, found, strict=True) if g is not None}
    for name in arrays:
        # Used only for a step that the result does not need.
        gradients.setdefault(name, np.zeros_like(arrays[name]))
    values = {name: tensor.detach().numpy() for name, tensor in tensors.items()}
    steps = tuple(_worked(step, values, gradients, check) for step in program.steps)
    parts: dict[str, list[Array]] = {}
    for worked in reversed(steps):
        for term in worked.terms:
            parts.setdefault(term.input, []).append(term.gradient)
    return Worksheet(
        program.source,
        program.output,
        arrays,
        steps,
        values,
        gradients,
        {name: tuple(terms) for name, terms in parts.items()},
        _numeric(program, arrays) if check else None,
    )


def _array(name: str, value: float | Sequence[float]) -> Array:
    if not name.isidentifier() or name in CONSTANTS and name != "e":
        raise ExpressionError(t("{name!r} cannot be the name of a variable.", name=name))
    array = np.array(value, dtype=np.float64)
    if array.ndim > 1 or not 1 <= array.size <= MAX_ELEMENTS:
        raise ExpressionError(
            t(
                "{name} has shape {shape}: give a number or a list of 1 to {most} numbers.",
                name=name,
                shape=array.shape,
                most=MAX_ELEMENTS,
            )
        )
    if not np.isfinite(array).all():
        raise ExpressionError(t("{name} is not a finite number.", name=name))
    return array


def _run(program: Program, arrays: Mapping[str, Array]) -> dict[str, Tensor]:
    """Every variable and step as a recorded tensor."""
    tensors = {name: Tensor(np.array(a), requires_grad=True) for name, a in arrays.items()}
    for step in program.steps:
        tensors[step.name] = _apply(step, [tensors[x] if isinstance(x, str) else x
                                           for x in step.inputs])  # fmt: skip
    return tensors


def _apply(step: Step, inputs: Sequence[Tensor | float]) -> Tensor:
    if not any(isinstance(x, Tensor) for x in inputs):
        # log(2): no variable, but the operation still needs a tensor to work on.
        inputs = [Tensor(np.float64(inputs[0])), *inputs[1:]]
    if step.function == "dot" and any(getattr(x, "ndim", 0) != 1 for x in inputs):
        raise ExpressionError(t("dot takes two vectors, written as x=[1,2,3]."))
    result: Tensor = step.op.function(*inputs, **step.params)
    return result


# ---- one step --------------------------------------------------------------------------------


def _worked(
    step: Step, values: Mapping[str, Array], gradients: Mapping[str, Array], check: bool
) -> Worked:
    operands: list[Expression] = [
        Name(x) if isinstance(x, str) else Number(float(x)) for x in step.inputs
    ]
    formula, expansion, shown = _formulas(step, operands, values)
    value = values[step.name]
    upstream = gradients.get(step.name)
    terms = []
    if upstream is not None:
        arrays = [values[x] if isinstance(x, str) else np.float64(x) for x in step.inputs]
        locals_ = _local(step, arrays, value)
        for i, x in enumerate(step.inputs):
            if not isinstance(x, str) or x not in gradients:
                continue
            local = locals_[i]
            product = np.asarray(upstream * local)
            extra = product.shape[: product.ndim - values[x].ndim]
            gradient = product.sum() if extra or product.size > values[x].size else product
            slope = _slope(step, i, operands, shown, values)
            if slope is not None and not _agrees(slope, values, step, value, local):
                slope = None
            numeric = _differences(step, arrays, i, value) if check else None
            terms.append(
                Term(x, slope, local, np.asarray(gradient).reshape(values[x].shape), numeric)
            )
    return Worked(step.name, step.function, formula, expansion, value, upstream, tuple(terms))


def _formulas(
    step: Step, operands: Sequence[Expression], values: Mapping[str, Array]
) -> tuple[Expression, Expression | None, Expression | None]:
    """The step as written, the formula of its operation if it says more, and that formula."""
    numbers = _params(step)
    if step.op.name == "mean":
        numbers["n"] = Number(float(values[str(step.inputs[0])].size))
    tree: Expression | None
    try:
        tree = parse(step.op.math)
        if numbers:
            tree = simplified(substitute(tree, numbers))
        tree = substitute(tree, dict(zip(step.op.inputs, operands, strict=True)))
        if any(name not in values and name not in CONSTANTS for name in names_in(tree)):
            tree = None
    except ExpressionError:
        # Formulas with other signs, as x @ o.
        tree = None
    given = (v for k, v in _params(step).items() if v.value != step.op.defaults.get(k))
    written = Call(step.function, (*operands, *given))
    if step.function in OPERATORS or step.function in ("reciprocal", "maximum", "minimum"):
        return tree or written, None, tree
    return written, tree if tree != written else None, tree


def _params(step: Step) -> dict[str, Number]:
    """The parameters that are numbers."""
    return {
        name: Number(float(value))
        for name, value in step.params.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _slope(
    step: Step,
    index: int,
    operands: Sequence[Expression],
    shown: Expression | None,
    values: Mapping[str, Array],
) -> Expression | None:
    """∂step/∂input as a formula, or None."""
    name = step.op.name
    if step.function == "dot":
        return operands[1 - index]
    if name in _SLOPES:
        n = Number(float(values[str(step.inputs[0])].size))
        return substitute(parse(_SLOPES[name]), {"n": n})
    if name in BY_OUTPUT:
        return substitute(BY_OUTPUT[name], {"x": operands[0], "y": Name(step.name)})
    if shown is None:
        return None
    # Each input under a name of its own, or x * x could not tell its two factors apart.
    marks = {each: Name(f"_{i}") for i, each in enumerate(step.op.inputs)}
    constants: dict[str, Expression] = {
        f"_{i}": x for i, x in enumerate(operands) if isinstance(x, Number)
    }
    names: dict[str, Expression] = {f"_{i}": x for i, x in enumerate(operands)}
    try:
        tree = simplified(substitute(parse(step.op.math), _params(step)))
        tree = substitute(substitute(tree, marks), constants)
        return substitute(derivative(tree, f"_{index}"), names)
    except NoDerivative:
        return None


def _agrees(
    slope: Expression, values: Mapping[str, Array], step: Step, value: Array, local: Array
) -> bool:
    """Whether the formula gives the engine's number; at kinks, conventions differ from it."""
    try:
        number = value_of(slope, {**values, step.name: value})
    except KeyError:
        return False
    return bool(np.allclose(number, local, rtol=1e-7, atol=1e-12, equal_nan=True))


def _leaves(step: Step, arrays: Sequence[Any], value: Array) -> list[Any]:
    """Fresh inputs; elementwise ones in the shape of the result, each element by itself."""
    if step.function == "dot" or value.ndim == 0:
        return [np.array(a) for a in arrays]
    return [np.array(np.broadcast_to(a, value.shape)) for a in arrays]


def _local(step: Step, arrays: Sequence[Any], value: Array) -> list[Array]:
    """The operation's own VJP for g = 1, by each input."""
    with enable_grad():
        leaves = [
            Tensor(a, requires_grad=True) if isinstance(x, str) else x
            for a, x in zip(_leaves(step, arrays, value), step.inputs, strict=True)
        ]
        y = _apply(step, leaves)
    wanted = [x for x in leaves if isinstance(x, Tensor)]
    found = iter(grad(y, wanted, Tensor(np.ones(y.shape)), allow_unused=True))
    out = []
    for x, a in zip(leaves, arrays, strict=True):
        g = next(found) if isinstance(x, Tensor) else None
        out.append(np.zeros(np.shape(a)) if g is None else g.numpy())
    return out


# ---- central differences ---------------------------------------------------------------------


def _step_size(x: Any) -> Any:
    # The cube root of the rounding error balances it against the error of the difference.
    return 6e-6 * np.maximum(1.0, np.abs(x))


def _differences(step: Step, arrays: Sequence[Any], index: int, value: Array) -> Array:
    """(y(x + h) − y(x − h)) / 2h of one step by one input, element by element."""
    leaves = _leaves(step, arrays, value)
    h = _step_size(leaves[index])

    def shifted(delta: Any) -> Array:
        moved = [a + delta if i == index else a for i, a in enumerate(leaves)]
        inputs = [
            Tensor(a) if isinstance(x, str) else x for a, x in zip(moved, step.inputs, strict=True)
        ]
        with no_grad():
            return _apply(step, inputs).numpy()

    if value.ndim == 0 and leaves[index].ndim:
        unit = np.eye(len(leaves[index])) * h
        return np.array([(shifted(u) - shifted(-u)) / (2 * u.sum()) for u in unit])
    return np.asarray((shifted(h) - shifted(-h)) / (2 * h))


def _numeric(program: Program, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Central differences of the whole expression by every variable."""

    def output(name: str, place: tuple[int, ...], value: float) -> float:
        moved = {k: np.array(a) for k, a in arrays.items()}
        moved[name][place] = value
        with no_grad():
            return math.fsum(np.ravel(_run(program, moved)[program.output].detach().numpy()))

    out = {}
    for name, array in arrays.items():
        slopes = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            x, h = float(array[place]), float(_step_size(array[place]))
            slopes[place] = (output(name, place, x + h) - output(name, place, x - h)) / (2 * h)
        out[name] = slopes
    return out


def disagreements(sheet: Worksheet) -> list[str]:
    """Where central differences contradict a gradient: "∂f/∂x" and the like, most telling first."""
    out = []
    for worked in sheet.steps:
        for term in worked.terms:
            if term.numeric is not None and not close(term.local, term.numeric):
                out.append(f"∂{worked.name}/∂{term.input}")
    for name, slopes in (sheet.numeric or {}).items():
        if not close(sheet.gradients[name], slopes):
            out.append(f"∂{sheet.output}/∂{name}")
    return list(dict.fromkeys(out))


def close(found: Array, numeric: Array) -> bool:
    """Within what central differences in float64 can resolve."""
    return bool(np.allclose(found, numeric, rtol=1e-5, atol=1e-7, equal_nan=True))
