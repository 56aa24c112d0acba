"""Every operation that has a gradient has a worksheet: formula, derivative, checked numbers."""

import json
import os

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn  # noqa: F401 (its operations register)
from chainrule.explain.explanation.unfold import is_composite
from chainrule.ops.dispatch import apply
from chainrule.ops.op import REGISTRY
from chainrule.testing.sampling import samples_of

NAMES = sorted(name for name, op in REGISTRY.items() if op.differentiable)
COUNT = 100 if os.environ.get("CHAINRULE_SLOW") == "1" else 1


def losses(name):
    """Random weighted sums of the operation's results, on inputs drawn from its domain."""
    op = REGISTRY[name]
    random = np.random.default_rng(0)
    for sample in samples_of(op)[:COUNT]:
        places = sample.differentiable(op)
        inputs = [
            x if x is None else cr.tensor(x, requires_grad=True) if i in places else cr.tensor(x)
            for i, x in enumerate(sample.inputs)
        ]
        with cr.explain.recording():
            found = apply(op, *inputs, **sample.params)
            results = [y for y in (found if isinstance(found, tuple) else (found,)) if y._rg]
            if results:
                yield sum((y * cr.tensor(random.normal(size=y.shape))).sum() for y in results)


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_has_a_verified_worksheet(name):
    for loss in losses(name):
        explanation = cr.explain(loss)
        checked = explanation.verify()
        assert checked.right, [checked.checks[i].text for i in checked.wrong]
        assert checked.count("unknown") == 0
        data = explanation.to_dict()
        json.dumps(data, allow_nan=False)
        for node in data["nodes"]:
            if node["kind"] == "operation":
                assert node["formula"]["text"] and node["formula"]["latex"] and node["summary"]
                assert all(d["text"] and d["latex"] for d in node["derivatives"])
        for step in explanation.graph.operations:
            if is_composite(step):
                assert explanation.unfold(step).disagreement < 1e-6
