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
    "multi_margin_loss": "f.multi_margin_loss(y[0].detach(), i[0, 0, :1].expand(4), p=2)",
    "multilabel_margin_loss": "f.multilabel_margin_loss(y[0].detach(), i[0, 0, :1].expand(4, 3))",
    "cosine_embedding_loss": "f.cosine_embedding_loss(x[0], x[1], m.sign(x[0, :, 0]).detach())",
    "triplet_margin_loss": "f.triplet_margin_loss(x[0], x[1], x[0] * v, swap=True)",
    "triplet_margin_with_distance_loss": (
        "f.triplet_margin_with_distance_loss(x[0], x[1], x[1] * v)"
    ),
    "gaussian_nll_loss": "f.gaussian_nll_loss(x, x * v, p, full=True)",
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
    "max_pool1d_with_indices": "f.max_pool1d_with_indices(x, 2)[0]",
    "max_pool2d_with_indices": "f.max_pool2d_with_indices(x, 2)[0]",
    "max_pool3d_with_indices": "f.max_pool3d_with_indices(x[None], 2, stride=1)[0]",
    "adaptive_max_pool1d_with_indices": "f.adaptive_max_pool1d_with_indices(x, 3)[0]",
    "adaptive_max_pool2d_with_indices": "f.adaptive_max_pool2d_with_indices(x, 2)[0]",
    "adaptive_max_pool3d_with_indices": "f.adaptive_max_pool3d_with_indices(x[None], 2)[0]",
    "fractional_max_pool2d": "f.fractional_max_pool2d(x[None], 2, 2, _random_samples=p[:1, :2, :2]"
    ".detach())",
    "fractional_max_pool2d_with_indices": "f.fractional_max_pool2d_with_indices(y, 2, "
    "output_ratio=(0.7, 0.7), _random_samples=p[:1, :2, :2].detach())[0]",
    "fractional_max_pool3d": "f.fractional_max_pool3d(y[None].repeat(1, 1, 2, 1, 1), (1, 2, 1), "
    "(3, 2, 2), _random_samples=p[:1, :2, :3].detach())",
    "fractional_max_pool3d_with_indices": "f.fractional_max_pool3d_with_indices(y[None], 1, "
    "(2, 3, 2), _random_samples=p[:1, :2, 1:].detach()[..., :3])[0]",
    "conv_tbc": "f.conv_tbc(x, y.transpose(1, 2)[:, :2].mT, v[:2], 1)",
    "scaled_dot_product_attention": "f.scaled_dot_product_attention(x, 2 * x, y.mT, "
    "is_causal=True)",
    "multi_head_attention_forward": "m.cat(f.multi_head_attention_forward(x, y.mT, y.mT, 4, 2, "
    "x.reshape(6, 4).repeat(2, 1), None, v[None, None], v[None, None], True, 0.0, y[0], v)[0], 0)",
    "rnn_tanh_cell": "m.rnn_tanh_cell(x[0], y[0][:3], y[1].T, y[1][:3, :3], v[:3], v[1:])",
    "rnn_relu_cell": "m.rnn_relu_cell(x[0], y[0][:3], y[1].T, y[1][:3, :3])",
    "lstm_cell": "m.cat(m.lstm_cell(x[0], (y[0][:3, :1], y[1][:3, 1:2]), y[0].T.repeat(2, 1)[:4], "
    "y[1][:, :1], v, v))",
    "gru_cell": "m.gru_cell(x[0], y[0][:3, :1], x[1], y[0][:3, :1], v[:3], v[1:])",
}  # fmt: skip
# Elementwise functions, linear algebra, norms and distances.
CALLS |= {
    "clamp": "m.clamp(x * x, 0.1, 0.7) + m.clamp(x * v, min=v.detach(), max=v.detach() + 1)",
    "clip": "m.clip(x, max=0.3)",
    "nan_to_num": "m.nan_to_num(x / m.where(x > 0.5, 0.0, 1.0), 1.0, 2.0, -3.0)",
    "rsub": "m.rsub(x, v, alpha=2)",
    "float_power": "m.float_power(x.abs() + 0.5, v)",
    "positive": "m.positive(x)",
    "fill": "m.fill(x, v[0])",
    "polygamma": "m.polygamma(1, p) + p.polygamma(0)",
    "gcd": "m.gcd(i * 6, i + 4)",
    "lcm": "m.lcm(i * 6, i + 4)",
    "isreal": "m.isreal(x)",
    "isin": "m.isin(i, i[0, 1], invert=True)",
    "meshgrid": "m.meshgrid(v, x[0, 0], y[0, 0], indexing='xy')[1]",
    "cartesian_prod": "m.cartesian_prod(v, x[0, 0])",
    "combinations": "m.combinations(v, 3)",
    "vander": "m.vander(v.detach(), 3) + m.vander(v.detach(), 3, increasing=True)",
    "block_diag": "m.block_diag(x[0], y[1], v)",
    "tril_indices": "m.tril_indices(4, 3, 1)",
    "triu_indices": "m.triu_indices(3, 5, -1)",
    "norm": "m.norm(x, dim=1) + m.norm(x, 3, dim=1) + m.norm(x, 1, 1) + m.norm(x, float('inf'), 1)"
    " + m.norm(x, 'nuc', dim=(0, 1)) + m.norm(x, 0.5, 1) + m.norm(x, -float('inf'), 1)",
    "normalize": "f.normalize(x) + f.normalize(x, p=1, dim=-1)",
    "renorm": "m.renorm(x, 2, 1, 1.5)",
    "ger": "m.ger(v, x[0, 1])",
    "vdot": "m.vdot(v, x[0, 1])",
    "inner": "m.inner(x, x[0])",
    "cross": "m.cross(x, x * x) + m.cross(x, v.expand(2, 3, 4), dim=1)",
    "addmv": "m.addmv(v[:3], x[0], v, beta=0.5, alpha=2)",
    "addr": "m.addr(x[0], v[:3], v, beta=0.5, alpha=2)",
    "addbmm": "m.addbmm(x[0, :, :3], x, y, beta=0.5, alpha=2)",
    "baddbmm": "m.baddbmm(v[:3], x, y, beta=0.5, alpha=2)",
    "tensordot": "m.tensordot(x, y, dims=([1, 0], [2, 0])) + m.tensordot(v, y[0], 1)[0]",
    "kron": "m.kron(x, y[0])",
    "chain_matmul": "m.chain_matmul(x[0], y[0], x[1], y[1], x[0])",
    "trace": "m.trace(x[0])",
    "bilinear": "f.bilinear(x[0], y[0].T, m.stack([x[0].T @ y[1].T, x[1].T @ y[0].T]), v[:2])",
    "dist": "m.dist(x, v) + m.dist(x, v, 1)",
    "cosine_similarity": "f.cosine_similarity(x, v, dim=-1) + f.cosine_similarity(x, x * x, 2)",
    "pairwise_distance": "f.pairwise_distance(x, v) + f.pairwise_distance(x, 2 * x, 1.5)",
    "cdist": "m.cdist(x, y.mT, compute_mode='use_mm_for_euclid_dist')",
    "inverse": "m.inverse(x[:, :, :3] + 3 * m.eye(3, dtype=m.float64))",
    "pinverse": "m.pinverse(x)",
    "slogdet": "m.slogdet(x[:, :, :3]).logabsdet",
    "logdet": "m.logdet(x @ x.mT)",
    "cholesky": "m.cholesky(x @ x.mT) + m.cholesky(x @ x.mT, upper=True)",
    "cholesky_solve": "m.cholesky_solve(y[:, :3], m.cholesky(x @ x.mT))",
    "cholesky_inverse": "m.cholesky_inverse(m.cholesky(x @ x.mT))",
    "round": "m.round(9 * x, decimals=1) + m.round(90 * x, decimals=-1) + x",
    "detach": "m.detach(x)",
    "mvlgamma": "m.mvlgamma(p + 2, 3)",
    "matrix_exp": "m.matrix_exp(x[:, :, :3] * 3)",
    "frexp": "m.frexp(x * 9)[0]",
    "nextafter": "m.nextafter(x.detach(), v.detach())",
    "real": "m.real(x)",
    "conj": "m.conj(x)",
    "resolve_conj": "m.resolve_conj(x)",
    "resolve_neg": "m.resolve_neg(x)",
    "svd": "m.svd(x).S",
    "qr": "m.qr(y).R.abs()",
    "matrix_power": "m.matrix_power(x[:, :, :3], 3) + m.matrix_power(x @ x.mT, -1)",
}
# Indexing, shaping, sorting and statistics.
CALLS |= {
    "scatter_reduce": "m.scatter_reduce(x, 1, i, x[:, :2, :2], 'amax') * m.scatter_reduce(x, 1, i, "
    "x[:, :2, :2], 'mean', include_self=False)",
    "index_add": "m.index_add(x, 1, i[0, 0], 2 * x[:, :2] * v, alpha=0.5)",
    "index_copy": "m.index_copy(x, 1, i[0, 0], 2 * x[:, :2] * v)",
    "index_fill": "m.index_fill(x, 1, i[0, 0], v[0])",
    "index_put": "m.index_put(x, (i[0, 0], i[0, 1]), v * v, accumulate=True)",
    "take": "m.take(x, i * 7)",
    "put": "x.put(i[0] * 7, y[0, :2, :2] * v[0], True)",
    "masked_scatter": "m.masked_scatter(x, x > 0, y * y)",
    "unravel_index": "m.unravel_index(i * 7, (2, 3, 4))[2]",
    "argwhere": "m.argwhere(x > 0)",
    "one_hot": "f.one_hot(i, 5)",
    "as_strided": "m.as_strided(x, (2, 3, 2), (7, 2, 1), 3)",
    "diag_embed": "m.diag_embed(x, 1, 0, 2)",
    "diag": "m.diag(v, -1)[:4, :3] * m.diag(x[0], 1).sum()",
    "diagflat": "m.diagflat(x[0], -2)",
    "select_scatter": "m.select_scatter(x, x[:, :, 0] * x[:, :, 3], 2, 1)",
    "slice_scatter": "m.slice_scatter(x, x[:, :2] * v, 1, 0, 3, 2)",
    "diagonal_scatter": "m.diagonal_scatter(x, x[:, 0, :3] * v[0], 1, 1, 2)",
    "atleast_1d": "m.atleast_1d(v[0])",
    "atleast_2d": "m.atleast_2d(v)",
    "atleast_3d": "m.atleast_3d(v, x[0])[1]",
    "hstack": "m.hstack([x, 2 * x])",
    "vstack": "m.vstack([v, x[0]])",
    "row_stack": "m.row_stack([v, x[0]])",
    "dstack": "m.dstack([v, x[0, 0]])",
    "column_stack": "m.column_stack([v, y[0]])",
    "tensor_split": "m.tensor_split(x, (1, 3), 2)[1]",
    "split_with_sizes": "m.split_with_sizes(x, [1, 3], 2)[1]",
    "hsplit": "m.hsplit(x, 3)[2]",
    "vsplit": "m.vsplit(x, 2)[1]",
    "dsplit": "m.dsplit(x, [1])[1]",
    "unsafe_chunk": "m.unsafe_chunk(x, 3, 2)[1]",
    "unsafe_split": "m.unsafe_split(x, 2, 2)[1]",
    "narrow_copy": "m.narrow_copy(x.detach(), 2, 1, 2)",
    "moveaxis": "m.moveaxis(x, 0, -1)",
    "adjoint": "m.adjoint(x)",
    "rot90": "m.rot90(x, 3, (0, 2))",
    "fliplr": "m.fliplr(x)",
    "flipud": "m.flipud(x)",
    "repeat_interleave": "m.repeat_interleave(x, i[0, 0] + i[0, 1], 0)",
    "msort": "m.msort(x)",
    "kthvalue": "m.kthvalue(x, 2, 1, keepdim=True).values",
    "median": "m.median(x, 1).values + m.median(x)",
    "nanmedian": "m.nanmedian(x, 1).values + m.nanmedian(x)",
    "mode": "m.mode(x.round(), 1).values + m.mode(x, 1).values",
    "searchsorted": "m.searchsorted(v.sort().values, x, right=True)",
    "bucketize": "m.bucketize(x, v.sort().values, out_int32=True)",
    "unique": "m.unique(i, return_inverse=True, return_counts=True)",
    "unique_consecutive": "m.unique_consecutive(i, return_inverse=True, return_counts=True)",
    "bincount": "m.bincount(i.reshape(-1), minlength=5)",
    "histc": "m.histc(x, 5, -1, 1)",
    "histogram": "m.histogram(x.detach(), 4, range=(-1.0, 1.0), density=True)",
    "cummax": "m.cummax(x, 1).values",
    "cummin": "m.cummin(x, 2).values",
    "quantile": "m.quantile(x, p[0, 0], 1)",
    "nanquantile": "m.nanquantile(x, 0.3, interpolation='midpoint')",
    "aminmax": "m.aminmax(x, dim=1).max - m.aminmax(x, dim=1).min",
    "var_mean": "m.stack(m.var_mean(x, 1))",
    "std_mean": "m.stack(m.std_mean(x, 1, correction=0, keepdim=True))",
    "cov": "m.cov(x[0], aweights=p[0, 0].detach())",
    "corrcoef": "m.corrcoef(x[0])",
    "diff": "m.diff(x, 2, 1, append=x[:, :1])",
    "trapezoid": "m.trapezoid(x, v)",
    "trapz": "m.trapz(x, dx=0.5, dim=1)",
    "cumulative_trapezoid": "m.cumulative_trapezoid(x, x * x, dim=1)",
    "gradient": "m.stack(m.gradient(x, spacing=0.5, dim=(1, 2), edge_order=2))",
}
# Ours alone, or straight lines to an operation that has its own contract.
OTHERS = {
    "index_reduce",  # PyTorch warns that it is new: tests/ops/test_scattering.py
    "pdist",  # PyTorch has no second gradient of it: tests/ops/test_distances.py
    "upsample",
    "upsample_nearest",
    "upsample_bilinear",
    "embedding_bag",  # PyTorch has no second gradient of it
    "focal_loss",
    "softmax_focal_loss",
    "contrastive_loss",
    "ctc_loss",
    "hardmax",
    "softmax_cross_entropy",
    "hardsigmoid",
}


def space(m, f):
    rng = np.random.default_rng(4)
    arrays = {"x": rng.normal(size=(2, 3, 4)), "y": rng.normal(size=(2, 4, 3)),
              "v": rng.normal(size=4), "p": rng.uniform(0.1, 0.9, (2, 3, 4))}  # fmt: skip
    names = {k: m.tensor(a, requires_grad=True) for k, a in arrays.items()}
    i = m.tensor([[[0, 1], [2, 0]], [[1, 1], [0, 2]]])
    return names | {"m": m, "f": f, "i": i}


@pytest.mark.filterwarnings("ignore:(Using )?torch[.]:UserWarning")  # what it calls deprecated
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
