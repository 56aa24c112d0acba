"""The dtype that each operation and function gives in mixed precision: PyTorch's on the CPU.

Every operation of the registry that PyTorch has is asked with float32, bfloat16 and mixed operands,
and a table of functions and layers with float32 and bfloat16. What differs must be a difference
that docs/compiled.md tells of.
"""

import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph.tensor import Tensor
from chainrule.ops.op import REGISTRY
from chainrule.testing.gradients import as_tuple, invoke
from chainrule.testing.sampling import samples_of
from chainrule.testing.torch_oracle import _to_torch, torch_function

torch = pytest.importorskip("torch")
FLOAT, SHORT = "float32", "bfloat16"
# Copies of values: they keep their dtype, PyTorch's CPU has no bfloat16 kernels for them.
COPIES = {"pad"}
# Recurrent layers count as products, as PyTorch's LSTM does; coordinates are not rounded.
OTHERS = {("gru", FLOAT, SHORT), ("lstm", FLOAT, SHORT), ("affine_grid", SHORT, FLOAT)}


def asked(name):
    op = REGISTRY[name]
    return torch_function(op) is not None and any(s.differentiable(op) for s in samples_of(op))


def names(values):
    return [str(v.dtype).split(".")[-1] for v in values]


def dtypes_of(op, sample, kinds):
    """PyTorch's dtypes (None where it refuses) and ours."""
    places = sample.differentiable(op)
    theirs, ours = [], []
    for i, x in enumerate(sample.inputs):
        a = None if x is None else torch.from_numpy(np.array(x))
        b = None if x is None else Tensor(np.array(x))
        if i in places:
            kind = kinds[min(places.index(i), 1)]
            a, b = a.to(getattr(torch, kind)), b.to(getattr(cr, kind))
        theirs.append(a)
        ours.append(b)
    params = {k: _to_torch(v) for k, v in sample.params.items()}
    try:
        with warnings.catch_warnings(), torch.autocast("cpu", torch.bfloat16):
            warnings.simplefilter("ignore")
            wanted = names(as_tuple(torch_function(op)(*theirs, **params)))
    except (RuntimeError, ValueError, IndexError, TypeError):
        return None, None
    with cr.autocast("bfloat16"):
        return wanted, names(as_tuple(invoke(op, ours, sample.params)))


@pytest.mark.parametrize("name", [name for name in REGISTRY if asked(name)])
def test_operations_give_pytorchs_dtype(name):
    op = REGISTRY[name]
    for sample in [s for s in samples_of(op) if s.differentiable(op)][:4]:
        for kinds in ((FLOAT, FLOAT), (SHORT, SHORT), (FLOAT, SHORT), (SHORT, FLOAT)):
            wanted, found = dtypes_of(op, sample, kinds)
            for want, got in zip(wanted or [], found or [], strict=False):
                # What PyTorch's GPU list, or ours by analogy, computes in float32 stays so.
                wider = op.autocast == "float32" and (want, got) == (SHORT, FLOAT)
                copied = name in COPIES and (want, got) == (FLOAT, SHORT)
                told = (name, want, got) in OTHERS
                assert want == got or wider or copied or told, (kinds, sample.describe(op))


# ---- functions and layers --------------------------------------------------------------------

rng = np.random.default_rng(0)


def draw(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def between(*shape):
    return rng.uniform(0.1, 0.9, shape).astype(np.float32)


def definite(n):
    a = draw(n, n)
    return a @ a.T + n * np.eye(n, dtype=np.float32)


TWO = (draw(3, 4), draw(3, 4))
CUBE, SQUARE, LINE = draw(1, 2, 5, 5, 5), draw(1, 2, 5, 5), draw(1, 2, 5)
SIGNS = "torch.tensor([1, -1, 1])"
CALLS = {
    "F.linear(x, y)": (draw(3, 4), draw(5, 4)),
    "F.linear(x, y, z)": (draw(3, 4), draw(5, 4), draw(5)),
    "F.bilinear(x, y, z)": (draw(3, 4), draw(3, 5), draw(2, 4, 5)),
    "F.scaled_dot_product_attention(x, y, z)": (draw(1, 2, 3, 4),) * 3,
    "torch.matmul(x, y)": (draw(3, 4), draw(4, 2)),
    "torch.mm(x, y)": (draw(3, 4), draw(4, 2)),
    "torch.bmm(x, y)": (draw(1, 3, 4), draw(1, 4, 2)),
    "torch.mv(x, y)": (draw(3, 4), draw(4)),
    "torch.dot(x, y)": (draw(4), draw(4)),
    "torch.vdot(x, y)": (draw(4), draw(4)),
    "torch.inner(x, y)": (draw(3, 4), draw(2, 4)),
    "torch.outer(x, y)": (draw(3), draw(4)),
    "torch.addmm(z, x, y)": (draw(3, 4), draw(4, 2), draw(3, 2)),
    "torch.addmv(z, x, y)": (draw(3, 4), draw(4), draw(3)),
    "torch.addr(z, x, y)": (draw(3), draw(2), draw(3, 2)),
    "torch.baddbmm(z, x, y)": (draw(1, 3, 4), draw(1, 4, 2), draw(1, 3, 2)),
    "torch.addbmm(z, x, y)": (draw(1, 3, 4), draw(1, 4, 2), draw(3, 2)),
    "torch.linalg.multi_dot([x, y, z])": (draw(3, 4), draw(4, 2), draw(2, 3)),
    "torch.linalg.vecdot(x, y)": TWO,
    "torch.tensordot(x, y, dims=1)": (draw(3, 4), draw(4, 2)),
    "torch.einsum('ij,jk->ik', x, y)": (draw(3, 4), draw(4, 2)),
    "torch.einsum('ij,ij->ij', x, y)": TWO,
    "torch.einsum('ij->j', x)": (draw(3, 4),),
    "torch.kron(x, y)": (draw(3, 4), draw(4, 2)),
    "torch.cross(x, y, dim=1)": (draw(2, 3), draw(2, 3)),
    "F.conv1d(x, y)": (LINE, draw(3, 2, 3)),
    "F.conv2d(x, y)": (SQUARE, draw(3, 2, 3, 3)),
    "F.conv3d(x, y)": (CUBE, draw(3, 2, 3, 3, 3)),
    "F.conv_transpose1d(x, y)": (LINE, draw(2, 3, 3)),
    "F.conv_transpose2d(x, y)": (SQUARE, draw(2, 3, 3, 3)),
    "F.conv_transpose3d(x, y)": (CUBE, draw(2, 3, 3, 3, 3)),
    "F.prelu(x, y)": (draw(3, 4), draw(1)),
    "F.avg_pool2d(x, 2)": (SQUARE,),
    "F.avg_pool3d(x, 2)": (CUBE,),
    "F.adaptive_avg_pool2d(x, 2)": (SQUARE,),
    "F.adaptive_avg_pool3d(x, 2)": (CUBE,),
    "F.max_pool2d(x, 2)": (SQUARE,),
    "F.pad(x, (1, 1))": (LINE,),
    "F.pad(x, (1, 1), mode='circular')": (LINE,),
    "F.grid_sample(x, y)": (SQUARE, draw(1, 3, 3, 2)),
    "F.interpolate(x, scale_factor=2, mode='bilinear')": (SQUARE,),
    "F.binary_cross_entropy(x, y)": (between(3, 4), between(3, 4)),
    "F.binary_cross_entropy_with_logits(x, y)": (draw(3, 4), between(3, 4)),
    "F.mse_loss(x, y)": TWO,
    "F.l1_loss(x, y)": TWO,
    "F.smooth_l1_loss(x, y)": TWO,
    "F.huber_loss(x, y)": TWO,
    "F.kl_div(x, y)": (draw(3, 4), between(3, 4)),
    "F.cross_entropy(x, i)": (draw(3, 4),),
    "F.cross_entropy(x, i, label_smoothing=0.1)": (draw(3, 4),),
    "F.cross_entropy(x, y)": (draw(3, 4), between(3, 4)),
    "F.nll_loss(x, i)": (draw(3, 4),),
    "F.ctc_loss(x, torch.ones(2, 2, dtype=torch.int64), (5, 5), (2, 2))": (draw(5, 2, 4),),
    "F.poisson_nll_loss(x, y)": (draw(3, 4), between(3, 4)),
    f"F.cosine_embedding_loss(x, y, {SIGNS})": TWO,
    f"F.hinge_embedding_loss(x, {SIGNS})": (draw(3),),
    f"F.margin_ranking_loss(x, y, {SIGNS})": (draw(3), draw(3)),
    "F.multi_margin_loss(x, i)": (draw(3, 4),),
    "F.multilabel_margin_loss(x, torch.tensor([[3, 0, -1, 1]] * 3))": (draw(3, 4),),
    "F.multilabel_soft_margin_loss(x, torch.ones(3, 4))": (draw(3, 4),),
    "F.soft_margin_loss(x, torch.ones(3, 4))": (draw(3, 4),),
    "F.triplet_margin_loss(x, y, z)": (*TWO, draw(3, 4)),
    "F.layer_norm(x, (4,))": (draw(3, 4),),
    "F.group_norm(x, 2)": (draw(3, 4, 2),),
    "F.batch_norm(x, None, None, training=True)": (draw(3, 4, 2),),
    "F.instance_norm(x)": (draw(3, 4, 2),),
    "F.rms_norm(x, (4,))": (draw(3, 4),),
    "F.gelu(x)": (draw(3, 4),),
    "F.embedding(i, x)": (draw(3, 4),),
    "F.embedding_bag(i, x, torch.tensor([0, 1]))": (draw(3, 4),),
    "torch.cdist(x, y)": (draw(3, 4), draw(2, 4)),
    "torch.prod(x)": (draw(3, 4),),
    "torch.quantile(x, 0.5)": (draw(3, 4),),
    "torch.nanquantile(x, 0.5)": (draw(3, 4),),
    "torch.median(x)": (draw(3, 4),),
    "torch.trace(x)": (draw(4, 4),),
    "torch.cat([x, y])": TWO,
    "torch.stack([x, y])": TWO,
    "torch.hstack([x, y])": TWO,
    "torch.index_copy(x, 0, torch.tensor([0, 1]), y)": (draw(4, 4), draw(2, 4)),
    "torch.addcmul(x, y, z)": (*TWO, draw(3, 4)),
    "torch.where(x > 0, x, y)": TWO,
    "x + y": TWO,
    "x * y": TWO,
    "torch.sqrt(x)": (between(3, 4),),
    "torch.sigmoid(x)": (draw(3, 4),),
    "torch.linalg.inv(x)": (definite(4),),
    "torch.pinverse(x)": (definite(4),),
    "torch.linalg.cholesky(x)": (definite(4),),
    "torch.linalg.qr(x)": (definite(4),),
    "torch.linalg.svd(x)": (definite(4),),
    "torch.linalg.eigh(x)": (definite(4),),
    "torch.linalg.solve(x, y)": (definite(4), draw(4, 2)),
    "torch.linalg.lstsq(x, y)[0]": (definite(4), draw(4, 2)),
    "torch.nn.Linear(4, 2)(x)": (draw(3, 4),),
    "torch.nn.LSTM(4, 2)(x)[0]": (draw(3, 1, 4),),
    "torch.nn.RNN(4, 2)(x)": (draw(3, 1, 4),),
    "torch.nn.RNNCell(4, 2)(x)": (draw(1, 4),),
    "torch.nn.MultiheadAttention(4, 2)(x, x, x)[0]": (draw(3, 1, 4),),
    "torch.nn.TransformerEncoderLayer(4, 2, 8)(x)": (draw(3, 1, 4),),
    "torch.nn.BatchNorm1d(4)(x)": (draw(3, 4),),
    "torch.nn.LayerNorm(4)(x)": (draw(3, 4),),
    "torch.nn.PReLU()(x)": (draw(3, 4),),
}
# What is given, PyTorch's dtype, and ours.
DIFFERENT = {
    # computed in float32, as on PyTorch's GPUs (or by analogy)
    "torch.sum(x)": (SHORT, SHORT, FLOAT), "torch.mean(x)": (SHORT, SHORT, FLOAT),
    "torch.norm(x)": (SHORT, SHORT, FLOAT), "torch.cumsum(x, 0)": (SHORT, SHORT, FLOAT),
    "torch.exp(x)": (SHORT, SHORT, FLOAT), "x**2": (SHORT, SHORT, FLOAT),
    "F.softmax(x, -1)": (SHORT, SHORT, FLOAT), "F.softplus(x)": (SHORT, SHORT, FLOAT),
    "F.normalize(x)": (SHORT, SHORT, FLOAT),
    # copies
    "F.pad(x, (1, 1), mode='replicate')": (SHORT, FLOAT, SHORT),
    # products
    "torch.nn.GRU(4, 2)(x)[0]": (FLOAT, FLOAT, SHORT),
    "torch.nn.GRUCell(4, 2)(x)": (FLOAT, FLOAT, SHORT),
    "torch.nn.LSTMCell(4, 2)(x)[0]": (FLOAT, FLOAT, SHORT),
}  # fmt: skip


def flat(y):
    if isinstance(y, tuple | list):
        return [name for v in y for name in flat(v)]
    return names([y])


def run(lib, call, arrays, kind):
    region = torch.autocast("cpu", torch.bfloat16) if lib is torch else cr.autocast("bfloat16")
    known = {"torch": lib, "F": lib.nn.functional, "i": lib.tensor([0, 2, 1])}
    known |= {n: lib.tensor(a).to(getattr(lib, kind)) for n, a in zip("xyz", arrays, strict=False)}
    with warnings.catch_warnings(), region:
        warnings.simplefilter("ignore")
        return flat(eval(call, known))


@pytest.mark.parametrize("kind", [FLOAT, SHORT])
@pytest.mark.parametrize("call", CALLS)
def test_functions_and_layers_give_pytorchs_dtype(call, kind):
    if "LSTM(" in call and kind == FLOAT and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("PyTorch has no bfloat16 LSTM for this processor")
    assert run(cr, call, CALLS[call], kind) == run(torch, call, CALLS[call], kind)


@pytest.mark.parametrize("call", DIFFERENT)
def test_deliberate_differences(call):
    kind, theirs, ours = DIFFERENT[call]
    x = draw(3, 4)
    assert set(run(torch, call, [x], kind)) == {theirs}
    assert set(run(cr, call, [x], kind)) == {ours}


@pytest.mark.parametrize("call", ["torch.addmm(z, x, y)", "torch.einsum('ij->j', x)",
                                  "F.prelu(x, y)", "torch.trace(x)"])  # fmt: skip
def test_compiled_functions_follow_the_same_policy(call):
    arrays = [cr.tensor(a) for a in CALLS[call]]
    code = compile(call, "call", "eval")

    def function(*tensors):
        known = {"torch": cr, "F": cr.nn.functional} | dict(zip("xyz", tensors, strict=False))
        return eval(code, known)

    with cr.autocast("bfloat16"):
        glass, compiled = function(*arrays), cr.compile(function)(*arrays)
    assert glass.dtype is compiled.dtype
    np.testing.assert_allclose(glass.float().numpy(), compiled.float().numpy(), rtol=1e-2)
