"""`chainrule train`: the run folder, resuming, refusing, and what goes wrong on the way."""

import hashlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import chainrule
from chainrule import data, train
from chainrule.cli import main as entry
from chainrule.cli.run_folder import locked

FILES = {"model.safetensors", "history.json", "report.html", "settings.json", "checkpoint"}


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_a_run_writes_its_folder_and_says_where(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = cli("train", "linear", "--epochs", "2")
    assert result.status == 0 and result.err == ""
    folder = tmp_path / "runs" / "linear"
    assert {path.name for path in folder.iterdir()} == FILES
    accuracy = float(re.search(r"Test accuracy (0\.\d{4})", result.out)[1])
    assert accuracy > 0.87
    history = train.History.load(folder / "history.json")
    assert len(history) == 2 and len(history.step_loss) == 2 * 63
    assert history["val_accuracy"][-1] == pytest.approx(accuracy, abs=5e-5)
    assert "runs/linear/report.html" in result.out


def test_the_report_shows_the_run(run_folder, digits):
    page = (run_folder / "report.html").read_text(encoding="utf-8")
    for part in ("linear on digits28", "digits28, the last 1,000", "7,850", "chainrule train"):
        assert part in page, part
    model = chainrule.load(run_folder)
    wrong = (model(chainrule.tensor(model.transform(digits.x))).argmax(1).numpy() != digits.y).sum()
    assert f"{wrong} wrong" in page
    # Kernels of the one dense layer as pictures of its input, and nothing from the network.
    assert (
        "fc" in page
        and "data:image/png" in page
        and "http://" not in page.replace("http://www.w3.org", "")
    )


def test_a_profile_joins_the_run_folder_and_its_report(cli, tmp_path):
    plain = cli("train", "linear", "--epochs", "1", "--out", tmp_path / "plain")
    result = cli("train", "linear", "--epochs", "1", "--out", tmp_path / "run", "--profile")
    assert result.status == plain.status == 0
    content = json.loads((tmp_path / "run" / "profile.json").read_text(encoding="utf-8"))
    assert content["rows"] and content["seconds"] > 0
    assert "GFLOP/s" in result.out and "GFLOP/s" not in plain.out
    for name, shown in (("run", True), ("plain", False)):
        page = (tmp_path / name / "report.html").read_text(encoding="utf-8")
        assert ("Time of a training step" in page) is shown


def test_a_watched_run_has_the_same_bits(cli, run_folder, tmp_path):
    out = tmp_path / "watched"
    result = cli("train", "linear", "--epochs", "2", "--out", out, "--watch")
    assert result.status == 0
    assert re.search(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", result.err)
    assert digest(out / "model.safetensors") == digest(run_folder / "model.safetensors")


def test_a_port_to_watch_on_that_cannot_be_had_is_refused(refused, tmp_path):
    assert "65535" in refused("train", "linear", "--watch-port", "70000", "--out", tmp_path / "a")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = refused("train", "linear", "--watch-port", port, "--out", tmp_path / "b")
    assert f"port {port} cannot be had" in told


def test_the_same_command_gives_the_same_bits(cli, run_folder, tmp_path):
    out = tmp_path / "again"
    assert cli("train", "linear", "--epochs", "2", "--out", out, "--workers", "2").status == 0
    assert digest(out / "model.safetensors") == digest(run_folder / "model.safetensors")
    assert cli("train", "linear", "--epochs", "2", "--out", out, "--seed", "1",
               "--overwrite").status == 0  # fmt: skip
    assert digest(out / "model.safetensors") != digest(run_folder / "model.safetensors")


@pytest.mark.parametrize(
    "options",
    [
        ["mlp", "--epochs", "1", "--no-augment", "--optimizer", "sgd"],
        ["lenet", "--epochs", "1", "--optimizer", "adam", "--lr", "0.01", "--batch-size", "50"],
        ["lenet-bn", "--epochs", "1", "--precision", "float64"],
        ["lenet-bn", "--epochs", "1", "--precision", "bf16"],
        ["lenet", "--epochs", "1", "--precision", "bf16", "--glass"],
    ],
)
def test_every_model_trains_on_idx_files_with_any_option(cli, tmp_path, idx_folder, options):
    result = cli("train", *options, "--data", idx_folder, "--out", tmp_path / "run")
    assert result.status == 0, result.err
    assert "on 300 examples" in result.out and "tested on 100" in result.out
    model = chainrule.load(tmp_path / "run")
    assert model.config["name"] == options[0]
    pixels = data.load(idx_folder, "train").x / 255.0
    assert model.normalization["mean"] == pytest.approx([pixels.mean()], rel=1e-9)
    assert model.normalization["std"] == pytest.approx([pixels.std()], rel=1e-9)
    kind = options[options.index("--precision") + 1] if "--precision" in options else "float32"
    assert next(model.parameters()).dtype.name == kind.replace("bf16", "float32")
    config = json.loads((tmp_path / "run" / "history.json").read_text())["config"]
    assert config["scheduler"] == "one_cycle" and config["precision"] == kind


def test_data_of_ones_own_are_normalised_and_a_fifth_is_held_out(cli, tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 400)
    x = rng.normal(size=(400, 3)) + 3 * np.eye(3)[y]
    rows = np.column_stack([y, x * [1000, 1, 0.01], np.full(400, 5.0)])
    source = tmp_path / "table.csv"
    np.savetxt(source, rows, delimiter=",", header="label,a,b,c,d", comments="")
    out = tmp_path / "run"
    result = cli("train", "mlp", "--data", source, "--epochs", "10", "--out", out)
    assert result.status == 0 and "tested on 80" in result.out
    accuracy = float(re.search(r"Test accuracy ([\d.]+)", result.out)[1])
    assert accuracy > 0.9
    model = chainrule.load(out)
    assert model.normalization["mean"] == pytest.approx(rows[:, 1:].mean(0), rel=0.1)
    assert model.normalization["std"][3] == 1.0 and 1000 < model.normalization["std"][0] < 3000
    # What the run held out is what evaluate measures, unless all is asked for.
    numbers = cli("evaluate", out, "--json").json
    assert numbers["examples"] == 80 and numbers["accuracy"] == pytest.approx(accuracy, abs=5e-5)
    assert cli("evaluate", out, "--split", "all", "--json").json["examples"] == 400


def test_pixels_in_columns_become_images(cli, tmp_path, digits):
    table = np.column_stack([digits.y[:200], digits.x[:200].reshape(200, -1)])
    source = tmp_path / "pixels.csv"
    header = ",".join(["label", *(f"p{i}" for i in range(784))])
    np.savetxt(source, table, fmt="%d", delimiter=",", header=header, comments="")
    out = tmp_path / "run"
    assert cli("train", "lenet", "--data", source, "--input", "1x28x28", "--epochs", "1",
               "--out", out).status == 0  # fmt: skip
    assert cli("evaluate", out, "--json").json["examples"] == 40


# ---- run folders ---------------------------------------------------------------------------------


def test_a_folder_of_another_run_is_refused(cli, refused, run_folder, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(run_folder, out)
    before = digest(out / "model.safetensors")
    said = refused("train", "linear", "--epochs", "3", "--out", out)
    assert "holds a run with epochs = 2, this one has 3" in said and "--overwrite" in said
    assert "model = linear, this one has mlp" in refused("train", "mlp", "--out", out)
    # The same run again gives the same model.
    assert cli("train", "linear", "--epochs", "2", "--out", out).status == 0
    assert digest(out / "model.safetensors") == before
    (out / "history.json").unlink()
    assert "unfinished run" in refused("train", "linear", "--epochs", "2", "--out", out)
    assert digest(out / "model.safetensors") == before
    assert cli("train", "linear", "--epochs", "1", "--out", out, "--overwrite").status == 0


def test_a_folder_of_something_else_is_refused(refused, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    assert "holds something that is not a run" in refused("train", "linear", "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    said = refused("train", "linear", "--out", tmp_path / "letter.txt")
    assert "is a file where a folder is needed" in said
    assert "is a file where" in refused("train", "linear", "--out", tmp_path / "letter.txt" / "x")


def test_resume_gives_the_bits_of_a_run_that_was_never_cut(cli, refused, tmp_path, monkeypatch):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    arguments = ("train", "lenet", "--epochs", "2", "--no-augment")
    monkeypatch.chdir(tmp_path)
    # The model of the notes on few digits, or this takes long.
    x = data.load("digits28", "test", transform=None)
    np.savez("few.npz", images=x.x[:200, 0], labels=x.y[:200])
    arguments += ("--data", "few.npz", "--batch-size", "20")
    assert cli(*arguments, "--out", whole).status == 0
    with monkeypatch.context() as patch:
        interrupt_at(patch, 11)
        result = cli(*arguments, "--out", cut)
    assert result.status == 130
    assert f"To go on: chainrule train lenet --resume --out {cut}" in result.out
    assert {path.name for path in cut.iterdir()} == FILES
    assert digest(cut / "model.safetensors") != digest(whole / "model.safetensors")
    assert "Interrupted after 1 of 2 epochs" in (cut / "report.html").read_text(encoding="utf-8")
    assert "unfinished run" in refused(*arguments, "--out", cut)
    said = refused("train", "lenet", "--resume", "--out", cut, "--epochs", "3")
    assert "has epochs = 2, not 3" in said
    monkeypatch.chdir("/")
    assert cli("train", "lenet", "--resume", "--out", cut).status == 0
    assert digest(cut / "model.safetensors") == digest(whole / "model.safetensors")
    # Once more has nothing to do, and says the same.
    again = cli("train", "lenet", "--resume", "--out", cut)
    assert again.status == 0 and "Test accuracy" in again.out


def test_mixed_precision_is_another_run_and_is_kept_when_resumed(
    cli, refused, idx_folder, tmp_path, monkeypatch
):
    arguments = ("train", "linear", "--epochs", "2", "--data", idx_folder)
    whole, plain, cut = tmp_path / "whole", tmp_path / "plain", tmp_path / "cut"
    assert cli(*arguments, "--out", plain).status == 0
    assert cli(*arguments, "--precision", "bf16", "--out", whole).status == 0
    assert digest(whole / "model.safetensors") != digest(plain / "model.safetensors")
    losses, exact = (train.History.load(f / "history.json").step_loss for f in (whole, plain))
    np.testing.assert_allclose(losses, exact, rtol=0.02)  # bfloat16 has eight bits
    assert "bf16" in (whole / "report.html").read_text(encoding="utf-8")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 6)
        assert cli(*arguments, "--precision", "bf16", "--out", cut).status == 130
    said = refused("train", "linear", "--resume", "--out", cut, "--precision", "float32")
    assert "has precision = bf16, not float32" in said
    assert cli("train", "linear", "--resume", "--out", cut).status == 0
    assert digest(cut / "model.safetensors") == digest(whole / "model.safetensors")


def test_a_run_that_died_can_be_resumed(cli, refused, run_folder, tmp_path, monkeypatch):
    out = tmp_path / "run"
    arguments = ("train", "linear", "--epochs", "2", "--out", out)
    with monkeypatch.context() as patch:
        patch.setattr("chainrule.train.run._SAVE_INTERVAL", 0.0)
        patch.setattr(train.Run, "_validate", dies_in_epoch(2))
        assert cli(*arguments).status == 1
    assert {path.name for path in out.iterdir()} == FILES - {"model.safetensors", "report.html"}
    assert "unfinished run" in refused(*arguments)
    (out / "history.json").unlink()
    assert "unfinished run" in refused(*arguments)
    assert cli("train", "linear", "--resume", "--out", out).status == 0
    assert digest(out / "model.safetensors") == digest(run_folder / "model.safetensors")
    assert cli(*arguments, "--overwrite").status == 0


def dies_in_epoch(epoch):
    original = train.Run._validate

    def validate(self):
        if self.epoch == epoch:
            raise SystemError("the power went out")
        return original(self)

    return validate


def interrupt_at(patch, step):
    """Ctrl-C in a training step."""
    original = train.Trainer.train_step

    def train_step(self, *arguments):
        done = original(self, *arguments)
        if self._run is not None and self._run.step + 1 == step:
            os.kill(os.getpid(), signal.SIGINT)
        return done

    patch.setattr(train.Trainer, "train_step", train_step)


def test_what_cannot_be_resumed_is_refused(refused, run_folder, tmp_path):
    assert "holds no checkpoint" in refused("train", "linear", "--resume", "--out", tmp_path / "no")
    assert "one of both" in refused("train", "linear", "--resume", "--overwrite")
    out = tmp_path / "run"
    shutil.copytree(run_folder, out)
    content = bytearray((out / "checkpoint").read_bytes())
    content[len(content) // 2] ^= 1
    (out / "checkpoint").write_bytes(content)
    said = refused("train", "linear", "--resume", "--out", out)
    assert "checkpoint" in said and "damaged" in said
    (out / "checkpoint").write_bytes(content[:1000])
    assert "checkpoint" in refused("train", "linear", "--resume", "--out", out)
    (out / "settings.json").write_text("{")
    assert "not the settings of a run" in refused("train", "linear", "--resume", "--out", out)
    (out / "settings.json").unlink()
    assert "without its settings.json" in refused("train", "linear", "--resume", "--out", out)


def test_a_run_that_diverges_writes_no_model(cli, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = cli("train", "linear", "--optimizer", "sgd", "--lr", "1e38", "--out", tmp_path)
    assert result.status == 1
    (refusal,) = result.err.splitlines()
    assert "no model was written" in refusal and "--lr 0.1." in refusal
    assert not (tmp_path / "model.safetensors").exists()


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_run_that_comes_to_nothing_leaves_the_one_it_was_to_replace(
    cli, refused, run_folder, tmp_path, monkeypatch
):
    out = tmp_path / "run"
    shutil.copytree(run_folder, out)
    before = contents(out)
    again = ("train", "linear", "--epochs", "2", "--seed", "1", "--overwrite", "--out", out)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        diverging = ("--optimizer", "sgd", "--lr", "1e38")
        assert cli(*again, *diverging).status == 1
    assert contents(out) == before and not (out / "run-unfinished").exists()
    with monkeypatch.context() as patch:
        patch.setattr(train.Run, "_validate", dies_in_epoch(1))
        assert cli(*again).status == 1
    assert contents(out) == before and not (out / "run-unfinished").exists()
    # Cut after its first checkpoint, the new run can go on beside the old one.
    with monkeypatch.context() as patch:
        patch.setattr(train.Run, "_validate", dies_in_epoch(2))
        assert cli(*again).status == 1
    assert contents(out) == before
    assert "unfinished run" in refused("train", "linear", "--epochs", "2", "--seed", "1",
                                       "--out", out)  # fmt: skip
    with monkeypatch.context() as patch:
        interrupt_at(patch, 80)
        assert cli("train", "linear", "--resume", "--out", out).status == 130
    assert contents(out) == before
    assert cli("train", "linear", "--resume", "--out", out).status == 0
    assert {path.name for path in out.iterdir()} == FILES
    assert json.loads((out / "settings.json").read_text())["seed"] == 1
    other = tmp_path / "other"
    assert cli(*again[:-1], other).status == 0
    assert digest(out / "model.safetensors") == digest(other / "model.safetensors")


def test_a_move_cut_short_is_completed(refused, run_folder, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(run_folder, out)
    before = contents(out)
    (out / "run-finished").mkdir()
    os.replace(out / "model.safetensors", out / "run-finished" / "model.safetensors")
    assert "has 3" in refused("train", "linear", "--epochs", "3", "--out", out)
    assert contents(out) == before and not (out / "run-finished").exists()


def test_two_trainings_do_not_share_a_folder(cli, refused, tmp_path):
    with locked(tmp_path):
        said = refused("train", "linear", "--epochs", "1", "--overwrite", "--out", tmp_path)
    assert "Another training is writing" in said and not list(tmp_path.iterdir())
    assert cli("train", "linear", "--epochs", "1", "--out", tmp_path).status == 0


@pytest.mark.parametrize("text", ['{"model": "linear"}', '{"data": 5}', "[" * 100_000, "[]"])
def test_settings_of_another_kind_are_refused(refused, run_folder, tmp_path, text):
    out = tmp_path / "run"
    shutil.copytree(run_folder, out)
    (out / "settings.json").write_text(text)
    assert "not the settings" in refused("train", "linear", "--resume", "--out", out)


def test_options_that_cannot_be_are_refused(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "--seed: 18446744073709551615" in refused("train", "linear", "--seed", 2**64)
    assert "--out: it is empty" in refused("train", "linear", "--out", "")
    assert "--data: it is empty" in refused("train", "linear", "--data", "")
    assert "it is empty" in refused("evaluate", "")
    assert "--classes" in refused("summary", "linear", "--classes", 10**23)
    assert not list(tmp_path.iterdir())


# ---- bad data ------------------------------------------------------------------------------------


def test_bad_data_are_refused_before_anything_is_written(refused, tmp_path, idx_folder):
    out = tmp_path / "run"

    def says(source):
        return refused("train", "linear", "--data", source, "--out", out)

    assert "no such file or folder" in says(tmp_path / "nowhere")
    broken = tmp_path / "idx"
    shutil.copytree(idx_folder, broken)
    images = broken / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-100])
    assert "train-images-idx3-ubyte: cut off" in says(broken)
    (tmp_path / "nan.csv").write_text("label,a\n0,1\n1,nan\n")
    assert "nan where a finite number is needed" in says(tmp_path / "nan.csv")
    (tmp_path / "one.csv").write_text("label,a\n0,1\n0,2\n")
    assert "has one class only" in says(tmp_path / "one.csv")
    (tmp_path / "single.csv").write_text("label,a\n0,1\n")
    assert "holds one sample" in says(tmp_path / "single.csv")
    np.savez(tmp_path / "none.npz", x=np.zeros((9, 0), np.float32), y=np.arange(9) % 2)
    assert "no features" in says(tmp_path / "none.npz")
    sizes = tmp_path / "sizes"
    shutil.copytree(idx_folder, sizes)
    data.write_idx(sizes / "t10k-images-idx3-ubyte", np.zeros((100, 20, 20), np.uint8))
    assert "are 1×28×28 and the test examples 1×20×20" in says(sizes)
    (tmp_path / "empty").mkdir()
    assert "neither IDX files" in says(tmp_path / "empty")
    assert not out.exists()


# ---- real processes ------------------------------------------------------------------------------


def start(*arguments, **options):
    source = str(Path(entry.__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "chainrule", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": source}, **options,
    )  # fmt: skip


def test_ctrl_c_ends_cleanly_and_twice_at_once(tmp_path):
    out = tmp_path / "run"
    with start("train", "lenet", "--out", out) as running:
        assert running.stdout is not None
        while "Epoch   1" not in running.stdout.readline():
            pass
        running.send_signal(signal.SIGINT)
        rest, errors = running.communicate(timeout=60)
    assert running.returncode == 130 and errors == ""
    assert "--resume --out" in rest and {path.name for path in out.iterdir()} == FILES
    assert chainrule.load(out).config["name"] == "lenet"


def test_sigterm_saves_what_there_is(tmp_path):
    out = tmp_path / "run"
    with start("train", "lenet", "--out", out) as running:
        assert running.stdout is not None
        while "Epoch   1" not in running.stdout.readline():
            pass
        running.terminate()
        running.terminate()
        rest, errors = running.communicate(timeout=60)
    assert running.returncode == 143 and errors == ""
    assert "--resume --out" in rest and {path.name for path in out.iterdir()} == FILES


def test_streams_that_are_closed_or_broken_are_no_bug(tmp_path):
    command = f"{sys.executable} -m chainrule"
    source = os.environ | {"PYTHONPATH": str(Path(entry.__file__).parents[2])}
    closed = subprocess.run(f"{command} ops 1>&-", shell=True, env=source, capture_output=True)
    assert closed.returncode == 0 and closed.stderr == b""
    # The reading end is closed before anything is said.
    reading, writing = os.pipe()
    os.close(reading)
    broken = subprocess.run([*command.split(), "bogus"], env=source, stdout=writing, stderr=writing)
    os.close(writing)
    assert broken.returncode == 2


def test_files_larger_than_allowed_are_one_line(tmp_path):
    out = tmp_path / "run"

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    with start("train", "linear", "--epochs", "1", "--out", out, preexec_fn=limit) as running:
        _, errors = running.communicate(timeout=60)
    assert running.returncode == 2
    assert len(errors.splitlines()) == 1 and "larger than files may be here" in errors
    assert {path.name for path in out.iterdir()} == {"settings.json"}
