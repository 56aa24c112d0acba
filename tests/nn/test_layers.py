"""Layers against PyTorch with the same parameters: values and gradients."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn

torch = pytest.importorskip("torch")
rng = np.random.default_rng(0)


def same(build, *shape, train=True):
    """Ours and PyTorch's layer agree on output, input gradient, parameter gradients, buffers."""
    ours, theirs = build(nn).double(), build(torch.nn).double()
    theirs.load_state_dict({k: torch.tensor(v.tolist(), dtype=getattr(torch, v.dtype.name))
                            for k, v in ours.state_dict().items()})  # fmt: skip
    ours.train(train)
    theirs.train(train)
    data = rng.normal(size=shape)
    x = cr.tensor(data, requires_grad=True)
    z = torch.tensor(data, requires_grad=True)
    for _ in range(3):  # running statistics move
        y, w = ours(x), theirs(z)
        assert tuple(y.shape) == tuple(w.shape)
        (y * y).sum().backward()
        (w * w).sum().backward()
    pairs = [(y, w), (x.grad, z.grad)]
    pairs += [(p.grad, q.grad) for p, q in zip(ours.parameters(), theirs.parameters(), strict=True)]
    pairs += list(zip(ours.buffers(), theirs.buffers(), strict=True))
    for a, b in pairs:
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda nn: nn.Linear(4, 3), (5, 4)),
        (lambda nn: nn.Linear(4, 3, bias=False), (2, 5, 4)),
        (lambda nn: nn.Conv1d(2, 3, 3, padding=1), (2, 2, 7)),
        (lambda nn: nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), (2, 2, 7, 6)),
        (lambda nn: nn.Conv2d(2, 3, (3, 2), padding="same", dilation=(1, 2)), (2, 2, 7, 6)),
        (lambda nn: nn.Conv2d(2, 3, 3, padding="valid", bias=False), (2, 2, 7, 6)),
        (lambda nn: nn.Conv2d(2, 3, 3, padding=(2, 1), padding_mode="reflect"), (2, 2, 5, 6)),
        (lambda nn: nn.Conv2d(2, 3, 3, padding=(2, 1), padding_mode="replicate"), (2, 2, 5, 6)),
        (lambda nn: nn.Conv2d(2, 3, 4, padding="same", padding_mode="circular"), (2, 2, 5, 6)),
        (lambda nn: nn.Conv3d(2, 3, 2, padding=1), (2, 2, 3, 4, 5)),
        (lambda nn: nn.MaxPool1d(2), (2, 2, 7)),
        (lambda nn: nn.MaxPool2d(3, 2, 1, ceil_mode=True), (2, 2, 8, 7)),
        (lambda nn: nn.AvgPool1d(2, 1), (2, 2, 7)),
        (lambda nn: nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 2, 7, 6)),
        (lambda nn: nn.AvgPool2d((2, 3), padding=1, ceil_mode=True), (2, 2, 7, 6)),
        (lambda nn: nn.AvgPool2d(2, divisor_override=3), (2, 2, 7, 6)),
        (lambda nn: nn.AdaptiveAvgPool2d((3, None)), (2, 2, 7, 6)),
        (lambda nn: nn.MaxPool3d(2, padding=1), (2, 2, 3, 4, 5)),
        (lambda nn: nn.AvgPool3d((1, 2, 3), divisor_override=5), (2, 2, 3, 4, 5)),
        (lambda nn: nn.AdaptiveAvgPool1d(2), (2, 3, 5)),
        (lambda nn: nn.AdaptiveAvgPool3d((2, None, 3)), (2, 2, 3, 4, 5)),
        (lambda nn: nn.Flatten(), (2, 3, 4)),
        (lambda nn: nn.Flatten(0, 1), (2, 3, 4)),
        (lambda nn: nn.Unflatten(1, (3, 2)), (2, 6)),
        (lambda nn: nn.Unflatten(-1, (-1, 2)), (2, 6)),
        (lambda nn: nn.BatchNorm1d(3), (5, 3)),
        (lambda nn: nn.BatchNorm1d(3, momentum=None), (5, 3, 2)),
        (lambda nn: nn.BatchNorm2d(3, eps=1e-3, momentum=0.3), (5, 3, 2, 2)),
        (lambda nn: nn.BatchNorm2d(3, affine=False), (5, 3, 2, 2)),
        (lambda nn: nn.BatchNorm2d(3, bias=False), (5, 3, 2, 2)),
        (lambda nn: nn.BatchNorm2d(3, track_running_stats=False), (5, 3, 2, 2)),
        (lambda nn: nn.Dropout(0.0), (5, 3)),
        (lambda nn: nn.Dropout(1.0), (5, 3)),
    ],
)
@pytest.mark.parametrize("train", [True, False])
def test_layer(build, shape, train):
    same(build, *shape, train=train)


@pytest.mark.parametrize(
    "build",
    [
        lambda nn: nn.Sigmoid(), lambda nn: nn.Tanh(), lambda nn: nn.ReLU(),
        lambda nn: nn.ReLU6(), lambda nn: nn.LeakyReLU(0.2), lambda nn: nn.PReLU(3, 0.1),
        lambda nn: nn.ELU(0.7), lambda nn: nn.SELU(), lambda nn: nn.GELU(),
        lambda nn: nn.GELU("tanh"), lambda nn: nn.SiLU(), lambda nn: nn.Mish(),
        lambda nn: nn.Softplus(2.0, 1.0), lambda nn: nn.Softsign(), lambda nn: nn.Hardtanh(-0.5, 1),
        lambda nn: nn.Threshold(0.1, 20), lambda nn: nn.GLU(-1),
        lambda nn: nn.Softmax(dim=1), lambda nn: nn.LogSoftmax(dim=-1),
    ],
)  # fmt: skip
def test_activation(build):
    same(build, 4, 3, 6)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("build", "kind"),
    [
        (lambda nn, w, r: nn.MSELoss(reduction=r), "same"),
        (lambda nn, w, r: nn.L1Loss(reduction=r), "same"),
        (lambda nn, w, r: nn.BCELoss(reduction=r), "probability"),
        (lambda nn, w, r: nn.BCELoss(w, reduction=r), "probability"),
        (lambda nn, w, r: nn.BCEWithLogitsLoss(reduction=r, pos_weight=w), "same"),
        (lambda nn, w, r: nn.BCEWithLogitsLoss(w, reduction=r), "same"),
        (lambda nn, w, r: nn.NLLLoss(w, ignore_index=1, reduction=r), "class"),
        (lambda nn, w, r: nn.CrossEntropyLoss(reduction=r), "class"),
        (lambda nn, w, r: nn.CrossEntropyLoss(w, ignore_index=1, reduction=r), "class"),
        (lambda nn, w, r: nn.CrossEntropyLoss(w, label_smoothing=0.1, reduction=r), "class"),
        (lambda nn, w, r: nn.CrossEntropyLoss(w, reduction=r), "same"),
    ],
)
def test_loss(build, kind, reduction):
    x, y = rng.uniform(0.1, 0.9, size=(2, 6, 4))
    target = rng.integers(0, 4, size=6) if kind == "class" else y
    weight = np.array([0.5, 1.0, 2.0, 3.0])
    results = []
    for lib in (cr, torch):
        loss = build(lib.nn, lib.tensor(weight), reduction)
        a = lib.tensor(x, requires_grad=True)
        value = loss(a, lib.tensor(target))
        value.sum().backward()
        results.append((value.detach().numpy(), a.grad.numpy(), list(loss.state_dict())))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-10, atol=1e-12)
    assert results[0][2] == results[1][2]


def test_quadratic_loss_is_the_notes():
    h = cr.tensor([[0.2, 0.9], [0.4, 0.1]], requires_grad=True)
    y = cr.tensor([[0.0, 1.0], [1.0, 0.0]])
    total = 0.5 * (0.04 + 0.01 + 0.36 + 0.01)
    losses = {"batchmean": total / 2, "sum": total, "mean": total / 4}
    for reduction, wanted in losses.items():
        value = nn.QuadraticLoss(reduction=reduction)(h, y).item()
        assert math.isclose(value, wanted, rel_tol=1e-6)
    assert nn.QuadraticLoss().reduction == "batchmean"
    nn.QuadraticLoss(reduction="sum")(h, y).backward()
    np.testing.assert_allclose(h.grad.numpy(), (h - y).detach().numpy(), rtol=1e-6)


def test_embedding():
    table = nn.Embedding(5, 3, padding_idx=1)
    theirs = torch.nn.Embedding(5, 3, padding_idx=1)
    theirs.load_state_dict({"weight": torch.tensor(table.weight.tolist())})
    index = [[0, 1, 4], [4, 4, 2]]
    (table(cr.tensor(index)) ** 2).sum().backward()
    (theirs(torch.tensor(index)) ** 2).sum().backward()
    np.testing.assert_allclose(table.weight.grad.numpy(), theirs.weight.grad.numpy(), rtol=1e-6)
    given = cr.randn(4, 2, dtype=cr.float64)
    frozen = nn.Embedding.from_pretrained(given)
    assert not frozen.weight.requires_grad and frozen.weight.dtype is cr.float64
    assert frozen(cr.tensor([2])).tolist() == given[2:3].tolist()
    assert nn.Embedding.from_pretrained(given, freeze=False).weight.requires_grad


@pytest.mark.parametrize(
    "more",
    [
        {"max_norm": 1.0}, {"max_norm": 0.7, "norm_type": 1.0, "padding_idx": -1},
        {"scale_grad_by_freq": True}, {"scale_grad_by_freq": True, "padding_idx": 4},
    ],
)  # fmt: skip
def test_embedding_that_limits_rows_or_counts_them(more):
    table, theirs = nn.Embedding(5, 3, **more).double(), torch.nn.Embedding(5, 3, **more).double()
    with cr.no_grad():
        table.weight[0] *= 0.01  # short enough
    theirs.load_state_dict({"weight": torch.tensor(table.weight.tolist(), dtype=torch.float64)})
    index = [[0, 1, 4], [4, 4, 0]]
    y, z = table(cr.tensor(index)), theirs(torch.tensor(index))
    (y**3).sum().backward()
    (z**3).sum().backward()
    for a, b in ((y, z), (table.weight, theirs.weight), (table.weight.grad, theirs.weight.grad)):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-15)
    assert repr(table) == repr(theirs)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")
@pytest.mark.parametrize("kind", ["SGD", "Adagrad", "SparseAdam"])
def test_sparse_embeddings_train_as_in_pytorch(kind):
    ours, theirs = (lib.nn.Embedding(6, 3, sparse=True) for lib in (cr, torch))
    theirs.load_state_dict({"weight": torch.from_numpy(ours.weight.detach().numpy().copy())})
    assert repr(ours) == repr(theirs)
    for lib, table in ((cr, ours), (torch, theirs)):
        optimizer = getattr(lib.optim, kind)(table.parameters(), lr=0.1)
        for index in ([1, 2, 2], [2, 5, 0], [1, 1, 1]):
            optimizer.zero_grad()
            (table(lib.tensor(index)) ** 2).sum().backward()
            optimizer.step()
    np.testing.assert_allclose(
        ours.weight.detach().numpy(), theirs.weight.detach().numpy(), rtol=1e-5, atol=1e-6
    )


def test_dropout_keeps_the_mean_and_whole_channels():
    cr.manual_seed(0)
    x = cr.ones(50, 40, 4, 4)
    y = nn.Dropout(0.25)(x).numpy()
    assert set(np.unique(y).round(5)) == {0, np.float32(4 / 3).round(5)}
    assert abs((y == 0).mean() - 0.25) < 4 * math.sqrt(0.25 * 0.75 / y.size)
    channels = nn.Dropout2d(0.25)(x).numpy().reshape(2000, 16)
    assert ((channels == 0).all(axis=1) | (channels != 0).all(axis=1)).all()
    assert abs((channels[:, 0] == 0).mean() - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 2000)
    assert nn.Dropout(0.9).eval()(x).tolist() == x.tolist()


def test_in_place_activation_writes_its_input():
    x = cr.tensor([-1.0, 2.0])
    y = nn.ReLU(inplace=True)(x)
    assert x.tolist() == y.tolist() == [0, 2]


def test_pool_indices():
    values, indices = nn.MaxPool2d(2, return_indices=True)(cr.arange(16.0).reshape(1, 1, 4, 4))
    assert values.flatten().tolist() == indices.flatten().tolist() == [5, 7, 13, 15]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: nn.Linear(-1, 2), "in_features"),
        (lambda: nn.Linear(2, 2.5), "out_features"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "in_channels"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), "out_channels"),
        (lambda: nn.Conv2d(1, 1, (3, 3, 3)), "kernel_size"),
        (lambda: nn.Conv2d(1, 1, 3, stride=0), "stride"),
        (lambda: nn.Conv2d(1, 1, 3, padding="full"), "padding"),
        (lambda: nn.Conv2d(1, 1, 3, padding=-1), "padding"),
        (lambda: nn.Conv2d(1, 1, 3, padding_mode="wrap"), "padding_mode"),
        (lambda: nn.MaxPool2d(0), "kernel_size"),
        (lambda: nn.AvgPool2d(2, divisor_override=0), "divisor_override"),
        (lambda: nn.AdaptiveAvgPool2d((1, 2, 3)), "output_size"),
        (lambda: nn.Dropout(1.5), "p must"),
        (lambda: nn.BatchNorm2d(0), "num_features"),
        (lambda: nn.BatchNorm2d(3, momentum=2), "momentum"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), "padding_idx"),
        (lambda: nn.CrossEntropyLoss(reduction="average"), "reduction"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=2), "label_smoothing"),
        (lambda: nn.LeakyReLU("a"), "negative_slope"),
        (lambda: nn.Softmax(dim="rows"), "dim must be an integer"),
        (lambda: nn.ReLU(inplease=True), "inplease"),
    ],
)
def test_bad_arguments_name_the_argument(build, words):
    with pytest.raises(ValueError, match=words):
        build()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.BatchNorm1d(3), (2, 3, 4, 4)),
        (nn.BatchNorm2d(3), (2, 3)),
        (nn.BatchNorm1d(3), (2, 4)),
        (nn.Linear(3, 2), (2, 4)),
        (nn.Conv2d(1, 1, 5), (1, 1, 3, 3)),
    ],
)
def test_wrong_shapes_name_layer_and_shape(layer, shape):
    with pytest.raises(ValueError) as caught:
        layer(cr.ones(shape))
    assert str(shape[-1]) in str(caught.value)
    assert type(layer).__name__ in caught.value.__notes__[0]
