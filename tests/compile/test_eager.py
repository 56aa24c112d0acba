"""Glass mode's kernels: the same results as the NumPy form, and only where they are wanted."""

import os
import subprocess
import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.compile import eager, kernel
from chainrule.ops.arrays import native

pytest.importorskip("llvmlite")
F = nn.functional
pytestmark = pytest.mark.skipif(native.SETTING == "0", reason="kernels are turned off")


@pytest.fixture
def kernels():
    """Kernels of this test alone, by signature."""
    own = eager.Kernels()
    native.offer(lambda: own)
    native.source()
    yield own
    native.offer(eager.source)


def made(kernels):
    return sum(k.__class__ is eager.Kernel for k in kernels._known.values())


def array(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


CASES = {
    "conv2d": (lambda x, w, b: F.conv2d(x, w, b, padding=1), (20, 3, 13, 13), (8, 3, 3, 3), (8,)),
    "strided groups": (
        lambda x, w: F.conv2d(x, w, stride=2, groups=2), (5, 8, 21, 21), (6, 4, 5, 5),
    ),
    "conv1d": (lambda x, w: F.conv1d(x, w, dilation=2), (33, 4, 100), (7, 4, 3)),
    "linear": (F.linear, (65, 300), (70, 300), (70,)),
    "stack of products": (lambda x, w: x @ w, (4, 60, 70), (4, 70, 50)),
    "sigmoid": (lambda x: x.sigmoid(), (300, 301)),
    "gelu": (lambda x: F.gelu(x), (300, 301)),
    "softmax": (lambda x: x.softmax(1), (300, 301)),
    "layer norm": (lambda x, w, b: F.layer_norm(x, (301,), w, b), (300, 301), (301,), (301,)),
    "batch norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
        (12, 5, 40, 41), (5,), (5,),
    ),
    "average pooling": (lambda x: F.avg_pool2d(x, 3, 2, 1), (9, 5, 41, 41)),
    "max pooling": (lambda x: F.max_pool2d(x, 2), (9, 5, 41, 41)),
    "sums": (lambda x: (x * x).sum(0).sqrt(), (300, 301)),
    "cross entropy": (
        lambda x: F.cross_entropy(x, cr.arange(400) % 130, reduction="none"), (400, 130),
    ),
    "transposed input": (lambda x: x.t().softmax(0).t().exp(), (300, 301)),
}  # fmt: skip


def run(name):
    """Outputs and gradients, three times; the loss differs from place to place."""
    function, *shapes = CASES[name]
    found = []
    for _ in range(3):
        inputs = [cr.tensor(array(*s, seed=i), requires_grad=True) for i, s in enumerate(shapes)]
        y = function(*inputs)
        (y * cr.tensor(array(*y.shape, seed=9))).sum().backward()
        found.append([y.detach().numpy(), *(x.grad.numpy() for x in inputs)])
    return found


@pytest.mark.parametrize("name", CASES)
def test_kernels_agree_with_numpy(name, kernels):
    with_kernels = run(name)
    assert made(kernels), "nothing was compiled"
    native.offer(lambda: None)
    expected = run(name)[0]
    for found in with_kernels:
        for a, b in zip(found, expected, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max())
    for a, b in zip(*with_kernels[1:], strict=True):
        assert np.array_equal(a, b)


N = 1 << 20
HARD = {
    "equal": lambda: np.full(N, 0.1),
    "alternating": lambda: np.tile([1e4, -1e4 + 0.1], N // 2),
    "growing": lambda: np.arange(N),
    "over many magnitudes": lambda: np.exp(np.linspace(-10, 10, N)),
    "far from zero": lambda: np.random.default_rng(0).normal(1000, 1, N),
    "one among small ones": lambda: np.append(1e8, np.full(N - 1, 0.1)),
}


@pytest.mark.parametrize("kind", HARD)
@pytest.mark.parametrize(
    ("shape", "dim"), [((N,), 0), ((4, N // 4), 1), ((N // 4, 4), 0), ((64, 16, 1024), (0, 2))]
)
def test_long_sums_are_as_exact_as_pairwise_ones(kind, shape, dim, kernels):
    x = HARD[kind]().astype(np.float32).reshape(shape)
    exact, terms = x.astype(np.float64), np.abs(x.astype(np.float64)).sum(dim)
    found = cr.tensor(x).sum(dim).numpy(), cr.tensor(x).mean(dim).numpy()
    assert (np.abs(found[0] - exact.sum(dim)) <= 1.2e-6 * terms).all()
    assert (np.abs(found[1] - exact.mean(dim)) <= 1.2e-6 * terms / (x.size / terms.size)).all()
    variance, expected = cr.tensor(x).var(dim).numpy(), exact.var(dim, ddof=1)
    np.testing.assert_allclose(variance, expected, rtol=5e-6, atol=1e-10)
    assert made(kernels) >= 2


@pytest.mark.skipif(native.SETTING == "all", reason="every call has a kernel")
def test_what_gains_nothing_has_no_kernel(kernels):
    x = cr.tensor(array(300, 301))
    x.gelu(), x.gelu()
    assert made(kernels) == 1
    (x.abs() + 1).abs(), x.t().reshape(301, 300)
    cr.tensor(array(10, 10)).gelu()
    assert made(kernels) == 1  # one pass over memory, or little


def test_doubles_have_kernels_and_halves_have_none(kernels):
    for dtype in ("float64", "float16"):
        x = cr.tensor(array(300, 301)).to(getattr(cr, dtype))
        results = [x.logsumexp(1) for _ in range(3)]
        assert results[0].dtype is x.dtype
        np.testing.assert_allclose(results[2].numpy(), results[0].numpy(), rtol=1e-12)


def test_the_number_of_threads_is_followed(kernels, monkeypatch):
    monkeypatch.setattr(eager, "SHARE", 1)
    x = cr.tensor(array(300, 301))
    for threads in (1, 2, 1):
        monkeypatch.setattr(eager, "allows", lambda available, n=threads: available == n)
        monkeypatch.setattr(kernel, "get_num_threads", lambda n=threads: n)
        np.testing.assert_allclose(x.sigmoid().numpy(), x.sigmoid().numpy(), rtol=1e-6)
        (one,) = (k for k in kernels._known.values() if k.__class__ is eager.Kernel)
        assert one.threads == threads


def test_no_more_threads_than_there_is_work_for(kernels, monkeypatch):
    monkeypatch.setattr(eager, "SHARE", 1 << 19)  # of the work of 300 · 301 sigmoids, one
    monkeypatch.setattr(kernel, "get_num_threads", lambda: 2)
    cr.tensor(array(300, 301)).sigmoid()
    (one,) = (k for k in kernels._known.values() if k.__class__ is eager.Kernel)
    assert one.threads == 1
    assert one.alone


def test_inputs_that_may_not_be_written_or_lie_between_words(kernels):
    x = array(300, 301)
    fixed = x.copy()
    fixed.flags.writeable = False
    odd = np.zeros(x.nbytes + 2, np.uint8)[2:].view(np.float32).reshape(x.shape)
    odd[...] = x
    wanted = cr.tensor(x).gelu().numpy()
    for given in (fixed, odd, np.asfortranarray(x), np.repeat(x, 2, 1)[:, ::2]):
        np.testing.assert_array_equal(cr.Tensor(given).gelu().numpy(), wanted)
    assert made(kernels) == 1


def test_what_is_wrong_is_refused_each_time(kernels):
    x = cr.tensor(array(4, 3, 60, 60))
    for _ in range(4):
        with pytest.raises(cr.ChainruleError):
            F.conv2d(x, cr.tensor(array(8, 4, 3, 3)))
        with pytest.raises(cr.ChainruleError):
            F.max_pool2d(x, 2, padding=2)
        with pytest.raises(cr.ChainruleError):
            F.cross_entropy(cr.tensor(array(200, 50)), cr.full((200,), 50))
        with pytest.raises(cr.ChainruleError):
            cr.arange(100_000) // 0


def test_kernels_and_signatures_are_bounded(kernels, monkeypatch):
    monkeypatch.setattr(eager, "LIMIT", 4)
    monkeypatch.setattr(eager, "MOST", 3)
    for n in range(300, 306):
        x = cr.tensor(array(300, n))
        np.testing.assert_allclose(x.gelu().numpy(), x.gelu().numpy())
    assert 0 < len(kernels._known) <= 4
    assert 0 < len(kernels._older) <= 4
    assert kernels._made.total() == 3


def test_arguments_that_are_equal_but_not_the_same_make_other_signatures():
    words = eager._words((0, False, 0.0, -0.0, None, (0,), (0.0,)))
    assert len(set(words)) == len(words)
    with pytest.raises(eager.Unfit):
        eager._words([[0]])


def trained(make):
    weights = [
        cr.tensor(array(*s, seed=i), requires_grad=True) for i, s in enumerate([(200, 100), (50,)])
    ]
    optimizer = make(weights)
    for step in range(4):
        for i, w in enumerate(weights):
            w.grad = cr.tensor(array(*w.shape, seed=10 * step + i))
        before = [w._version for w in weights]
        optimizer.step()
        assert all(w._version > b for w, b in zip(weights, before, strict=True))
    states = [s.numpy() for w in weights for s in optimizer.state[w].values()
              if isinstance(s, cr.Tensor)]  # fmt: skip
    return [w.detach().numpy() for w in weights] + states


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.Adam(p, lr=0.1, amsgrad=True, weight_decay=0.1),
        lambda p: optim.AdamW(p, lr=0.1),
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    ],
)
def test_optimisers_agree_with_numpy(make, kernels):
    found = trained(make)
    assert made(kernels) == 1
    native.offer(lambda: None)
    for a, b in zip(found, trained(make), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_changed_rate_needs_no_other_kernel(kernels):
    w = cr.tensor(array(200, 100), requires_grad=True)
    optimizer = optim.SGD([w], lr=1.0)
    w.grad = cr.ones(200, 100)
    for rate in (1.0, 2.0, 4.0, 8.0):
        before = w.detach().clone()
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        np.testing.assert_allclose((before - w).detach().numpy(), rate, rtol=1e-5)
    assert made(kernels) <= 1


def test_parameters_that_share_memory_are_updated_in_turn(kernels):
    base = cr.tensor(array(20_000))
    parts = [base[:15_000].detach(), base[5_000:].detach()]
    before = base.numpy().copy()
    for p in parts:
        p.requires_grad_().grad = cr.ones(15_000)
    optimizer = optim.SGD(parts, lr=1.0)
    for _ in range(3):
        optimizer.step()
    change = before - base.numpy()
    np.testing.assert_allclose(change[5_000:15_000], 6, rtol=1e-5)
    np.testing.assert_allclose(change[:5_000], 3, rtol=1e-5)


CHILD = """
import sys, numpy as np, chainrule as cr
assert "chainrule.compile" not in sys.modules
x = cr.tensor(np.ones((300, 301), np.float32))
a, b = x.gelu(), x.gelu()
print("llvmlite" in sys.modules, (a.numpy() == b.numpy()).all())
"""


@pytest.mark.parametrize(("setting", "compiles"), [("0", "False"), ("", "True")])
def test_the_environment_turns_kernels_off(setting, compiles):
    environment = os.environ | {"CHAINRULE_GLASS_KERNELS": setting}
    out = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHILD], env=environment, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert out.stdout.split()[0] == compiles
