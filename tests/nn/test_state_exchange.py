"""Weights move by safetensors from PyTorch to chainrule and back, for every layer that has some:
the same names in the same order, and outputs equal to 1e-5 in both directions."""

import numpy as np
import pytest

import chainrule as cr

torch = pytest.importorskip("torch")
files = pytest.importorskip("safetensors.torch")

# A layer, and the shapes of its inputs ("class", "rows": integers).
LAYERS = {
    "m.Linear(3, 4)": [(2, 3)],
    "m.Bilinear(3, 4, 2)": [(2, 3), (2, 4)],
    "m.Embedding(5, 3)": ["rows"],
    "m.EmbeddingBag(5, 3)": ["rows"],
    "m.Conv1d(2, 4, 3, padding=1, padding_mode='reflect')": [(2, 2, 7)],
    "m.Conv2d(4, 6, 3, stride=2, groups=2)": [(2, 4, 7, 7)],
    "m.Conv3d(2, 3, 2)": [(1, 2, 4, 4, 4)],
    "m.ConvTranspose1d(2, 3, 3, stride=2)": [(1, 2, 5)],
    "m.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1, groups=2)": [(1, 4, 5, 5)],
    "m.ConvTranspose3d(2, 3, 2)": [(1, 2, 3, 3, 3)],
    "m.BatchNorm1d(3)": [(4, 3)],
    "m.BatchNorm2d(3)": [(2, 3, 4, 4)],
    "m.BatchNorm3d(3)": [(2, 3, 2, 2, 2)],
    "m.LayerNorm((3, 4))": [(2, 3, 4)],
    "m.LayerNorm(4, bias=False)": [(2, 4)],
    "m.GroupNorm(2, 4)": [(2, 4, 3)],
    "m.InstanceNorm1d(3, affine=True)": [(2, 3, 4)],
    "m.InstanceNorm2d(3, affine=True, track_running_stats=True)": [(2, 3, 4, 4)],
    "m.InstanceNorm3d(3, affine=True)": [(2, 3, 2, 2, 2)],
    "m.RMSNorm(4)": [(2, 4)],
    "m.PReLU(3)": [(2, 3, 4)],
    "m.RNN(3, 4, 2, bidirectional=True, nonlinearity='relu')": [(5, 2, 3)],
    "m.LSTM(3, 4, 2, bidirectional=True, proj_size=2, batch_first=True)": [(2, 5, 3)],
    "m.GRU(3, 4, 2, bias=False)": [(5, 2, 3)],
    "m.RNNCell(3, 4)": [(2, 3)],
    "m.LSTMCell(3, 4)": [(2, 3)],
    "m.GRUCell(3, 4)": [(2, 3)],
    "m.MultiheadAttention(4, 2, batch_first=True)": [(2, 5, 4)] * 3,
    "m.MultiheadAttention(4, 2, kdim=3, vdim=2, add_bias_kv=True)": [(5, 2, 4), (6, 2, 3),
                                                                     (6, 2, 2)],
    "m.TransformerEncoderLayer(4, 2, 8, batch_first=True, norm_first=True, activation='gelu')": [
        (2, 5, 4)
    ],
    "m.TransformerEncoder(m.TransformerEncoderLayer(4, 2, 8), 2, m.LayerNorm(4))": [(5, 2, 4)],
    "m.TransformerDecoderLayer(4, 2, 8)": [(5, 2, 4), (3, 2, 4)],
    "m.TransformerDecoder(m.TransformerDecoderLayer(4, 2, 8), 2)": [(5, 2, 4), (3, 2, 4)],
    "m.Transformer(4, 2, 1, 1, 8)": [(5, 2, 4), (3, 2, 4)],
    "m.AdaptiveLogSoftmaxWithLoss(4, 10, [3, 6])": [(3, 4), "class"],
    "m.CrossEntropyLoss(weight=w)": [(3, 3), "class"],
    "m.NLLLoss(weight=w)": [(3, 3), "class"],
    "m.MultiMarginLoss(weight=w)": [(3, 3), "class"],
    "m.BCELoss(weight=w)": [(3, 3), (3, 3)],
    "m.MultiLabelSoftMarginLoss(weight=w)": [(3, 3), (3, 3)],
    "m.BCEWithLogitsLoss(weight=w, pos_weight=2 * w)": [(3, 3), (3, 3)],
    "m.Sequential(m.Conv2d(1, 2, 3), m.BatchNorm2d(2), m.ReLU(), m.Flatten(), m.Linear(72, 3))": [
        (2, 1, 8, 8)
    ],
}  # fmt: skip


def inputs(shapes, seed):
    rng = np.random.default_rng(seed)
    named = {"class": np.array([0, 1, 2]), "rows": np.array([[1, 2], [3, 0]])}
    return [
        named[s] if isinstance(s, str) else rng.uniform(0.1, 1, s).astype(np.float32)
        for s in shapes
    ]


def outputs(lib, layer, arrays):
    """The arrays of a nested result."""

    def flat(y):
        if isinstance(y, tuple | list):
            return [a for v in y for a in flat(v)]
        return [] if y is None else [np.asarray(y.detach().numpy())]

    return flat(layer.eval()(*map(lib.tensor, arrays)))


@pytest.mark.filterwarnings("ignore")  # PyTorch's hints on speed
@pytest.mark.parametrize("code", LAYERS)
def test_weights_move_both_ways(code, tmp_path):
    ours, theirs = (
        eval(code, {"m": lib.nn, "w": lib.tensor([0.5, 1.0, 2.0])}) for lib in (cr, torch)
    )
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for name, x in theirs.state_dict().items():
            if x.is_floating_point():
                low = 0.5 if "var" in name else -0.7
                x.copy_(torch.from_numpy(rng.uniform(low, 1.0, x.shape)))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    files.save_file({k: v.contiguous() for k, v in theirs.state_dict().items()}, tmp_path / "a")
    ours.load_state_dict(cr.load_file(tmp_path / "a"))
    for seed in (0, 1):
        arrays = inputs(LAYERS[code], seed)
        mine, its = outputs(cr, ours, arrays), outputs(torch, theirs, arrays)
        for a, b in zip(mine, its, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
        # And back, other numbers.
        with cr.no_grad():
            for p in ours.parameters():
                p.copy_(0.5 * p + 0.1)
        cr.save_file(ours.state_dict(), tmp_path / "b")
        theirs.load_state_dict(files.load_file(tmp_path / "b"))


def test_every_layer_with_weights_is_here():
    bases = {"Module", "RNNBase", "RNNCellBase", "Parameter", "Buffer"}
    bases |= {"FractionalMaxPool2d", "FractionalMaxPool3d"}  # a buffer only for tests of theirs
    written, missing = " ".join(LAYERS), []
    for name, kind in vars(torch.nn).items():
        ours = getattr(cr.nn, name, None)
        if not isinstance(kind, type) or ours is None or name in bases or "Lazy" in name:
            continue
        source = kind.__init__.__code__.co_names if hasattr(kind.__init__, "__code__") else ()
        if ("Parameter" in source or "register_buffer" in source) and f"m.{name}(" not in written:
            missing.append(name)
    assert missing == []
