"""Every rule against PyTorch's, and against the formulas of the notes."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.graph.sparse import SparseTensor

CASES = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "sgd dampening": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    "sgd nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.02}),
    "sgd decay": ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    "sgd maximize": ("SGD", {"lr": 0.01, "momentum": 0.5, "maximize": True, "weight_decay": 0.1}),
    "adam": ("Adam", {"lr": 0.05}),
    "adam betas": ("Adam", {"lr": 0.05, "betas": (0.5, 0.9), "eps": 0.1}),
    "adam zero betas": ("Adam", {"lr": 0.05, "betas": (0.0, 0.0)}),
    "adam decay": ("Adam", {"lr": 0.05, "weight_decay": 0.1}),
    "adam amsgrad": ("Adam", {"lr": 0.2, "amsgrad": True, "maximize": True}),
    "adamw": ("AdamW", {"lr": 0.05}),
    "adamw amsgrad": ("AdamW", {"lr": 0.2, "weight_decay": 0.3, "amsgrad": True}),
    "adamw maximize": ("AdamW", {"lr": 0.05, "weight_decay": 0.3, "maximize": True}),
    "adam decoupled": ("Adam", {"lr": 0.05, "weight_decay": 0.3, "decoupled_weight_decay": True}),
    "rmsprop": ("RMSprop", {"lr": 0.05, "foreach": False}),
    "rmsprop all": (
        "RMSprop", {"alpha": 0.9, "weight_decay": 0.1, "momentum": 0.8, "centered": True}
    ),
    "rmsprop maximize": ("RMSprop", {"lr": 0.05, "momentum": 0.5, "maximize": True}),
    "adagrad": ("Adagrad", {"lr": 0.1}),
    "adagrad all": (
        "Adagrad",
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5},
    ),
    "adadelta": ("Adadelta", {}),
    "adadelta all": ("Adadelta", {"lr": 2.0, "rho": 0.8, "weight_decay": 0.1, "maximize": True}),
    "adamax": ("Adamax", {"lr": 0.05}),
    "adamax all": ("Adamax", {"lr": 0.05, "betas": (0.5, 0.9), "eps": 0.1, "weight_decay": 0.1}),
    "nadam": ("NAdam", {"lr": 0.05}),
    "nadam decay": ("NAdam", {"lr": 0.05, "weight_decay": 0.2, "momentum_decay": 0.1}),
    "nadam decoupled": (
        "NAdam",
        {"lr": 0.05, "weight_decay": 0.2, "decoupled_weight_decay": True, "maximize": True},
    ),
    "radam": ("RAdam", {"lr": 0.05}),
    "radam decay": ("RAdam", {"lr": 0.05, "weight_decay": 0.2, "betas": (0.8, 0.9)}),
    "radam decoupled": (
        "RAdam", {"lr": 0.05, "weight_decay": 0.2, "decoupled_weight_decay": True}
    ),
    "asgd": ("ASGD", {"lr": 0.1}),
    "asgd mean": ("ASGD", {"lr": 0.1, "lambd": 0.05, "t0": 5, "weight_decay": 0.1}),
    "rprop": ("Rprop", {"lr": 0.05}),
    "adafactor": ("Adafactor", {"lr": 0.3}),
    "adafactor all": (
        "Adafactor",
        {"lr": 0.5, "beta2_decay": -0.5, "eps": (1e-3, 0.1), "d": 1.5, "weight_decay": 0.1},
    ),
    "rprop etas": ("Rprop", {"etas": (0.3, 1.5), "step_sizes": (0.02, 0.1), "maximize": True}),
}  # fmt: skip
SHAPES = [(7, 5), (3,), (), (0, 4)]


def start(dtype):
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(s).astype(dtype) for s in SHAPES]
    grads = [[rng.standard_normal(s).astype(dtype) for s in SHAPES] for _ in range(20)]
    return values, grads


def ours(values):
    return [cr.tensor(v, requires_grad=True) for v in values]


def theirs(torch, values):
    return [torch.tensor(v, requires_grad=True) for v in values]


def give(params, grads, tensor, skip=()):
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        p.grad = None if i in skip else tensor(g)


def error(ps, qs):
    pairs = zip(ps, qs, strict=True)
    return max(np.abs(p.detach().numpy() - q.detach().numpy()).max(initial=0) for p, q in pairs)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("dtype", "close"), [("float64", 1e-12), ("float32", 2e-6)])
def test_twenty_steps_equal_torch(case, dtype, close):
    torch = pytest.importorskip("torch")
    name, options = CASES[case]
    if name in ("NAdam", "ASGD") and dtype == "float64":
        close = 1e-7  # PyTorch holds the product of the μ, and η, in float32
    values, grads = start(dtype)
    ps, qs = ours(values), theirs(torch, values)
    a, b = getattr(optim, name)(ps, **options), getattr(torch.optim, name)(qs, **options)
    for i, gs in enumerate(grads):
        # The second parameter joins late, so that its bias correction differs.
        skip = (1,) if i < 3 else ()
        skip += (3,) if name == "Adafactor" else ()  # PyTorch divides by the number of elements
        give(ps, gs, cr.tensor, skip)
        give(qs, gs, torch.tensor, skip)
        a.step()
        b.step()
    assert error(ps, qs) < close
    assert error(ps, ours(values)) > 0.01
    mine, its = a.state_dict(), b.state_dict()
    assert mine["state"].keys() == its["state"].keys()
    for i, state in its["state"].items():
        state = {k: v for k, v in state.items() if v is not None}
        assert mine["state"][i].keys() == state.keys()
        for k, v in state.items():
            assert tuple(mine["state"][i][k].shape) == tuple(v.shape)
            near = {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-6}
            np.testing.assert_allclose(mine["state"][i][k].numpy(), v.numpy(), **near)


@pytest.mark.parametrize(
    "case", ["rmsprop all", "adagrad all", "nadam decay", "asgd mean", "rprop"]
)
def test_a_state_of_torch_goes_on_here(case):
    torch = pytest.importorskip("torch")
    name, options = CASES[case]
    values, grads = start("float64")
    ps, qs = ours(values), theirs(torch, values)
    a, b = getattr(optim, name)(ps, **options), getattr(torch.optim, name)(qs, **options)
    for i, gs in enumerate(grads):
        if i == 10:
            saved = b.state_dict()
            state = {
                j: {k: cr.tensor(v.numpy()) for k, v in s.items()}
                for j, s in saved["state"].items()
            }
            a.load_state_dict({"state": state, "param_groups": saved["param_groups"]})
            for p, q in zip(ps, qs, strict=True):
                p.data = cr.tensor(q.detach().numpy())
        give(qs, gs, torch.tensor)
        b.step()
        if i >= 10:
            give(ps, gs, cr.tensor)
            a.step()
    assert error(ps, qs) < 1e-6


@pytest.mark.parametrize("name", ["Adagrad", "NAdam", "ASGD", "Rprop"])
def test_an_empty_state_begins_anew(name):
    values, grads = start("float64")
    once, twice = ours(values), ours(values)
    options = {"initial_accumulator_value": 0.5} if name == "Adagrad" else {}
    a, b = (getattr(optim, name)(ps, lr=0.1, **options) for ps in (once, twice))
    empty = b.state_dict()
    for gs in grads[:3]:
        give(twice, gs, cr.tensor)
        b.step()
    b.load_state_dict(empty)
    for p, v in zip(twice, values, strict=True):
        p.data = cr.tensor(v)
    for gs in grads[3:6]:
        for optimizer, ps in ((a, once), (b, twice)):
            give(ps, gs, cr.tensor)
            optimizer.step()
    assert error(once, twice) == 0


def test_the_notes_epsilon_stands_inside_the_root():
    for name, share, options in (("Adagrad", 1, {}), ("RMSprop", 0.1, {"alpha": 0.9})):
        p = cr.tensor([1.0], dtype=cr.float64, requires_grad=True)
        optimizer = getattr(optim, name)([p], lr=0.5, eps=0.25, eps_inside=True, **options)
        p.grad = cr.tensor([2.0], dtype=cr.float64)
        optimizer.step()
        assert p.item() == pytest.approx(1 - 0.5 * 2 / np.sqrt(4 * share + 0.25), rel=1e-15)


@pytest.mark.parametrize(
    "options",
    [{}, {"nesterov": False, "adjust_lr_fn": "match_rms_adamw", "lr": 0.05, "weight_decay": 0.3}],
)
def test_muon_equals_torch_up_to_its_bfloat16(options):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(s).astype("float32") for s in ((6, 4), (3, 8))]
    ps, qs = ours(values), theirs(torch, values)
    a, b = optim.Muon(ps, **options), torch.optim.Muon(qs, **options)
    for _ in range(10):
        gs = [rng.standard_normal(v.shape).astype("float32") for v in values]
        give(ps, gs, cr.tensor)
        give(qs, gs, torch.tensor)
        a.step()
        b.step()
    moved = error(ps, ours(values))
    assert error(ps, qs) < 0.05 * moved and moved > 1e-3
    assert a.state_dict()["state"][0].keys() == b.state_dict()["state"][0].keys()


def test_muon_refuses_what_is_no_matrix():
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        optim.Muon([cr.ones(3, requires_grad=True)])


def test_sparse_adam_leaves_alone_what_has_no_gradient():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    value = rng.standard_normal((6, 3))
    p, q = cr.tensor(value, requires_grad=True), torch.tensor(value, requires_grad=True)
    a, b = optim.SparseAdam([p], lr=0.05), torch.optim.SparseAdam([q], lr=0.05)
    for _ in range(10):
        rows, g = rng.permutation(5)[:2], rng.standard_normal((2, 3))
        p.grad = SparseTensor(rows, g, (6, 3))
        q.grad = torch.sparse_coo_tensor(
            torch.tensor(rows)[None], torch.tensor(g), (6, 3), check_invariants=True
        )
        a.step()
        b.step()
    np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-12)
    assert p.tolist()[5] == value[5].tolist()


def test_groups_state_dicts_and_rates_equal_torch():
    torch = pytest.importorskip("torch")
    values, grads = start("float64")
    ps, qs = ours(values), theirs(torch, values)

    def build(module, xs):
        late = {"params": xs[2:], "lr": 0.3, "betas": (0.8, 0.9)}
        optimizer = module.Adam([{"params": xs[:2]}], lr=0.1, weight_decay=0.1)
        optimizer.add_param_group(late)
        return optimizer

    a, b = build(optim, ps), build(torch.optim, qs)
    for i, gs in enumerate(grads):
        if i == 10:
            # Into each other's optimiser: the layouts are the same.
            ours_, theirs_ = a.state_dict(), b.state_dict()
            assert ours_["state"].keys() == theirs_["state"].keys()
            for j, state in theirs_["state"].items():
                assert ours_["state"][j].keys() == state.keys()
                assert float(ours_["state"][j]["step"]) == float(state["step"]) == 10
            a, b = build(optim, ps), build(torch.optim, qs)
            a.load_state_dict(
                {
                    "param_groups": theirs_["param_groups"],
                    "state": {
                        j: {k: cr.tensor(v.numpy()) for k, v in s.items()}
                        for j, s in theirs_["state"].items()
                    },
                }
            )
            b.load_state_dict(
                {
                    "param_groups": ours_["param_groups"],
                    "state": {
                        j: {k: torch.tensor(v.numpy()) for k, v in s.items()}
                        for j, s in ours_["state"].items()
                    },
                }
            )
        for optimizer in (a, b):
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + i)
        give(ps, gs, cr.tensor)
        give(qs, gs, torch.tensor)
        a.step()
        b.step()
    assert error(ps, qs) < 1e-12


def test_sgd_takes_torchs_state():
    torch = pytest.importorskip("torch")
    values, grads = start("float64")
    ps, qs = ours(values), theirs(torch, values)
    options = {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}
    a, b = optim.SGD(ps, **options), torch.optim.SGD(qs, **options)
    for gs in grads[:3]:
        give(qs, gs, torch.tensor)
        b.step()
    saved = b.state_dict()
    state = {
        j: {"momentum_buffer": cr.tensor(s["momentum_buffer"].numpy())}
        for j, s in saved["state"].items()
    }
    a.load_state_dict({"state": state, "param_groups": saved["param_groups"]})
    assert a.state_dict()["state"][0].keys() == saved["state"][0].keys()
    for p, q in zip(ps, qs, strict=True):
        p.data = cr.tensor(q.detach().numpy())
    give(ps, grads[4], cr.tensor)
    give(qs, grads[4], torch.tensor)
    a.step()
    b.step()
    assert error(ps, qs) < 1e-12


@pytest.mark.parametrize("nesterov", [False, True])
def test_the_notes_momentum_is_a_running_mean(nesterov):
    values, grads = start("float64")
    ps = ours(values)
    optimizer = optim.SGD(ps, 0.1, 0.9, nesterov=nesterov, momentum_form="average")
    means = [np.zeros_like(v) for v in values]
    for gs in grads:
        give(ps, gs, cr.tensor)
        optimizer.step()
        for i, g in enumerate(gs):
            means[i] = 0.9 * means[i] + 0.1 * g
            ahead = 0.9 * means[i] + 0.1 * g if nesterov else means[i]
            values[i] = values[i] - 0.1 * ahead
    assert error(ps, ours(values)) < 1e-14


def test_adam_without_bias_correction():
    p = cr.tensor([1.0], dtype=cr.float64, requires_grad=True)
    optimizer = optim.Adam([p], lr=0.5, eps=0.25, bias_correction=False)
    p.grad = cr.tensor([2.0], dtype=cr.float64)
    optimizer.step()
    assert p.item() == pytest.approx(1 - 0.5 * 0.2 / (np.sqrt(0.004) + 0.25), rel=1e-15)


@pytest.mark.parametrize("dtype", [cr.float16, cr.bfloat16])
def test_half_precision_is_computed_in_float32_and_rounded_once(dtype):
    rng = np.random.default_rng(0)
    half = cr.tensor(rng.standard_normal(99)).to(dtype).requires_grad_()
    # 300² overflows float16: the squares must not be taken in it.
    grads = [cr.tensor(300 * rng.standard_normal(99)).to(dtype) for _ in range(5)]
    optimizer = optim.AdamW([half], lr=0.01)
    full = half.detach().float().requires_grad_()
    for g in grads:
        other = optim.AdamW([full], lr=0.01)
        if optimizer.state_dict()["state"]:
            other.load_state_dict(optimizer.state_dict())
        half.grad, full.grad = g, g.float()
        optimizer.step()
        other.step()
        assert half.dtype is dtype
        assert half.tolist() == full.to(dtype).tolist()
        with cr.no_grad():
            full.copy_(half)
    assert optimizer.state[half]["exp_avg_sq"].dtype is cr.float32


@pytest.mark.parametrize("case", CASES)
def test_layouts_and_pieces_do_not_matter(case, monkeypatch):
    name, options = CASES[case]
    rng = np.random.default_rng(0)
    value = rng.standard_normal((6, 7))
    grad = rng.standard_normal((6, 7))
    wide = np.zeros((12, 7))
    if not getattr(optim, name).elementwise:
        pytest.skip("sums depend on the order of elements")
    results = []
    layouts = {
        "plain": (value.copy(), grad),
        "column order": (np.asfortranarray(value), grad),
        "strided": (wide[::2], np.asfortranarray(grad)),
        "reversed": (value[::-1].copy()[::-1], grad[:, ::-1].copy()[:, ::-1]),
        "small pieces": (value.copy(), grad.T.copy().T),
    }
    for layout, (p, g) in layouts.items():
        monkeypatch.setattr("chainrule.optim.optimizer.PIECE", 5 if "small" in layout else 10**6)
        p[...] = value
        kept = g.copy()
        tensor = cr.Tensor(p, requires_grad=True)
        optimizer = getattr(optim, name)([tensor], **options)
        for _ in range(3):
            tensor.grad = cr.Tensor(g)
            optimizer.step()
        assert np.shares_memory(tensor._data, p)
        assert (g == kept).all()
        results.append(tensor.detach().numpy().copy())
    assert wide[1::2].any() == 0
    for result in results:
        assert (result == results[0]).all()


def test_a_gradient_that_is_the_parameter():
    for name, options in CASES.values():
        shared, apart = (cr.tensor([1.0, -2.0], requires_grad=True) for _ in range(2))
        for p, g in ((shared, shared.detach()), (apart, apart.detach().clone())):
            p.grad = g
            getattr(optim, name)([p], **options).step()
        assert shared.tolist() == apart.tolist()


def test_a_step_makes_old_graphs_stale():
    p = cr.tensor([2.0], requires_grad=True)
    loss = (p * p).sum()
    loss.backward(retain_graph=True)
    optim.SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match="in.place"):
        loss.backward()
