"""Networks of photographs and autoencoders on the command line, each on a few images."""

import hashlib
import json
import os
import signal

import numpy as np
import pytest

import chainrule
from chainrule import data, models, train
from chainrule.cli import prepare as preparing
from chainrule.cli import restore
from chainrule.cli.estimate import epoch_seconds, say_if_long
from chainrule.data.readers.load import picture_sizes

# Others have these layers, more of them; the larger ones would take long.
TRAINED = ("resnet20", "resnet18")


@pytest.fixture(scope="module")
def few(tmp_path_factory, digits):
    path = tmp_path_factory.mktemp("few") / "few.npz"
    np.savez(path, images=digits.x[:20, 0], labels=digits.y[:20] % 2)
    return path


@pytest.fixture
def glass(monkeypatch):
    """Native programs of deep networks take seconds to make, more than these few steps."""
    return ("--glass", "--epochs", "1")


def test_every_model_has_a_recipe():
    for name in models.names():
        recipe = models.recipe(name)
        assert recipe.model == name and recipe.epochs >= 1
        assert recipe.optimizer_name in train.optimizer_names()


@pytest.mark.parametrize("name", TRAINED)
def test_they_train_and_are_used(cli, tmp_path, few, digits, glass, name):
    out = tmp_path / "run"
    # Of 16 images one would be the last batch: it is left out.
    result = cli("train", name, *glass, "--data", few, "--batch-size", "15", "--out", out)
    assert result.status == 0, result.err
    assert "on 15 examples" in result.out and "tested on 4" in result.out
    side = max(28, models.recipe(name).least)
    assert chainrule.load(out).config["input_shape"] == [1, side, side]
    numbers = cli("evaluate", out, "--json").json
    assert numbers["examples"] == 4 and f"accuracy {numbers['accuracy']:.4f}" in result.out
    np.save(tmp_path / "a.npy", digits.x[:3, 0])
    rows = cli("predict", out, tmp_path / "a.npy", "--json").json
    assert len(rows) == 3 and {row["class"] for row in rows} <= {"0", "1"}
    assert (out / "report.html").exists()


def test_the_recipe_of_resnets_is_stochastic_gradient_descent():
    recipe = models.recipe("resnet20")
    (weights, others) = recipe.optimizer(models.build("resnet20")).param_groups
    assert weights["weight_decay"] == 1e-4 and others["weight_decay"] == 0
    assert weights["nesterov"] and weights["lr"] == recipe.max_lr == 0.1


def test_another_optimizer_gets_a_rate_of_its_own(cli, tmp_path, few, glass):
    out = tmp_path / "run"
    assert cli("train", "resnet20", *glass, "--optimizer", "adamw", "--data", few,
               "--out", out).status == 0  # fmt: skip
    settings = json.loads((out / "settings.json").read_text())
    assert (settings["optimizer"], settings["lr"]) == ("adamw", 0.003)
    again = cli("train", "resnet20", "--resume", "--optimizer", "adamw", "--glass", "--out", out)
    assert again.status == 0


def test_a_run_is_resumed_to_the_same_bits(cli, tmp_path, few, monkeypatch):
    def digest(folder):
        return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()

    steps = []
    original = train.Trainer.train_step

    def train_step(self, *arguments):
        steps.append(None)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, *arguments)

    arguments = ("train", "resnet20", "--glass", "--epochs", "2", "--batch-size", "8",
                 "--data", few)  # fmt: skip
    assert cli(*arguments, "--out", tmp_path / "whole").status == 0
    with monkeypatch.context() as patch:
        patch.setattr(train.Trainer, "train_step", train_step)
        assert cli(*arguments, "--out", tmp_path / "cut").status == 130
    assert cli("train", "resnet20", "--resume", "--glass", "--out", tmp_path / "cut").status == 0
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


# ---- sizes ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Coloured pictures of two classes, of different sizes."""
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for k, name in enumerate(("red", "blue")):
        (folder / name).mkdir()
        for i in range(6):
            pixels = rng.integers(0, 100, (30 + i, 40, 3), np.uint8)
            pixels[..., 2 * k] += 150
            image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def test_pictures_of_different_sizes_are_scaled(cli, refused, photos, tmp_path, glass):
    assert picture_sizes(photos) == {(30 + i, 40) for i in range(6)}
    said = refused("train", "mlp", "--data", photos, "--out", tmp_path / "mlp")
    assert "--input 1,28,28" in said
    out = tmp_path / "run"
    assert cli("train", "resnet20", *glass, "--data", photos, "--out", out).status == 0
    model = chainrule.load(out)
    assert model.config["input_shape"] == [3, 32, 32] and model.classes == ("blue", "red")
    assert cli("evaluate", out, "--json").json["examples"] == 2
    picture = photos / "red" / "3.png"
    (row,) = cli("predict", out, picture, "--json").json
    pixels = data.read_image(picture, size=(32, 32))[None]
    scores = model(chainrule.tensor(model.transform(pixels)))
    assert row["class"] == model.classes[int(scores.argmax(1).item())]
    small = tmp_path / "small"
    assert cli("train", "mlp", *glass, "--data", photos, "--input", "3,8,9",
               "--out", small).status == 0  # fmt: skip
    assert chainrule.load(small).config["input_shape"] == [3, 8, 9]
    assert cli("evaluate", small, "--json").json["examples"] == 2


def test_scaling_keeps_the_dtype_and_a_flat_image():
    x = np.full((2, 3, 5, 7), 200, np.uint8)
    y = preparing.resized(x, (9, 4))
    assert y.dtype == np.uint8 and y.shape == (2, 3, 9, 4) and (y == 200).all()
    ramp = np.arange(4.0, dtype=np.float32).reshape(1, 1, 1, 4)
    # Twice as wide: a quarter and three quarters between neighbours.
    np.testing.assert_allclose(
        preparing.resized(ramp, (1, 8))[0, 0, 0], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]
    )


def test_pixels_in_columns_are_enlarged_after_they_became_images(cli, tmp_path, digits, glass):
    table = np.column_stack([digits.y[:20] % 2, digits.x[:20].reshape(20, -1)])
    np.savetxt(tmp_path / "t.csv", table, fmt="%d", delimiter=",")
    out = tmp_path / "run"
    assert cli("train", "mobilenet_v2", *glass, "--data", tmp_path / "t.csv",
               "--input", "1,28,28", "--out", out).status == 0  # fmt: skip
    assert chainrule.load(out).config["input_shape"] == [1, 56, 56]
    assert cli("evaluate", out, "--json").json["examples"] == 4


# ---- autoencoders --------------------------------------------------------------------------------


def test_an_autoencoder_is_measured_against_principal_components(cli, tmp_path, idx_folder):
    out = tmp_path / "run"
    result = cli("train", "autoencoder", "--epochs", "3", "--data", idx_folder, "--out", out)
    assert result.status == 0, result.err
    assert "Test squared error" in result.out and "principal components" in result.out
    model = chainrule.load(out)
    known = model.info["metrics"]
    assert model.config["output"] == "sigmoid" and model.normalization == {"mean": [0], "std": [1]}
    numbers = cli("evaluate", out, "--json").json
    assert numbers["squared_error"] == pytest.approx(known["squared_error"], rel=1e-6)
    test = data.load(idx_folder, "test").x
    assert test.var(axis=0).mean() > known["components_error"] > 0
    rows = cli("predict", out, idx_folder / "t10k-images-idx3-ubyte", "--json").json
    mean = np.mean([row["squared_error"] for row in rows])
    assert mean == pytest.approx(known["squared_error"], rel=1e-5)
    assert "restored" in cli("predict", out, idx_folder / "t10k-images-idx3-ubyte").out


def test_all_components_leave_nothing():
    x = np.random.default_rng(0).normal(size=(50, 4)) @ np.diag([3, 1, 1, 0.1])
    assert restore._components_error(x, x, 4) < 1e-12
    left = restore._components_error(x, x, 3)
    assert left == pytest.approx(np.linalg.eigvalsh(np.cov(x.T, bias=True))[0] / 4)


def test_features_are_restored_normalised(cli, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "t.npz", x=rng.normal(5, 3, (60, 6)).astype("f4"), y=np.arange(60) % 2)
    out = tmp_path / "run"
    assert cli("train", "autoencoder", "--epochs", "1", "--data", tmp_path / "t.npz",
               "--out", out).status == 0  # fmt: skip
    assert chainrule.load(out).config["output"] is None
    assert cli("evaluate", out, "--json").json["squared_error"] < 3


# ---- how long ------------------------------------------------------------------------------------


def test_only_a_long_epoch_is_announced(capsys):
    small = models.build("lenet")
    assert epoch_seconds(small, (1, 28, 28), 4000, 64) == 0.0
    say_if_long(small, (1, 28, 28), 4000, 64, 100)
    assert capsys.readouterr().out == ""
    large = models.build("resnet18", (3, 64, 64), 10)
    one = epoch_seconds(large, (3, 64, 64), 10**6, 64)
    assert one > 60
    say_if_long(large, (3, 64, 64), 10**6, 64, 10)
    said = capsys.readouterr().out
    assert "An epoch takes about" in said and (" min" in said or " h" in said)
