"""A loss that is not finite: the first operation that made it so is named, with its numbers."""

import json

import pytest

import chainrule as cr
from chainrule.utils.checkpoint import checkpoint


def explained(f, *values):
    x = cr.tensor(*values, requires_grad=True)
    with cr.explain.recording():
        loss = f(x)
    return cr.explain(loss)


def test_a_nan_is_traced_to_the_operation_and_the_infinity_behind_it():
    why = explained(lambda x: (x.exp() / x.exp()).sum(), [1.0, 800.0])
    first, second = why.to_text(language="en").split("\n\n")[1:3]
    assert "[1] = nan, made by" in first and "divide" in first and "inf / inf = nan" in first
    assert "[1] = inf, made by" in second and "exp(800) = inf" in second
    assert "第一个NaN" in why.to_html(language="zh") and "**The first NaN" in why.to_markdown()


def test_a_nan_of_the_data_and_gradients_that_are_not_finite():
    assert (
        "came in with the data" in explained(lambda x: (2 * x).sum(), [1.0, float("nan")]).to_text()
    )
    text = explained(lambda x: x.sqrt().sum(), [4.0, 0.0]).to_text()
    assert (
        "The first gradient that is not finite is ∂L/∂x[1] = inf" in text and "at x[1] = 0" in text
    )
    text = explained(lambda x: x.sqrt().sum(), [4.0, 1.0]).to_text()
    assert "✗" not in text


def test_its_page_is_written_and_says_so():
    page = explained(lambda x: cr.softmax(x.log(), 0)[0], [-1.0, 2.0]).page()
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert "log(-1) = nan" in data["origins"][0]["en"]


def test_the_inside_of_a_checkpoint_that_was_not_recorded_is_refused_in_words():
    x = cr.ones(2, requires_grad=True)
    why = cr.explain(checkpoint(lambda x: x.exp() * x, x, use_reentrant=False).sum())
    for ask in (why.elementary, lambda: why.unfold("n1")):
        with pytest.raises(cr.ChainruleError, match="recording"):
            ask()
