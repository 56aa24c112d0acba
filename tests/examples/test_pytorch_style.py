"""The programs in PyTorch's style train, and compute on PyTorch what they compute on chainrule."""

import importlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule

FOLDER = Path(__file__).parents[2] / "examples" / "pytorch_style"
LONG = os.environ.get("CHAINRULE_SLOW")
#: Arguments of a short run, and whether what main returns is good enough after it.
SHORT = {
    "mnist_cnn": ((["--epochs", "1"],), lambda accuracy: accuracy > 0.85),
    "lstm_sine": ((2,), lambda error: error < 0.15),
    "vae": ((3,), lambda nats: nats < 165),
    "char_transformer": ((120,), lambda loss: loss < 2.75),
    "resnet_images": ((1,), lambda accuracy: accuracy > 0.25),
}
#: The whole run, with the quality that docs/demonstrations.md states.
WHOLE = {
    "mnist_cnn": (([],), lambda accuracy: accuracy > 0.95),
    "lstm_sine": ((), lambda error: error < 0.05),
    "vae": ((), lambda nats: nats < 135),
    "char_transformer": ((), lambda loss: loss < 2.1),
    "resnet_images": ((), lambda accuracy: accuracy > 0.8),
}


@pytest.fixture
def program(monkeypatch):
    """`program(name, library)`: the names of a program, its imports being of that library."""
    monkeypatch.syspath_prepend(str(FOLDER))
    swap = importlib.import_module("with_torch").as_torch

    def run(name, library="chainrule"):
        source = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
        names = {"__name__": name}
        exec(compile(swap(source) if library == "torch" else source, name, "exec"), names)
        return names

    yield run
    for module in ("with_torch", "real_data"):
        sys.modules.pop(module, None)


@pytest.mark.parametrize("name", SHORT)
def test_it_trains(name, program, tmp_path):
    if name == "resnet_images":
        pytest.importorskip("sklearn")
    arguments, good = (WHOLE if LONG else SHORT)[name]
    if name == "mnist_cnn":
        arguments = ([*arguments[0], "--save", str(tmp_path / "weights")],)
    result = program(name)["main"](*arguments)
    assert good(result), result


#: The class of the network, its arguments, and the input.
NETWORKS = {
    "mnist_cnn": ("Net", (), (4, 1, 28, 28)),
    "lstm_sine": ("Sequence", (), (3, 12)),
    "vae": ("VAE", (), (5, 784)),
    "char_transformer": ("CharTransformer", (30,), None),
    "resnet_images": ("ResNet", (), (4, 3, 28, 28)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_text_computes_the_same_on_pytorch(name, program, torch):
    kind, arguments, shape = NETWORKS[name]
    rng = np.random.default_rng(0)
    values = rng.integers(0, 30, (2, 20)) if shape is None else rng.random(shape)
    outputs, gradients = [], []
    state = None
    for library in (torch, chainrule):
        network = program(name, library.__name__)[kind](*arguments).double().eval()
        if state is None:
            state = {key: value.numpy() for key, value in network.state_dict().items()}
        else:
            network.load_state_dict({k: library.tensor(v.tolist()) for k, v in state.items()})
        x = library.tensor(
            values.tolist(), dtype=library.int64 if shape is None else library.double
        )
        y = network.encode(x) if name == "vae" else network(x)
        y = y[0] if isinstance(y, tuple) else y
        y.square().mean().backward()
        outputs.append(np.array(y.tolist()))
        gradients.append(
            {k: p.grad.tolist() for k, p in network.named_parameters() if p.grad is not None}
        )
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=1e-4, atol=1e-5)
    assert gradients[0].keys() == gradients[1].keys()
    for key, value in gradients[0].items():
        np.testing.assert_allclose(gradients[1][key], value, rtol=1e-3, atol=1e-6, err_msg=key)


def test_only_import_lines_are_swapped(program):
    swap = importlib.import_module("with_torch").as_torch
    for name in NETWORKS:
        before = (FOLDER / f"{name}.py").read_text(encoding="utf-8").splitlines()
        after = swap("\n".join(before)).splitlines()
        changed = [(a, b) for a, b in zip(before, after) if a != b]
        assert changed and all(
            a.startswith(("import chainrule", "from chainrule")) for a, _ in changed
        )
        assert "chainrule" not in " ".join(b for _, b in changed)
