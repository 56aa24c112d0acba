"""Batch norm folded into the layer before it; linear layers as convolutions and back."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.nn import utils


def trained(bn):
    """With statistics, γ and β as training leaves them."""
    c = bn.num_features
    bn.running_mean.copy_(cr.randn(c))
    bn.running_var.copy_(cr.rand(c) + 0.3)
    if bn.weight is not None:
        bn.weight.data.copy_(cr.randn(c))
    if bn.bias is not None:
        bn.bias.data.copy_(cr.randn(c))
    return bn


def close(a, b):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("layer", "norm", "shape"),
    [
        (lambda: nn.Conv1d(4, 6, 3), nn.BatchNorm1d, (2, 4, 7)),
        (lambda: nn.Conv2d(4, 6, 3, groups=2, bias=False), nn.BatchNorm2d, (2, 4, 6, 5)),
        (lambda: nn.Conv3d(4, 6, 2, padding=1), nn.BatchNorm3d, (1, 4, 3, 4, 3)),
        (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2), nn.BatchNorm2d, (2, 4, 3, 4)),
        (lambda: nn.ConvTranspose2d(4, 6, 2, groups=2, bias=False), nn.BatchNorm2d, (2, 4, 3, 4)),
        (lambda: nn.Linear(4, 6), nn.BatchNorm1d, (5, 4)),
    ],
)
@pytest.mark.parametrize("affine", [True, False])
def test_a_folded_layer_does_what_both_did(layer, norm, shape, affine):
    layer, bn = layer().double().eval(), trained(norm(6, affine=affine)).double().eval()
    fuse = utils.fuse_linear_bn_eval if isinstance(layer, nn.Linear) else utils.fuse_conv_bn_eval
    x = cr.randn(*shape).double()
    fused = fuse(layer, bn)
    close(fused(x), bn(layer(x)))
    assert type(fused) is type(layer) and isinstance(fused.weight, nn.Parameter)


def test_the_weights_alone_are_pytorchs(torch):
    rng = np.random.default_rng(0)
    mean, gamma, beta, bias = rng.normal(size=(4, 5))
    var = rng.uniform(0.1, 2, 5)
    for shape, transpose in (((5, 3, 2, 2), False), ((3, 5, 2, 2), True)):
        weight = rng.normal(size=shape)
        results = []
        for m, f in ((cr, utils), (torch, torch.nn.utils.fusion)):
            w, b, rm, rv, g, h = map(m.tensor, (weight, bias, mean, var, gamma, beta))
            results.append(f.fuse_conv_bn_weights(w, b, rm, rv, 1e-5, g, h, transpose))
        for a, b in zip(*results, strict=True):
            close(a, b)
    matrix = rng.normal(size=(5, 3))
    args = (matrix, bias, mean, var)
    ours = utils.fuse_linear_bn_weights(*map(cr.tensor, args), 1e-5, None, None)
    one, zero = torch.ones(5).double(), torch.zeros(5).double()
    theirs = torch.nn.utils.fusion.fuse_linear_bn_weights(*map(torch.tensor, args), 1e-5, one, zero)
    for a, b in zip(ours, theirs, strict=True):
        close(a, b)


class Block(nn.Module):
    """conv → bn → ReLU → conv → bn, plus the input; `also`: plus the first convolution's output."""

    def __init__(self, also=False):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 3, 3, padding=1), trained(nn.BatchNorm2d(3))
        self.tail = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), trained(nn.BatchNorm2d(3)))
        self.also = also

    def forward(self, x):
        inside = self.conv(x)
        y = self.tail(self.bn(inside).relu()) + x
        return y + inside if self.also else y


def test_a_whole_model_is_folded():
    x = cr.randn(2, 3, 5, 4).double()
    head = nn.Sequential(nn.Flatten(), nn.Linear(60, 4), trained(nn.BatchNorm1d(4)), nn.Tanh())
    model = nn.Sequential(trained(nn.BatchNorm2d(3)), Block(), head).double()
    fused = utils.fuse_batch_norms(model, x)
    close(fused(x), model.eval()(x))
    kinds = [type(m).__name__ for m in fused.modules()]
    # The first one follows no layer.
    assert kinds.count("BatchNorm2d") == 1 and "BatchNorm1d" not in kinds
    assert kinds.count("Identity") == 3
    assert sum(isinstance(m, nn.BatchNorm2d) for m in model.modules()) == 3


def test_an_output_that_is_used_twice_is_noticed():
    with pytest.raises(ArgumentError, match="outputs changed: Block uses"):
        utils.fuse_batch_norms(Block(also=True), cr.randn(1, 3, 5, 4))


def test_a_layer_that_is_called_twice_keeps_its_norm():
    shared = nn.Linear(3, 3)
    model = nn.Sequential(shared, trained(nn.BatchNorm1d(3)), shared, trained(nn.BatchNorm1d(3)))
    fused = utils.fuse_batch_norms(model, cr.randn(4, 3))
    assert sum(isinstance(m, nn.BatchNorm1d) for m in fused.modules()) == 2


def test_folding_refuses_what_it_cannot_do():
    conv, bn = nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4)
    with pytest.raises(ArgumentError, match="eval mode"):
        utils.fuse_conv_bn_eval(conv, bn)
    with pytest.raises(ArgumentError, match="4 channels, the batch norm takes 5"):
        utils.fuse_conv_bn_eval(conv.eval(), nn.BatchNorm2d(5).eval())
    with pytest.raises(ArgumentError, match="no running statistics"):
        utils.fuse_conv_bn_eval(conv, nn.BatchNorm2d(4, track_running_stats=False).eval())


@pytest.mark.parametrize("shape", [(3, 5), (3, 4, 5), (2, 3, 2, 4)])
def test_a_linear_layer_is_a_convolution_over_the_whole_map(shape):
    linear = nn.Linear(int(np.prod(shape)), 6).double()
    conv = utils.linear_to_conv(linear, shape)
    x = cr.randn(4, *shape).double()
    close(conv(x).flatten(1), linear(x.flatten(1)))
    # On a larger map: the layer at each place.
    large = cr.randn(1, shape[0], *(n + 1 for n in shape[1:])).double()
    corner = large[(slice(None), slice(None), *(slice(1, None),) * (len(shape) - 1))]
    close(conv(large)[(0, slice(None), *(-1,) * (len(shape) - 1))], linear(corner.flatten())[:])
    with pytest.raises(ShapeError, match="as many as the layer takes"):
        utils.linear_to_conv(linear, (7, *shape[1:]))


@pytest.mark.parametrize(
    ("conv", "size"),
    [
        (lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1), (5, 4)),
        (lambda: nn.Conv2d(2, 4, 3, groups=2, padding=1, padding_mode="reflect"), 5),
        (lambda: nn.Conv1d(3, 2, 2, dilation=2, bias=False), 7),
        (lambda: nn.Conv3d(1, 2, 2, padding="same"), (2, 3, 2)),
    ],
)
def test_a_convolution_is_a_linear_layer_and_back(conv, size):
    conv = conv().double()
    linear = utils.conv_to_linear(conv, size)
    sizes = size if isinstance(size, tuple) else (size,) * conv.n
    x = cr.randn(3, conv.in_channels, *sizes).double()
    y = conv(x)
    close(linear(x.flatten(1)), y.flatten(1))
    # There and back: the layer as a convolution over the whole map.
    whole = utils.linear_to_conv(linear, x.shape[1:])
    close(whole(x).flatten(1), y.flatten(1))
    with pytest.raises(ArgumentError, match="got Linear"):
        utils.conv_to_linear(linear, size)
