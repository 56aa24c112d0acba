"""Every public name that PyTorch has too takes PyTorch's arguments: names, order, defaults.

`calls.txt`: one call a line, in the forms that programs use; both libraries must give the same.
"""

import inspect
import math
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.constraints import REQUIRED

torch = pytest.importorskip("torch")

HOMES = {
    "torch": (cr, torch),
    "nn": (cr.nn, torch.nn),
    "F": (cr.nn.functional, torch.nn.functional),
    "init": (cr.nn.init, torch.nn.init),
    "optim": (cr.optim, torch.optim),
    "lr_scheduler": (cr.optim.lr_scheduler, torch.optim.lr_scheduler),
    "Tensor": (cr.Tensor, torch.Tensor),
}
# Where things are, how they are printed or run: they change no number.
PLACES = {
    "out", "layout", "pin_memory", "memory_format", "device", "generator", 
    "cudnn_enable", "cudnn_enabled", "out_dtype", "implicit",
}  # fmt: skip
# docs/differences.md: what PyTorch had before `reduction`, and how its optimisers are run.
OLD = {
    "_stacklevel", "size_average", "reduce", "min_value", "max_value", "foreach", "fused",
    "capturable", "differentiable",
}  # fmt: skip
# docs/differences.md says why; the last three are classes or methods that inspect cannot see as
# PyTorch's, and calls.txt calls them.
DIFFERENT = {
    "torch.batch_norm", "torch.instance_norm", "torch.embedding", "torch.embedding_bag",
    "torch.dropout", "torch.alpha_dropout", "torch.feature_alpha_dropout",
    "torch.binary_cross_entropy_with_logits", "torch.save", "torch.load", "torch.compile",
    "nn.RNNBase", "nn.RNNCellBase", "torch.dtype", "torch.device", "Tensor.norm",
    "Tensor.to_dense", "torch.unsafe_split", "Tensor.unsafe_split",
    "torch.result_type", "torch.enable_grad", "Tensor.where",
}  # fmt: skip


# Names that mean the same argument: both are taken here, or Python's grammar forbids one.
ALIKE = (
    {"input", "self", "x"}, {"from", "from_"}, {"axis0", "dim0"}, {"axis1", "dim1"},
    {"indices_or_sections", "indices", "sections"},
)  # fmt: skip


class Argument:
    """One argument: the names that it goes by, whether it must be named, its default."""

    def __init__(self, names, default=REQUIRED, named=False):
        self.names, self.default, self.named = set(names), default, named
        self.names |= {name for group in ALIKE if self.names & group for name in group}

    def __repr__(self):
        name = "/".join(sorted(self.names))
        return name if self.default is REQUIRED else f"{name}={self.default!r}"


def of_operation(op):
    names = [{n} for n in op.inputs]
    if op.variadic:
        names = [{"tensors"}]
    elif len(names) > 1:
        names[1] |= {"other", "exponent", "mat2", "vec"}
    if names and not op.variadic:
        names[0] |= {"input"}
    inputs = [Argument(n, None if n & set(op.optional) else REQUIRED) for n in names]
    return [*inputs, *(Argument({n}, c.default) for n, c in op.params.items())]


def of_signature(function):
    """None for functions that take anything."""
    kinds = inspect.Parameter
    found = list(inspect.signature(function).parameters.values())
    if any(p.kind is kinds.VAR_POSITIONAL for p in found):
        return None
    found = [p for p in found if p.kind is not kinds.VAR_KEYWORD]
    return [
        Argument(
            {p.name}, REQUIRED if p.default is p.empty else p.default, p.kind is p.KEYWORD_ONLY
        )
        for p in found
        if p.kind is not p.POSITIONAL_ONLY or p.name in ("input", "self")
    ]


def ours(function):
    op = getattr(function, "op", None)
    try:
        return of_operation(op) if op is not None else of_signature(function)
    except ValueError:
        return None


def theirs(name, function):
    """All forms of a function of PyTorch: its signature, or the schemas of what it is in C++."""
    try:
        found = of_signature(function)
        return [found] if found is not None else []
    except (ValueError, TypeError):
        pass
    forms = []
    for schema in torch._C._jit_get_schemas_for_operator(f"aten::{name}"):
        text = f"{schema.overload_name} {schema}"
        tensors = [a for a in schema.arguments if str(a.type) == "Tensor"]
        named = any(w in text for w in ("Dimname", "names", "out_dtype", "(a!) out", "reverse="))
        if named or not tensors or any(a.is_out for a in schema.arguments):
            continue
        forms.append(
            [
                Argument(
                    {a.name}, a.default_value if a.has_default_value() else REQUIRED, a.kwarg_only
                )
                for a in schema.arguments
            ]
        )
    return forms


def plain(value):
    """A default as both libraries would write it."""
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    if isinstance(value, cr.DType):
        return value.name
    if callable(value):
        return value.__name__
    if isinstance(value, list | tuple):
        items = {plain(v) for v in value}
        return items.pop() if len(items) == 1 else (tuple(value) or None)
    return value


# Defaults that the schemas hold as numbers or leave to C++, by what they mean.
SAME = {
    ("reduction", 1): "mean", ("padding", "valid"): 0, ("dtype", 4): "int64",
    ("correction", None): 1, ("unbiased", True): None, ("spacing", None): 1, ("nan", None): 0.0,
    ("activation", "relu"): "relu",
}  # fmt: skip


def same_default(argument, mine, its):
    mine, its = plain(mine), plain(its)
    for name in argument.names:
        its = SAME.get((name, its), its)
    return mine == its or (mine != mine and its != its)


def differences(mine, its):
    """What a call that is right for PyTorch would meet here."""
    out = []
    places = [a for a in mine if not a.named]
    for k, a in enumerate(a for a in its if not a.named):
        if a.names & OLD:
            break  # what comes after it is given by name
        if not a.names & PLACES and (k >= len(places) or not a.names & places[k].names):
            out.append(f"argument {k} is {a}")
    for a in its:
        if a.names & (PLACES | OLD):
            continue
        found = next((m for m in mine if m.names & a.names), None)
        if found is None:
            out.append(f"no argument {a}")
        elif a.default is not REQUIRED and found.default is REQUIRED:
            out.append(f"{a} must be given")
        elif REQUIRED not in (a.default, found.default) and not same_default(
            a, found.default, a.default
        ):
            out.append(f"{a} is {found.default!r} here")
    return out


def common():
    for home, (mine, its) in HOMES.items():
        for name in sorted(dir(mine)):
            both = not name.startswith("_") and callable(getattr(its, name, None))
            if both and callable(getattr(mine, name)) and f"{home}.{name}" not in DIFFERENT:
                yield home, name


@pytest.mark.parametrize("home", HOMES)
def test_arguments_are_pytorchs(home):
    wrong, compared = {}, 0
    mine, its = HOMES[home]
    for name in (n for h, n in common() if h == home):
        arguments = ours(getattr(mine, name))
        forms = theirs(name, getattr(its, name))
        if arguments is None or not forms:
            continue
        compared += 1
        # Of several forms one must be taken as it is; calls.txt has the others.
        found = [differences(arguments, form) for form in forms]
        if all(found):
            wrong[name] = min(found, key=len)
    assert wrong == {}
    assert compared >= 10


# ---- calls ----------------------------------------------------------------------------------

CALLS = Path(__file__).with_name("calls.txt").read_text("utf-8").splitlines()


def value(result):
    if isinstance(result, cr.Tensor | torch.Tensor):
        return np.asarray(result.detach().numpy())
    return [value(r) for r in result] if isinstance(result, tuple | list) else result


def names(m):
    arrays = {
        "x": [[0.5, -0.25], [0.125, 0.75]], "b": (np.arange(8).reshape(2, 2, 2) / 7).tolist(),
        "v": [0.25, 0.5], "c": [[1.0, 2, 3], [3, 1, 2]],
    }  # fmt: skip
    found = {k: m.tensor(a, dtype=m.float64) for k, a in arrays.items()}
    return found | {"m": m, "f": m.nn.functional, "i": m.tensor([[0, 1], [1, 0]])}


def same(mine, its):
    if isinstance(its, list):
        for a, b in zip(mine, its, strict=True):
            same(a, b)
    elif isinstance(its, np.ndarray):
        assert (mine.dtype, mine.shape) == (its.dtype, its.shape)
        rtol = 1e-7 if its.dtype == np.float64 else 1.3e-6
        np.testing.assert_allclose(mine, its, rtol=rtol, atol=1e-12)
    elif isinstance(its, float):
        assert mine == its or (math.isnan(mine) and math.isnan(its))
    elif not isinstance(its, torch.dtype | torch.Generator | torch.device):
        assert mine == its


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", CALLS)
def test_calls_give_the_same(call):
    same(value(eval(call, names(cr))), value(eval(call, names(torch))))


def test_there_are_enough_calls():
    assert len(CALLS) > 350
