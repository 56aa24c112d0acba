"""The networks by name, their recipes, and the summary."""

import numpy as np
import pytest

from chainrule import models, nn
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.data import Draws
from chainrule.graph import Tensor, no_grad
from chainrule.models import build, names, recipe, summary
from chainrule.nn import functional as F
from chainrule.ops import functional as ops
from chainrule.ops.random import get_rng_state, manual_seed


def count(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "parameters"), [("linear", 7850), ("mlp", 235146), ("lenet", 3898), ("lenet-bn", 3934)]
)
def test_sizes_on_digits(name, parameters):
    model = build(name)
    assert count(model) == parameters
    assert model(ops.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert summary(model).parameters == parameters
    assert models.recipe(name).model == name and name in names()


@pytest.mark.parametrize("name", ["linear", "mlp", "lenet", "lenet-bn"])
def test_other_inputs_classes_and_the_config_that_makes_it_again(name):
    model = build(name, (3, 33, 32), 7)
    assert model(ops.zeros(2, 3, 33, 32)).shape == (2, 7)
    again = build(**model.config)
    assert again.load_state_dict(model.state_dict()) and again.config == model.config


def test_lenet_is_the_network_of_the_notes():
    """The same numbers from its layers written out."""
    manual_seed(0)
    model = build("lenet").double()
    x = ops.rand(2, 1, 28, 28).double()
    w = model.state_dict()
    y = F.avg_pool2d(F.sigmoid(F.conv2d(x, w["conv1.weight"], w["conv1.bias"])), 2)
    assert y.shape == (2, 6, 12, 12)
    y = F.avg_pool2d(F.sigmoid(F.conv2d(y, w["conv2.weight"], w["conv2.bias"])), 2)
    assert y.shape == (2, 12, 4, 4)
    y = F.linear(y.reshape(2, 192), w["fc.weight"], w["fc.bias"])
    with no_grad():
        np.testing.assert_allclose(model(x).numpy(), y.numpy(), rtol=1e-12)


def test_options():
    kinds = [type(m).__name__ for m in build("lenet-bn", pool="max", activation="tanh")]
    assert kinds[:4] == ["Conv2d", "BatchNorm2d", "Tanh", "MaxPool2d"]
    model = build("mlp", (20,), 3, hidden=(8,), dropout=0.5, activation="elu", output="softmax")
    assert [type(m).__name__ for m in model] == [
        "Flatten", "Linear", "ELU", "Dropout", "Linear", "Softmax",
    ]  # fmt: skip
    assert build("lenet", channels=(2, 3))(ops.zeros(1, 1, 28, 28)).shape == (1, 10)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("lenet5",), {}, ArgumentError, "did you mean 'lenet'.*linear, mlp, .*lenet, lenet-bn"),
        (("zzz",), {}, ArgumentError, "Known: .*linear"),
        (("mlp",), {"width": 3}, ArgumentError, "Known: hidden, activation, dropout, output"),
        (("mlp",), {"activation": "relo"}, ArgumentError, "'relu'"),
        (("mlp",), {"hidden": (0,)}, ArgumentError, "hidden"),
        (("lenet", (1, 15, 28)), {}, ShapeError, "15×28 are too small"),
        (("lenet", (784,)), {}, ShapeError, "channels, height, width"),
        (("lenet", (1, 28, 28), 0), {}, ArgumentError, "classes"),
        (("lenet",), {"output": "relu"}, ArgumentError, "output"),
    ],
)
def test_what_cannot_be_built(arguments, options, error, message):
    with pytest.raises(error, match=message):
        build(*arguments, **options)
    assert count(build("lenet", (1, 16, 16))) == 156 + 1812 + 130


# ---- recipes ---------------------------------------------------------------------------------


def test_the_recipe_of_lenet():
    r = recipe("lenet")
    assert (r.epochs, r.batch_size, r.max_lr, r.weight_decay) == (100, 64, 0.02, 0.01)
    model = build("lenet")
    optimizer = r.optimizer(model)
    groups = optimizer.param_groups
    assert [g["weight_decay"] for g in groups] == [0.01, 0.0]
    assert [len(g["params"]) for g in groups] == [3, 3]
    scheduler = r.scheduler(optimizer, 6300)
    assert groups[0]["lr"] == pytest.approx(0.0008) and groups[0]["betas"][0] == 0.95
    peak = max(step(scheduler, groups) for _ in range(6299))
    assert peak == pytest.approx(0.02, rel=1e-4) and groups[0]["lr"] == pytest.approx(8e-8)
    with pytest.raises(ArgumentError, match="closest: lenet"):
        recipe("lennet")


def step(scheduler, groups):
    scheduler.step()
    return groups[0]["lr"]


def test_recipes_blank_pixels_stay_blank_where_images_move():
    r = recipe("lenet")
    image = np.zeros((2, 1, 28, 28), np.uint8)
    image[:, :, 12:16, 12:16] = 255
    blank = (0 - 0.1307) / 0.3081
    moved = r.train_transform()(image, Draws(0, 0, np.arange(2)))
    plain = r.transform()(image)
    assert moved.dtype == np.float32 and moved.shape == image.shape
    np.testing.assert_allclose(moved[:, :, 0], blank, rtol=1e-5)
    assert plain.min() == pytest.approx(blank, rel=1e-5)
    assert plain.max() == pytest.approx((1 - 0.1307) / 0.3081, rel=1e-5)
    assert not np.array_equal(moved[0], moved[1])
    assert recipe("linear").augmentation is None


# ---- summary ---------------------------------------------------------------------------------


def test_summary_of_lenet_by_hand():
    rows = summary(build("lenet"), (1, 28, 28))
    have = {
        r["layer"]: (r["output_shape"], r["parameters"], r["multiply_adds"], r["receptive_field"])
        for r in rows
    }
    assert have["conv1"] == ([6, 24, 24], 156, 24 * 24 * 6 * 25, 5)
    assert have["pool1"] == ([6, 12, 12], 0, 0, 6)
    assert have["conv2"] == ([12, 8, 8], 1812, 8 * 8 * 12 * 150, 14)
    assert have["act2"] == ([12, 8, 8], 0, 0, 14)
    assert have["pool2"] == ([12, 4, 4], 0, 0, 16)
    assert have["fc"] == ([10], 1930, 1920, 28)
    assert rows.multiply_adds == 86400 + 115200 + 1920 and rows.parameters == 3898
    assert "86,400" in str(rows) and "3,898" in str(rows).splitlines()[-1]


def test_receptive_field_is_what_the_gradient_reaches():
    model = nn.Sequential(
        nn.Conv2d(1, 2, (3, 5), stride=2), nn.AvgPool2d(3, stride=1),
        nn.Conv2d(2, 1, 3, stride=2, dilation=2), nn.AvgPool2d(2),
    )  # fmt: skip
    field = summary(model, (1, 60, 60))[-1]["receptive_field"]
    x = ops.ones(1, 1, 60, 60).requires_grad_()
    for p in model.parameters():
        p.data.fill_(1.0)
    model(x)[0, 0, 2, 2].backward()
    reached = np.argwhere(x.grad.numpy()[0, 0] != 0)
    assert field == (reached.max(0) - reached.min(0) + 1).tolist()


def test_summary_leaves_the_model_and_the_random_numbers_alone():
    model = build("lenet-bn")
    model.bn1.eval()
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}, get_rng_state()
    summary(model)
    assert model.training and not model.bn1.training and get_rng_state() == before[1]
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[0][name])
    assert not any(m._call_hooks.forward for m in model.modules() if m._call_hooks is not None)


def test_branches_shared_layers_and_sequences():
    class Branch(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 5), nn.Conv2d(1, 1, 3)

        def forward(self, x):
            a = F.relu(self.c(self.a(x)))
            return self.c(a + self.b(x))

    rows = summary(Branch(), (1, 9, 9))
    assert [r["receptive_field"] for r in rows] == [3, 5, None, None]
    assert [r["parameters"] for r in rows] == [10, 10, 26, 0]
    table = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 2))
    rows = summary(table, (6,), dtype="int64")
    assert [r["output_shape"] for r in rows] == [[6, 4], [6, 2]]
    assert rows[1]["multiply_adds"] == 6 * 2 * 4 and rows[1]["receptive_field"] == 1
    with pytest.raises(ArgumentError, match="shape of one input"):
        summary(nn.Linear(2, 2))


def test_the_table_in_chinese_is_aligned():
    from chainrule.base.text import set_language

    set_language("zh")
    try:
        lines = str(summary(build("lenet"))).splitlines()
    finally:
        set_language(None)
    assert lines[0].startswith("层") and "感受野" in lines[0] and lines[-1].startswith("合计")


def test_a_model_predicts_from_tensors_of_any_float():
    with no_grad():
        y = build("lenet", output="sigmoid").double()(Tensor(np.zeros((1, 1, 28, 28))))
    assert y.dtype.name == "float64" and (y.numpy() > 0).all() and (y.numpy() < 1).all()
