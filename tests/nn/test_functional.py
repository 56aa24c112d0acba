"""nn.functional offers every operation that PyTorch has under that name."""

import pytest

from chainrule.nn import functional as F
from chainrule.ops.functional import PUBLIC


def test_nothing_that_pytorch_has_is_left_out():
    theirs = pytest.importorskip("torch").nn.functional
    assert {n for n in PUBLIC if callable(getattr(theirs, n, None))} <= set(dir(F))


def test_unknown_name():
    with pytest.raises(AttributeError, match="relux"):
        F.relux  # noqa: B018
