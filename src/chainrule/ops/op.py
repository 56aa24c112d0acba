"""The operation contract: what one operation is, and how it registers.

An operation is a class that is never instantiated. It states its formula, parameters, shape rule,
domain and card as fields, and gives `forward` and `vjp` once, written in a namespace `F`:

    @op
    class Square(Elementwise):
        math = "x^2"
        card = Card(en="…", zh="…")

        def forward(F, x):
            return x * x

        def vjp(F, g, y, x):
            return (2 * g * x,)

`forward(F, *inputs, **params)` returns the output (a tuple of them where `outputs` names several).
`vjp(F, g, y, *inputs, **params)` returns, for each input, ∂L/∂input from g = ∂L/∂y: a value, None,
or a function without arguments that is called only if that gradient is wanted. Without `vjp`, the
gradient is the chain rule through the forward.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from numbers import Integral
from types import FunctionType
from typing import Any, NamedTuple

from chainrule.base.constraints import REQUIRED, Constraint
from chainrule.base.errors import ArgumentError
from chainrule.base.shapes import broadcast_shapes
from chainrule.base.text import t
from chainrule.graph.node import Node
from chainrule.graph.tensor import Tensor
from chainrule.ops.arrays import NUMPY, native
from chainrule.ops.namespace import Namespace
from chainrule.ops.primitives import PRIMITIVES
from chainrule.ops.register import METHODS

REGISTRY: dict[str, type[Op]] = {}

# PyTorch's other names for the first and second operand, and NumPy's for params.
_FIRST, _SECOND = ("input", "self"), ("other", "exponent", "mat2", "vec")
_PARAMS = {"axis": "dim", "keepdims": "keepdim", "axis0": "dim0", "axis1": "dim1"}

ShapeRule = Callable[[dict[str, tuple[int, ...]], dict[str, Any]], Any]


class Card(NamedTuple):
    """What the operation is for, in one or two sentences, in English and Chinese."""

    en: str
    zh: str


class _OpType(type):
    """Calling the class runs the operation: `Square(x)`."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls.function(*args, **kwargs)  # type: ignore[attr-defined]


class Op(metaclass=_OpType):
    """Base of all operations. Fields:

    name: public name; the class name in snake case unless given.
    math: formula in the names of inputs and params, for display and as test oracle.
    params: keyword parameters in PyTorch's order, each a constraint with its default.
    optional: inputs that may be left out (None).
    integers: inputs that take no part in dtype promotion (indices, targets, masks).
    numbers: params that take part in it (a float bound makes integers floats).
    saves: the inputs whose values `vjp` reads, and "y" for the output; None for all. Of the others
        `vjp` gets only shape and dtype, their memory is free at once, and they may be changed. As
        a dict: for each input, what its own gradient reads.
    outputs: names of the outputs where there are several.
    dtypes: "promote" inputs to one dtype; "float": and integers to the default float; "match":
        refuse different ones; "keep" them.
    autocast: in mixed precision, the names of the inputs that are rounded to bfloat16 for its
        products; "float32": half-precision inputs become float32; "widest": as everywhere.
    view: the output may share memory with the first input.
    differentiable: False for operations whose output is not a continuous number.
    surrogate: the gradient is a rule of its own, not the derivative (straight-through estimators).
    shape: rule from the inputs' shapes and the params to the output's; raises ShapeError.
    always_check: apply `shape` before each call (else only once NumPy has refused).
    domain, edges: where tests draw inputs; where value and gradient must stay finite.
    samples: input shapes and params for tests, where the rule alone cannot suggest them.
    aliases: further public names. method: whether Tensor gets it as a method, inplace: also with a
        trailing underscore; dunder: the operators it serves. spread: the first param may be given
        as several integers, as in `reshape(x, 2, 3)`.
    on_host: LAPACK works it out, in every mode: there is no native form.
    axes: what the axes of inputs mean, one text for each number of axes: {"x": ("N, C, H, W",)}.
    """

    name: str = ""
    math: str = ""
    params: dict[str, Constraint] = {}
    optional: tuple[str, ...] = ()
    integers: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    saves: tuple[str, ...] | dict[str, tuple[str, ...]] | None = None
    outputs: tuple[str, ...] = ()
    dtypes: str = "promote"
    autocast: str | tuple[str, ...] = "widest"
    view: bool = False
    differentiable: bool = True
    surrogate: bool = False
    shape: ShapeRule | None = None
    always_check: bool = False
    domain: tuple[float, float] = (-3.0, 3.0)
    domains: dict[str, tuple[float, float]] = {}
    edges: tuple[float, ...] = ()
    samples: Any = None  # shapes, or (shapes, params), a test each
    card: Card = Card("", "")
    aliases: tuple[str, ...] = ()
    method: bool = True
    inplace: bool = False
    dunder: tuple[str, ...] = ()
    spread: bool = False
    on_host: bool = False
    axes: dict[str, tuple[str, ...]] = {}

    # Worked out at registration.
    inputs: tuple[str, ...] = ()
    variadic: bool = False
    primitive: bool = False
    defaults: dict[str, Any] = {}
    keep: tuple[bool, ...] = ()  # which inputs some gradient reads
    readers: tuple[tuple[int, ...] | None, ...] = ()  # whose gradients read it; None: any
    keep_y: bool = True
    keeps: bool = True
    function: Callable[..., Any]
    forward: Callable[..., Any]
    vjp: Callable[..., Any] | None = None

    @classmethod
    def backward(cls, F: Any, node: Node, grads: Any, saved: Any) -> list[Any]:
        """The gradients of the inputs, None where none is wanted."""
        if F is NUMPY:
            found = native.backward(cls, node, grads, saved)
            if found is not native.NONE:
                return found  # type: ignore[no-any-return]
        n = len(node.edges)
        if node.outputs is None:
            y = saved[n]
        else:
            y = saved[n:]
            grads = tuple(
                F.full(spec.shape, 0, spec.dtype) if g is None and spec.dtype.kind == "f" else g
                for g, spec in zip(grads, node.outputs, strict=True)
            )
        assert cls.vjp is not None
        results = cls.vjp(F, grads, y, *saved[:n], **node.params)
        return [
            None if edge is None else r() if r.__class__ is FunctionType else r
            for edge, r in zip(node.edges, results, strict=True)
        ]

    @classmethod
    def rounds(cls, params: dict[str, Any]) -> bool:
        """Whether the call is one that `autocast` speaks of."""
        return True

    @classmethod
    def per_input(cls, values: tuple[Any, ...], n: int) -> tuple[Any, ...]:
        """One value for each of `n` inputs: the last stands for all of a variadic rest."""
        return values[:-1] + values[-1:] * (n - len(values) + 1) if cls.variadic else values

    @classmethod
    def check(cls, inputs: tuple[Any, ...], params: dict[str, Any]) -> None:
        """Raises what the shape rule has against these inputs."""
        if cls.shape is None:
            return
        names = cls.inputs
        if cls.variadic:
            names = cls.per_input(names, len(inputs))
            names = tuple(f"{name}{i}" for i, name in enumerate(names))
        shapes = {}
        for name, x in zip(names, inputs, strict=False):
            if x is not None:
                shapes[name] = getattr(x, "shape", ())
        cls.shape(shapes, params)

    @classmethod
    def bind(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Arguments in PyTorch's order sorted into inputs and validated params."""
        if cls.variadic:
            inputs, rest = cls._gathered(args, kwargs)
        else:
            n = len(cls.inputs)
            inputs, rest = args[:n], args[n:]
            if cls.spread and rest and isinstance(rest[0], Integral):
                rest = (rest,)
            if len(inputs) < n or kwargs:
                inputs = cls._named_inputs(inputs, kwargs)
        if len(rest) > len(cls.params):
            raise ArgumentError(
                t(
                    "{name}() takes {n} arguments: {signature}.",
                    name=cls.name,
                    n=len(cls.inputs) + len(cls.params),
                    signature=cls.signature(),
                )
            )
        given = dict(zip(cls.params, rest, strict=False))
        for key, value in kwargs.items():
            if key in cls.inputs or key in _FIRST or (key in _SECOND and len(cls.inputs) > 1):
                continue
            if key not in cls.params:
                key = _PARAMS.get(key, key)
            if key not in cls.params or key in given:
                raise ArgumentError(
                    t(
                        "{name}() got the argument {key!r}, which it does not take, or takes "
                        "once: {signature}.",
                        name=cls.name,
                        key=key,
                        signature=cls.signature(),
                    )
                )
            given[key] = value
        return inputs, cls.validate(given)

    @classmethod
    def _gathered(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        """The tensors of `cat([x, y], dim)`, given first or as `tensors=`."""
        inputs = kwargs.pop("tensors") if not args and "tensors" in kwargs else args[:1]
        inputs = inputs[0] if args else inputs
        if not isinstance(inputs, tuple | list) or not inputs:
            raise ArgumentError(
                t(
                    "{name}() needs a list of tensors, at least one: {signature}.",
                    name=cls.name,
                    signature=cls.signature(),
                )
            )
        return tuple(inputs), args[1:]

    @classmethod
    def inputs_in(cls, kwargs: dict[str, Any]) -> bool:
        """Whether an input was given by name."""
        return any(name in kwargs for name in (*cls.inputs, *_FIRST, *_SECOND))

    @classmethod
    def _named_inputs(cls, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        out = list(inputs)
        for i in range(len(inputs), len(cls.inputs)):
            name = cls.inputs[i]
            if name in kwargs:
                out.append(kwargs[name])
            elif other := [k for k in (_FIRST, _SECOND, ())[min(i, 2)] if k in kwargs]:
                out.append(kwargs[other[0]])
            elif name in cls.optional:
                out.append(None)
            else:
                raise ArgumentError(
                    t(
                        "{name}() needs the argument {key!r}: {signature}.",
                        name=cls.name,
                        key=name,
                        signature=cls.signature(),
                    )
                )
        return tuple(out)

    @classmethod
    def validate(cls, given: dict[str, Any]) -> dict[str, Any]:
        """All params, defaults filled in, each checked by its constraint."""
        out = {}
        for name, constraint in cls.params.items():
            if name in given:
                out[name] = constraint.check(given[name], cls.name, name)
            elif constraint.default is REQUIRED:
                raise ArgumentError(
                    t(
                        "{name}() needs the argument {key!r}: {signature}.",
                        name=cls.name,
                        key=name,
                        signature=cls.signature(),
                    )
                )
            else:
                out[name] = constraint.check(constraint.default, cls.name, name)
        return out

    @classmethod
    def signature(cls) -> str:
        """The call as a user writes it: `conv2d(input, weight, bias=None, stride=1, …)`."""
        parts = [f"{n}=None" if n in cls.optional else n for n in cls.inputs]
        for name, constraint in cls.params.items():
            required = constraint.default is REQUIRED
            parts.append(name if required else f"{name}={constraint.default!r}")
        return f"{cls.name}({', '.join(parts)})"


class Elementwise(Op):
    """One output element from one element of each input: broadcasts, and sums gradients back."""

    inplace = True

    @staticmethod
    def shape(shapes: dict[str, tuple[int, ...]], params: dict[str, Any]) -> tuple[int, ...]:
        return broadcast_shapes(*shapes.values())

    @classmethod
    def backward(cls, F: Any, node: Node, grads: Any, saved: Any) -> list[Any]:
        if F is NUMPY and grads.size >= native.LEAST:
            found = native.backward(cls, node, grads, saved)
            if found is not native.NONE:
                return found  # type: ignore[no-any-return]
        n = len(node.edges)
        assert cls.vjp is not None
        results = cls.vjp(F, grads, saved[n], *saved[:n], **node.params)
        out: list[Any] = []
        for edge, r, x in zip(node.edges, results, saved, strict=False):
            if edge is None or r is None:
                out.append(None)
                continue
            if r.__class__ is FunctionType:
                r = r()
            # None: not kept because it has the output's shape and its value is not needed.
            out.append(r if x is None or x.shape == r.shape else F.sum_to(r, x.shape))
        return out


def op(cls: type[Op]) -> type[Op]:
    """Registers an operation: checks the declaration, makes the function and the methods."""
    forward = cls.__dict__["forward"]
    parameters = list(inspect.signature(forward).parameters.values())[1:]
    cls.inputs = tuple(
        p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)
    )
    cls.variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    keywords = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    if keywords != set(cls.params):
        raise ArgumentError(
            f"{cls.__name__}: forward takes {keywords}, params are {set(cls.params)}"
        )
    cls.forward = staticmethod(forward)
    if "vjp" in cls.__dict__ and cls.__dict__["vjp"] is not None:
        cls.vjp = staticmethod(cls.__dict__["vjp"])
    if not cls.__dict__.get("name"):
        cls.name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()
    saves = cls.saves
    if isinstance(saves, dict):
        read = {name: tuple(cls.inputs.index(i) for i in saves if name in saves[i]) for name in
                (*cls.inputs, "y")}  # fmt: skip
        cls.readers = tuple(read[name] for name in cls.inputs)
        saves = tuple(name for name, by in read.items() if by)
    else:
        cls.readers = (None,) * len(cls.inputs)
    cls.keep = tuple(saves is None or name in saves for name in cls.inputs)
    cls.keep_y = saves is None or "y" in saves
    cls.keeps = cls.keep_y or any(cls.keep)
    cls.defaults = {
        name: c.check(c.default, cls.name, name)
        for name, c in cls.params.items()
        if c.default is not REQUIRED
    }
    if cls.name in REGISTRY:
        raise ArgumentError(f"an operation named {cls.name!r} exists")
    REGISTRY[cls.name] = cls
    if cls.name not in PRIMITIVES:
        Namespace.composites[cls.name] = cls
    expose(cls)
    return cls


def expose(cls: type[Op]) -> None:
    """The function and the Tensor methods of an operation."""
    from chainrule.ops import calls, inplace  # they need Op itself

    function = calls.function_of(cls)
    function.__name__ = function.__qualname__ = cls.name
    function.__doc__ = f"{cls.signature()}\n\n{inspect.cleandoc(cls.__doc__ or '')}"
    vars(function)["op"] = cls
    cls.function = staticmethod(function)
    if not cls.method:
        return
    for name in {cls.name, *cls.aliases} - METHODS:
        setattr(Tensor, name, function)
    operator = calls.operator_of(function)
    for name in cls.dunder:
        setattr(Tensor, name, operator)
    if cls.dunder and len(cls.inputs) == 2 and cls.dunder[0] not in _COMPARISONS:
        reflected = f"__r{cls.dunder[0][2:]}"
        setattr(Tensor, reflected, lambda self, other: operator(other, self))
    if cls.inplace:
        method = inplace.inplace_of(cls)
        method.__name__ = f"{cls.name}_"
        for name in {f"{name}_" for name in (cls.name, *cls.aliases)} - METHODS:
            setattr(Tensor, name, method)
        for name in cls.dunder:
            if name not in _COMPARISONS:
                setattr(Tensor, f"__i{name[2:]}", method)


# Operators without a reflected and an in-place form.
_COMPARISONS = (
    "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__neg__", "__abs__", "__invert__",
)  # fmt: skip
