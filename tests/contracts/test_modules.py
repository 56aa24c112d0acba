"""The contract of every public module: gradients, state, train and eval."""

import pytest

import chainrule as cr
from chainrule import nn
from chainrule.testing import CheckFailure, check_module
from chainrule.testing.check_module import MODULE_CHECKS

cr.manual_seed(1)
IMAGE = cr.randn(2, 4, 6, 5)
LINE = cr.randn(2, 4, 7)
VOLUME = cr.randn(1, 4, 4, 3, 4)
ROWS = cr.randn(5, 4)
CLASSES = cr.tensor([2, 0, 3, 1, 2])
SHARES = cr.rand(5, 4) * 0.8 + 0.1

# Modules that need arguments or an input of a certain shape; all others are made without
# arguments and called with rows.
CASES = {
    "Sequential": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)), ROWS),
    "Linear": (lambda: nn.Linear(4, 3), ROWS),
    "Conv1d": (lambda: nn.Conv1d(4, 2, 3, stride=2, padding=1), LINE),
    "Conv2d": (lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2), IMAGE),
    "Conv3d": (lambda: nn.Conv3d(4, 2, 2), VOLUME),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(4, 2, 3, stride=2), LINE),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 2, 3, stride=2, output_padding=1), IMAGE),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(4, 2, 2), VOLUME),
    "Dropout1d": (lambda: nn.Dropout1d(), LINE),
    "Dropout2d": (lambda: nn.Dropout2d(), IMAGE),
    "Dropout3d": (lambda: nn.Dropout3d(), VOLUME),
    "Embedding": (lambda: nn.Embedding(4, 3), CLASSES),
    "EmbeddingBag": (
        lambda: nn.EmbeddingBag(4, 3, mode="max"),
        (CLASSES, cr.tensor([0, 2])),
    ),
    "MultiheadAttention": (
        lambda: nn.MultiheadAttention(4, 2, 0.25, add_bias_kv=True, kdim=3),
        (cr.randn(3, 2, 4), cr.randn(5, 2, 3), cr.randn(5, 2, 4)),
    ),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(4, 2, 6, activation="gelu"),
        cr.randn(3, 2, 4),
    ),
    "TransformerDecoderLayer": (
        lambda: nn.TransformerDecoderLayer(4, 2, 6, activation="gelu", norm_first=True),
        (cr.randn(3, 2, 4), cr.randn(5, 2, 4)),
    ),
    "TransformerEncoder": (
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 6, activation="gelu"), 2),
        cr.randn(3, 2, 4),
    ),
    "TransformerDecoder": (
        lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 6, activation="gelu"), 1),
        (cr.randn(3, 2, 4), cr.randn(5, 2, 4)),
    ),
    "Transformer": (
        lambda: nn.Transformer(4, 2, 1, 1, 6, activation="gelu", batch_first=True),
        (cr.randn(2, 5, 4), cr.randn(2, 3, 4)),
    ),
    "RNN": (lambda: nn.RNN(4, 3, 2, bidirectional=True), cr.randn(3, 2, 4)),
    "LSTM": (lambda: nn.LSTM(4, 3, 2, batch_first=True, dropout=0.5, proj_size=2), LINE.mT),
    "GRU": (lambda: nn.GRU(4, 3, bias=False), (ROWS, cr.randn(1, 3))),
    "RNNCell": (lambda: nn.RNNCell(4, 3), ROWS),
    "LSTMCell": (lambda: nn.LSTMCell(4, 3), ROWS),
    "GRUCell": (lambda: nn.GRUCell(4, 3), (ROWS, cr.randn(5, 3))),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), ROWS),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(4), IMAGE),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(4), VOLUME),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(4, affine=True), LINE),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(4, affine=True), IMAGE),
    "InstanceNorm3d": (lambda: nn.InstanceNorm3d(4, affine=True), VOLUME),
    "LayerNorm": (lambda: nn.LayerNorm(4), ROWS),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), IMAGE),
    "RMSNorm": (lambda: nn.RMSNorm(4), ROWS),
    "Threshold": (lambda: nn.Threshold(0.1, -1.0), ROWS),
    "Unflatten": (lambda: nn.Unflatten(1, (2, 2)), ROWS),
    "Upsample": (lambda: nn.Upsample(scale_factor=2), IMAGE),
    "Unfold": (lambda: nn.Unfold(2), IMAGE),
    "Fold": (lambda: nn.Fold((4, 5), 2), cr.randn(2, 12, 12)),
    "PReLU": (lambda: nn.PReLU(4), ROWS),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(2), IMAGE),
    "Bilinear": (lambda: nn.Bilinear(4, 4, 2), (ROWS, cr.randn(5, 4))),
}
CASES |= {
    "FractionalMaxPool2d": (
        lambda: nn.FractionalMaxPool2d(2, 3, _random_samples=cr.full((2, 4, 2), 0.4)), IMAGE
    ),
    "FractionalMaxPool3d": (
        lambda: nn.FractionalMaxPool3d(
            2, output_ratio=0.6, _random_samples=cr.full((1, 4, 3), 0.4)
        ), VOLUME
    ),
    "CosineSimilarity": (lambda: nn.CosineSimilarity(), (ROWS, cr.randn(5, 4))),
    "PairwiseDistance": (lambda: nn.PairwiseDistance(), (ROWS, cr.randn(5, 4))),
    "Softmax2d": (lambda: nn.Softmax2d(), IMAGE),
    "CrossMapLRN2d": (lambda: nn.CrossMapLRN2d(4, 0.3), IMAGE),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), IMAGE),
    "PixelUnshuffle": (lambda: nn.PixelUnshuffle(2), cr.randn(2, 4, 6)),
    "ChannelShuffle": (lambda: nn.ChannelShuffle(2), IMAGE),
    "UpsamplingNearest2d": (lambda: nn.UpsamplingNearest2d(scale_factor=2), IMAGE),
    "UpsamplingBilinear2d": (lambda: nn.UpsamplingBilinear2d((4, 8)), IMAGE),
}  # fmt: skip


def called(module, given):
    module(given)
    return module


# A lazy layer is an ordinary one after its first call.
CASES["LazyLinear"] = (lambda: called(nn.LazyLinear(3), ROWS), ROWS)
for n, x in ((1, LINE), (2, IMAGE), (3, VOLUME)):
    for kind, arguments in (
        ("Conv", (3, 2)),
        ("ConvTranspose", (3, 2)),
        ("BatchNorm", ()),
        ("InstanceNorm", ()),
    ):
        CASES[f"Lazy{kind}{n}d"] = (
            lambda kind=kind, n=n, a=arguments, x=x: called(
                getattr(nn, f"Lazy{kind}{n}d")(*a), x
            ), x
        )  # fmt: skip
for n, x in ((1, LINE), (2, IMAGE), (3, VOLUME)):
    CASES |= {
        f"AvgPool{n}d": (lambda n=n: getattr(nn, f"AvgPool{n}d")(2), x),
        f"MaxPool{n}d": (lambda n=n: getattr(nn, f"MaxPool{n}d")(2), x),
        f"MaxUnpool{n}d": (
            lambda n=n: getattr(nn, f"MaxUnpool{n}d")(2),
            (x[(..., *[slice(0, 1)] * n)], cr.ones(*x.shape[:2], *[1] * n).long()),
        ),
        f"LPPool{n}d": (lambda n=n: getattr(nn, f"LPPool{n}d")(2, 2), x.abs()),
        f"AdaptiveAvgPool{n}d": (lambda n=n: getattr(nn, f"AdaptiveAvgPool{n}d")(2), x),
        f"AdaptiveMaxPool{n}d": (lambda n=n: getattr(nn, f"AdaptiveMaxPool{n}d")(2), x),
    }
for kind in ("Constant", "Reflection", "Replication", "Zero", "Circular"):
    for n, x in ((1, LINE), (2, IMAGE), (3, VOLUME)):
        arguments = (1, 0.5) if kind == "Constant" else (1,)
        CASES[f"{kind}Pad{n}d"] = (
            lambda kind=kind, n=n, a=arguments: getattr(nn, f"{kind}Pad{n}d")(*a), x
        )  # fmt: skip
TARGETS = {
    "CrossEntropyLoss": CLASSES, "NLLLoss": CLASSES, "BCELoss": cr.rand(5, 4),
    "BCEWithLogitsLoss": cr.rand(5, 4), "KLDivLoss": SHARES, "FocalLoss": cr.rand(5, 4),
    "SoftmaxFocalLoss": CLASSES, "MultiMarginLoss": CLASSES, "MultiLabelSoftMarginLoss": SHARES,
    "MultiLabelMarginLoss": cr.tensor([[2, 0, -1, 1], [3, -1, 0, 0]] * 2 + [[0, 1, 2, 3]]),
    "HingeEmbeddingLoss": CLASSES[:, None].expand(5, 4) % 2 * 2 - 1,
}  # fmt: skip
SIDES = cr.tensor([1, -1, 1, 1, -1])
CASES |= {
    "GaussianNLLLoss": (lambda: nn.GaussianNLLLoss(), (ROWS, cr.randn(5, 4), SHARES)),
    "MarginRankingLoss": (lambda: nn.MarginRankingLoss(), (ROWS, cr.randn(5, 4), SIDES[:, None])),
    "CosineEmbeddingLoss": (lambda: nn.CosineEmbeddingLoss(), (ROWS, cr.randn(5, 4), SIDES)),
    "ContrastiveLoss": (lambda: nn.ContrastiveLoss(), (ROWS, cr.randn(5, 4), SIDES.clamp(0))),
    "AdaptiveLogSoftmaxWithLoss": (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 6, [2, 4], 2.0), (ROWS, CLASSES + 2)
    ),
    "CTCLoss": (
        lambda: nn.CTCLoss(), (cr.randn(6, 2, 4), cr.tensor([[1, 2], [3, 3]]), [6, 5], [2, 1])
    ),
}  # fmt: skip
for name in ("TripletMarginLoss", "TripletMarginWithDistanceLoss"):
    CASES[name] = (lambda name=name: getattr(nn, name)(), (ROWS, *cr.randn(2, 5, 4).unbind()))
# Containers without a forward of their own.
WITHOUT = {"Module", "RNNBase", "RNNCellBase", "ModuleList", "ModuleDict", "ParameterList",
           "ParameterDict", "Parameter", "Buffer"}  # fmt: skip
# Gradients chosen instead of derived: straight-through.
SURROGATES = {"SignSTE", "HardSigmoidBNN"}
PUBLIC = sorted(
    name for name in dir(nn)
    if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)
    and name not in WITHOUT
)  # fmt: skip


def case(name):
    if name in CASES:
        make, given = CASES[name]
        return make(), given
    module = getattr(nn, name)
    if name.endswith("Loss"):
        first = SHARES if name == "BCELoss" else ROWS
        return module(), (first, TARGETS.get(name, cr.randn(5, 4)))
    dims = {"Softmax", "LogSoftmax", "Softmin", "Hardmax"}
    return (module(dim=1) if name in dims else module()), ROWS if name != "Hardmax" else SHARES


@pytest.mark.filterwarnings("ignore:.*reduction.*mean.*")
@pytest.mark.parametrize("name", PUBLIC)
def test_contract(name):
    module, given = case(name)
    checks = [c for c in MODULE_CHECKS if not ("gradients" in c and name in SURROGATES)]
    assert check_module(module, given, checks=checks) == checks


class Careless(nn.Module):
    """Wrong in the way that the test asks for."""

    def __init__(self, wrong):
        super().__init__()
        self.wrong = wrong
        self.weight = nn.Parameter(cr.ones(4))
        self.unused = nn.Parameter(cr.ones(1)) if wrong == "gets no gradient" else None
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        if self.wrong == "the same call in eval mode":
            return x * self.weight + self.calls
        if self.wrong == "the input after the call":
            x.detach().add_(1)
        if self.wrong == "∂/∂weight":
            return x * self.weight * self.weight.detach()
        if self.wrong == "float32 in, float64 out":
            return (x * self.weight).double()
        return x * self.weight


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        ("gets no gradient", "gradients in training"),
        ("∂/∂weight", "gradients in evaluation"),
        ("the same call in eval mode", "train and eval"),
        ("the input after the call", "purity"),
        ("float32 in, float64 out", "dtypes"),
    ],
)
def test_a_wrong_module_is_caught_for_the_right_reason(wrong, check):
    check_module(Careless(""), ROWS)
    with pytest.raises(CheckFailure, match=wrong) as caught:
        check_module(Careless(wrong), ROWS, checks=[check])
    assert caught.value.check == check and str(caught.value).startswith("Careless: ")
