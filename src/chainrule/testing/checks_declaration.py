"""The declaration itself: texts, params, names."""

from __future__ import annotations

import inspect
from contextlib import suppress

from chainrule.base.errors import ChainruleError
from chainrule.base.text import t
from chainrule.ops.op import Op
from chainrule.testing.gradients import invoke, tensors_of
from chainrule.testing.registry import check
from chainrule.testing.report import Mismatch, expect
from chainrule.testing.sampling import Sample


@check("documented", once=True)
def documented(op: type[Op], samples: list[Sample]) -> int:
    """A docstring, a formula, and a card in English and Chinese."""
    text = op.__dict__.get("__doc__") or ""
    expect(len(text.strip()) > 1, t("No docstring."))
    expect(op.math.strip(), t("No formula: `math` is empty."))
    expect(op.card.en.strip(), t("No English card."))
    chinese = any("\u4e00" <= c <= "\u9fff" for c in op.card.zh)
    expect(chinese, t("No Chinese card."))
    signature = op.signature()
    expect(all(name in signature for name in (*op.inputs, *op.params)), t("Signature incomplete."))
    parameters = list(inspect.signature(op.forward).parameters)
    expect(parameters[0] == "F", t("forward must take the namespace F first."))
    return 4


@check("bad params", lambda op: any(c.bad for c in op.params.values()), once=True)
def bad_params(op: type[Op], samples: list[Sample]) -> int:
    """Every bad value of every param raises an error of ours that names the param."""
    sample, count = samples[0], 0
    for name, constraint in op.params.items():
        for value in constraint.bad:
            given = sample.params | {name: value}
            try:
                invoke(op, tensors_of(op, sample), given)
            except ChainruleError as error:
                expect(
                    name in str(error),
                    t("{name}={value!r}: the error does not name it: {error}",
                      name=name, value=value, error=error),
                )  # fmt: skip
            except Exception as error:
                raise Mismatch(
                    t("{name}={value!r} raises {kind}: {error}", name=name, value=value,
                      kind=type(error).__name__, error=error)
                ) from error  # fmt: skip
            else:
                raise Mismatch(t("{name}={value!r} is accepted.", name=name, value=value))
            count += 1
    try:
        invoke(op, tensors_of(op, sample), sample.params | {"no_such_param": 1})
    except ChainruleError as error:
        expect("no_such_param" in str(error), t("An unknown param is not named by the error."))
    else:
        raise Mismatch(t("An unknown param is accepted."))
    return count


@check("good params", lambda op: any(c.samples for c in op.params.values()), once=True)
def good_params(op: type[Op], samples: list[Sample]) -> int:
    """Every value that a constraint offers for tests is taken, normalised once, and runs."""
    sample, count = samples[0], 0
    for name, constraint in op.params.items():
        for value in constraint.samples:
            taken = constraint.check(value, op.name, name)
            again = constraint.check(taken, op.name, name)
            expect(
                repr(taken) == repr(again),
                t("{name}: {taken!r} becomes {again!r} when checked again.",
                  name=name, taken=taken, again=again),
            )  # fmt: skip
            with suppress(ChainruleError):  # with these inputs and other params it may not fit
                invoke(op, tensors_of(op, sample), sample.params | {name: value})
            count += 1
    return count
