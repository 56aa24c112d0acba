"""A module called with arguments that its forward does not take."""

import pytest

import chainrule as cr
from chainrule import nn


class Inner(nn.Module):
    def forward(self, x: cr.Tensor, y=2):
        return int(x.shape) if y == "fail" else x


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Inner()

    def forward(self, x, *more, **named):
        return self.block(x, *more, **named)


def test_the_error_names_path_signature_and_what_was_given():
    with pytest.raises(TypeError) as found:
        Outer()(cr.ones(2, 3), 1, 2)
    assert isinstance(found.value, cr.ChainruleError)
    said = str(found.value) + "".join(found.value.__notes__)
    for part in ("Inner.forward(x, y=2)", "(Tensor (2, 3), 1, 2)", "in module: block"):
        assert part in said
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        Outer()(cr.ones(2), z=1)


def test_a_type_error_inside_stays_what_it_is():
    with pytest.raises(TypeError) as found:
        Outer()(cr.ones(2), "fail")
    assert not isinstance(found.value, cr.ChainruleError)


def test_a_device_that_is_not_there():
    assert not hasattr(nn.Linear(1, 1), "cuda")
    with pytest.raises(AttributeError, match="leave the call out"):
        nn.Linear(1, 1).cuda()
