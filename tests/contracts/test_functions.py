"""Public functions that are no single operation: PyTorch's value, gradient and second gradient."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ChainruleError
from chainrule.ops.functional import INTERNAL, PUBLIC
from chainrule.ops.functions import FUNCTIONS
from chainrule.ops.op import REGISTRY
from chainrule.testing import check_op

# Calls in x (2, 3, 4), y (2, 4, 3), v (4), p in (0, 1), all float64 with gradients; `m` is the
# library, `f` its functional module.
CALLS = {
    "add": "m.add(x, 2 * x, alpha=3)",
    "sub": "m.sub(x, v, alpha=0.5)",
    "subtract": "m.subtract(x, v)",
    "div": "m.div(x, v + 5)",
    "divide": "m.divide(x.detach(), v.detach() + 5, rounding_mode='floor')",
    "true_divide": "m.true_divide(x, v + 5)",
    "addmm": "m.addmm(x[0][:, :3], x[0], y[0], beta=0.5, alpha=2.0)",
    "bmm": "m.bmm(x, y)",
    "mm": "m.mm(x[0], y[1])",
    "mv": "m.mv(x[0], v)",
    "dot": "m.dot(v, x[0, 1])",
    "outer": "m.outer(v, x[0, 0])",
    "einsum": "m.einsum('bij,bjk->ik', x, y)",
    "broadcast_tensors": "m.broadcast_tensors(x, v)[1]",
    "chunk": "m.chunk(x, 3, 2)[1]",
    "split": "m.split(x, [1, 3], 2)[1]",
    "unbind": "m.unbind(x, 1)[2]",
    "narrow": "m.narrow(x, 2, 1, 2)",
    "select": "m.select(x, 1, -1)",
    "contiguous": "x.mT.contiguous()",
    "expand_as": "v.expand_as(x)",
    "reshape_as": "x.reshape_as(y)",
    "view": "x.view(4, 6)",
    "view_as": "x.view_as(m.zeros(6, 4))",
    "ravel": "m.ravel(x)",
    "movedim": "m.movedim(x, (0, 1), (2, 0))",
    "repeat": "x.repeat(2, 1, 1, 2)",
    "tile": "m.tile(x, (2, 1))",
    "roll": "m.roll(x, (1, 2), (0, 2))",
    "tril": "m.tril(x, -1)",
    "triu": "m.triu(x, 1)",
    "max": "m.max(x, 1).values",
    "min": "m.min(x, 2, keepdim=True).values",
    "sort": "m.sort(x, 1, descending=True).values",
    "topk": "m.topk(x, 2, 1, largest=False).values",
    "var": "m.var(x, (0, 2))",
    "std": "m.std(x, 1, correction=0, keepdim=True)",
    "norm": "m.norm(x, dim=1) + m.norm(x, 3, dim=1) + m.norm(x, 1, 1) + m.norm(x, float('inf'), 1)",
    "gather": "m.gather(x, 2, i)",
    "scatter": "m.scatter(x, 2, i, 2 * x[:, :2, :2])",
    "scatter_add": "m.scatter_add(x, 1, i, x[:, :2, :2])",
    "index_select": "m.index_select(x, 1, i[0, 0])",
    "embedding": "m.nn.functional.embedding(i, x[0], padding_idx=1)",
    "take_along_dim": "m.take_along_dim(x, i[:, :1, :], 2)",
    "masked_fill": "m.masked_fill(x, x > 0, -2.0)",
    "masked_select": "m.masked_select(x, x > 0)",
    "where": "m.where(x > 0, x, v)",
    "isclose": "m.isclose(x, x + 1e-9)",
    "nonzero": "m.nonzero(x > 0)",
    "allclose": "m.allclose(x, x + 1e-9)",
    "equal": "m.equal(x, x)",
    "softmax": "f.softmax(x, -1)",
    "log_softmax": "f.log_softmax(x, 1)",
    "softmin": "f.softmin(x, 2)",
    "relu": "f.relu(x)",
    "relu6": "f.relu6(4 * x)",
    "leaky_relu": "f.leaky_relu(x, 0.2)",
    "elu": "f.elu(x, 0.7)",
    "selu": "f.selu(x)",
    "celu": "f.celu(x, 0.7)",
    "silu": "f.silu(x)",
    "mish": "f.mish(x)",
    "threshold": "f.threshold(x, 0.1, -1.0)",
    "hardtanh": "f.hardtanh(x, -0.5, 0.7)",
    "hardswish": "f.hardswish(x)",
    "mse_loss": "f.mse_loss(x, 2 * x * v, reduction='none')",
    "l1_loss": "f.l1_loss(x, x * v)",
    "huber_loss": "f.huber_loss(x, x * v, reduction='sum', delta=0.5)",
    "binary_cross_entropy": "f.binary_cross_entropy(p, p * 0.5 + 0.2)",
    "binary_cross_entropy_with_logits": (
        "f.binary_cross_entropy_with_logits(x, p.detach(), pos_weight=m.ones(4) * 2)"
    ),
    "cross_entropy": "f.cross_entropy(y, i[:, 0, :1].expand(2, 3), label_smoothing=0.1)",
    "nll_loss": "f.nll_loss(f.log_softmax(x, 1), i[:, :1, :].reshape(2, 2)[:, :1].expand(2, 4))",
    "layer_norm": "f.layer_norm(x, (4,), v, v)",
    "rms_norm": "f.rms_norm(x, (4,), v)",
    "group_norm": "f.group_norm(y, 2, v, v)",
    "instance_norm": "f.instance_norm(x)",
    "batch_norm": "f.batch_norm(y, None, None, v, v, training=True)",
    "max_pool1d": "f.max_pool1d(x, 2)",
    "max_pool2d": "f.max_pool2d(x, 2)",
    "max_pool3d": "f.max_pool3d(x[None], 2)",
    "adaptive_max_pool1d": "f.adaptive_max_pool1d(x, 3)",
    "adaptive_max_pool2d": "f.adaptive_max_pool2d(x, 2)",
    "adaptive_max_pool3d": "f.adaptive_max_pool3d(x[None], 2)",
    "max_unpool1d": "f.max_unpool1d(*f.max_pool1d(x, 2, return_indices=True), 2)",
    "max_unpool2d": "f.max_unpool2d(*f.max_pool2d(x[:, :2], 2, return_indices=True), 2)",
    "max_unpool3d": "f.max_unpool3d(*f.max_pool3d(x[None][:, :, :2], 2, return_indices=True), 2)",
    "rnn_tanh_cell": "m.rnn_tanh_cell(x[0], y[0][:3], y[1].T, y[1][:3, :3], v[:3], v[1:])",
    "rnn_relu_cell": "m.rnn_relu_cell(x[0], y[0][:3], y[1].T, y[1][:3, :3])",
    "lstm_cell": "m.cat(m.lstm_cell(x[0], (y[0][:3, :1], y[1][:3, 1:2]), y[0].T.repeat(2, 1)[:4], "
    "y[1][:, :1], v, v))",
    "gru_cell": "m.gru_cell(x[0], y[0][:3, :1], x[1], y[0][:3, :1], v[:3], v[1:])",
}  # fmt: skip
# Ours alone, or straight lines to an operation that has its own contract.
OTHERS = {"focal_loss", "hardmax", "softmax_cross_entropy", "hardsigmoid"}


def space(m, f):
    rng = np.random.default_rng(4)
    arrays = {"x": rng.normal(size=(2, 3, 4)), "y": rng.normal(size=(2, 4, 3)),
              "v": rng.normal(size=4), "p": rng.uniform(0.1, 0.9, (2, 3, 4))}  # fmt: skip
    names = {k: m.tensor(a, requires_grad=True) for k, a in arrays.items()}
    i = m.tensor([[[0, 1], [2, 0]], [[1, 1], [0, 2]]])
    return names | {"m": m, "f": f, "i": i}


@pytest.mark.parametrize("name", CALLS)
def test_value_and_two_gradients_are_pytorchs(name, agree):
    def program(m):
        f = m.nn.functional
        names = space(m, f)
        result = eval(CALLS[name], names)
        if not hasattr(result, "requires_grad") or not result.requires_grad:
            return result
        weights = (m.arange(result.numel()).reshape(result.shape) + 1).to(m.float64)
        leaves = [names[k] for k in "xyvp"]
        first = m.autograd.grad(
            (result * weights).sum(), leaves, create_graph=True, allow_unused=True
        )
        penalty = sum((g * g * 0.5).sum() for g in first if g is not None)
        second = [None] * len(leaves)
        if penalty.requires_grad:
            second = m.autograd.grad(penalty, leaves, allow_unused=True)
        # Either may give None where the second derivative is 0.
        zeros = [m.zeros_like(x) for x in leaves]
        seconds = [z if g is None else g for g, z in zip(second, zeros, strict=True)]
        return [result, *first, *seconds]

    agree(program, rtol=1e-6 if name != "instance_norm" else 1e-5)


def test_every_public_function_is_called_somewhere():
    assert set(FUNCTIONS) - set(CALLS) - OTHERS == set()


def test_public_names_lead_to_the_operations_of_the_registry():
    for name, op in REGISTRY.items():
        assert name in PUBLIC or name in INTERNAL, name
        if op.method and name not in INTERNAL:
            for public in (name, *op.aliases, *op.dunder):
                assert callable(getattr(cr.Tensor, public)), public
            if op.inplace:
                assert callable(getattr(cr.Tensor, f"{name}_")), f"{name}_"


@pytest.mark.parametrize("name", sorted(n for n in REGISTRY if n not in INTERNAL))
def test_the_public_function_answers_nonsense_with_an_error_of_ours(name):
    function = PUBLIC[name]
    for args in ((), (None,), ("text",), (object(),), (cr.ones(2, 3), "text")):
        try:
            result = function(*args)
        except (ChainruleError, TypeError):
            continue
        assert isinstance(result, cr.Tensor | tuple), f"{name}{args} gives {result!r}"


def test_a_custom_operation_is_checked_like_our_own():
    from chainrule.ops.namespace import Namespace
    from chainrule.ops.op import Card, Elementwise, op

    class Bent(Elementwise):
        """A softened |x|."""

        math = "sqrt(x ^ 2 + 1) - 1"
        saves = ("x",)
        dtypes = "float"
        card = Card(en="A parabola that becomes a line.", zh="由抛物线过渡到直线。")

        def forward(F, x):
            return F.sqrt(x * x + 1) - 1

        def vjp(F, g, y, x):
            return (g * x * F.rsqrt(x * x + 1),)

    try:
        counts = check_op(op(Bent))
    finally:
        REGISTRY.pop("bent", None)
        Namespace.composites.pop("bent", None)
        del cr.Tensor.bent, cr.Tensor.bent_
    assert counts["gradient2"] and counts["formula"] and counts["chain rule"] and counts["in place"]
