"""The schedules against PyTorch's sequences and the formulas of the notes."""

import math

import pytest

import chainrule as cr
from chainrule import optim
from chainrule.optim import lr_scheduler as ours

CASES = {
    "LambdaLR": [{"lr_lambda": lambda e: 0.9**e}, {"lr_lambda": [abs, lambda e: 1 / (1 + e)]}],
    "MultiplicativeLR": [{"lr_lambda": lambda e: 0.9}, {"lr_lambda": [lambda e: 1 / e, abs]}],
    "PolynomialLR": [{}, {"total_iters": 20, "power": 0.5}, {"power": 3.0, "total_iters": 8}],
    "CyclicLR": [
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 4},
        {"base_lr": [0.1, 0.2], "max_lr": [1.0, 2.0], "step_size_up": 3, "step_size_down": 7,
         "mode": "triangular2", "base_momentum": 0.7},
        {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 5, "mode": "exp_range", "gamma": 0.97},
        {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 5, "scale_fn": lambda k: 1 / k},
        {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 5, "scale_fn": lambda i: 0.9**i,
         "scale_mode": "iterations", "cycle_momentum": False},
    ],
    "SWALR": [
        {"swa_lr": 0.05}, {"swa_lr": [0.05, 0.5], "anneal_epochs": 4, "anneal_strategy": "linear"},
        {"swa_lr": 0.01, "anneal_epochs": 0},
    ],
    "StepLR": [{"step_size": 3}, {"step_size": 1, "gamma": 0.5}],
    "MultiStepLR": [{"milestones": [9, 2, 5, 5], "gamma": 0.5}, {"milestones": [0, 1]}],
    "ExponentialLR": [{"gamma": 0.95}],
    "ConstantLR": [{}, {"factor": 0.25, "total_iters": 3}],
    "LinearLR": [{}, {"start_factor": 0.1, "end_factor": 0.5, "total_iters": 7}],
    "CosineAnnealingLR": [{"T_max": 10}, {"T_max": 7, "eta_min": 0.01}, {"T_max": 1}],
    "CosineAnnealingWarmRestarts": [{"T_0": 4}, {"T_0": 3, "T_mult": 2, "eta_min": 0.01}],
    "OneCycleLR": [
        {"max_lr": 1.0, "total_steps": 30},
        {"max_lr": [1.0, 0.5], "epochs": 5, "steps_per_epoch": 6, "anneal_strategy": "linear"},
        {"max_lr": 2.0, "total_steps": 30, "three_phase": True, "pct_start": 0.4},
        {"max_lr": 2.0, "total_steps": 30, "pct_start": 0.0, "base_momentum": [0.7, 0.8]},
        {"max_lr": 2.0, "total_steps": 30, "div_factor": 5.0, "final_div_factor": 10.0},
    ],
}  # fmt: skip
RULES = [("SGD", {"momentum": 0.9}), ("Adam", {})]


def parameters(module):
    return [module.ones(2, requires_grad=True) for _ in range(2)]


def build(module, rule, options):
    a, b = parameters(module)
    optimizer = getattr(module.optim, rule)([{"params": [a], "lr": 0.1}, {"params": [b]}], lr=0.3)
    for group in optimizer.param_groups:
        group.update(options)
    return optimizer


def options_of(optimizer):
    return [
        value
        for g in optimizer.param_groups
        for value in (g["lr"], g.get("momentum", 0), *g.get("betas", ()))
    ]


def same(a, b):
    assert options_of(a) == pytest.approx(options_of(b), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r[0])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch wants optimizer.step() in between
def test_sequences_equal_torch(name, rule):
    torch = pytest.importorskip("torch")
    for options in CASES[name]:
        a, b = build(cr, *rule), build(torch, *rule)
        mine = getattr(ours, name)(a, **options)
        home = torch.optim.swa_utils if name == "SWALR" else torch.optim.lr_scheduler
        other = getattr(home, name)(b, **options)
        same(a, b)
        for _ in range(29):
            mine.step()
            other.step()
            same(a, b)
            assert mine.get_last_lr() == [g["lr"] for g in a.param_groups]
            assert mine.last_epoch == other.last_epoch


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_several_together_and_in_sequence_equal_torch():
    torch = pytest.importorskip("torch")
    a, b = build(cr, "SGD", {}), build(torch, "SGD", {})

    def both(module, optimizer):
        return [
            module.ExponentialLR(optimizer, 0.9),
            module.LinearLR(optimizer, 0.5, total_iters=4),
            module.CosineAnnealingLR(optimizer, 6),
        ]

    mine, other = both(ours, a), both(torch.optim.lr_scheduler, b)
    for _ in range(15):
        same(a, b)
        for scheduler in (*mine, *other):
            scheduler.step()

    def sequence(module, optimizer):
        return module.SequentialLR(optimizer, both(module, optimizer), [5, 12])

    a, b = build(cr, "SGD", {}), build(torch, "SGD", {})
    mine = ours.ChainedScheduler(both(ours, a))
    other = torch.optim.lr_scheduler.ChainedScheduler(both(torch.optim.lr_scheduler, b), b)
    for _ in range(15):
        same(a, b)
        assert mine.get_last_lr() == pytest.approx(other.get_last_lr())
        mine.step()
        other.step()

    a, b = build(cr, "SGD", {}), build(torch, "SGD", {})
    mine = sequence(ours, a)
    other = sequence(torch.optim.lr_scheduler, b)
    for _ in range(20):
        same(a, b)
        assert mine.get_last_lr() == pytest.approx(other.get_last_lr())
        mine.step()
        other.step()


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 2},
        {"mode": "max", "factor": 0.5, "patience": 0, "cooldown": 2, "min_lr": [0.04, 0.0]},
        {"threshold": 0.3, "threshold_mode": "abs", "patience": 1, "eps": 0.02},
    ],
)
def test_plateau_equals_torch(options):
    torch = pytest.importorskip("torch")
    a, b = build(cr, "SGD", {}), build(torch, "SGD", {})
    mine = ours.ReduceLROnPlateau(a, **options)
    other = torch.optim.lr_scheduler.ReduceLROnPlateau(b, **options)
    for i in range(40):
        metric = math.nan if i == 20 else 1 + math.cos(i / 5) + math.sin(7 * i)
        mine.step(cr.tensor(metric))
        other.step(metric)
        same(a, b)


def test_fractions_of_an_epoch():
    torch = pytest.importorskip("torch")
    a, b = build(cr, "SGD", {}), build(torch, "SGD", {})
    mine = ours.CosineAnnealingWarmRestarts(a, 3, 2)
    other = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(b, 3, 2)
    for i in range(60):
        mine.step(i / 4)
        other.step(i / 4)
        same(a, b)
    mine.step()
    other.step()
    same(a, b)


def test_the_notes_decay():
    optimizer = optim.SGD(parameters(cr), lr=0.2)
    scheduler = ours.InverseTimeLR(optimizer, decay=0.5)
    rates = []
    for _ in range(4):
        rates += scheduler.get_last_lr()
        scheduler.step()
    assert rates == [0.2, 0.2 / 1.5, 0.2 / 2, 0.2 / 2.5]


EVERY = [
    lambda o: ours.LambdaLR(o, lambda e: 1 / (1 + e)),
    lambda o: ours.InverseTimeLR(o, 0.1),
    lambda o: ours.MultiStepLR(o, [3, 8]),
    lambda o: ours.CosineAnnealingWarmRestarts(o, 3, 2),
    lambda o: ours.OneCycleLR(o, 1.0, 20),
    lambda o: ours.SequentialLR(o, [ours.LinearLR(o), ours.CosineAnnealingLR(o, 9)], [5]),
    lambda o: ours.ReduceLROnPlateau(o, patience=1),
    lambda o: ours.CyclicLR(o, 0.1, 1.0, 4, mode="exp_range", gamma=0.9),
    lambda o: ours.PolynomialLR(o, 9, 2.0),
    lambda o: ours.SWALR(o, 0.01, 6),
    lambda o: ours.ChainedScheduler([ours.LinearLR(o), ours.StepLR(o, 4)]),
]


@pytest.mark.parametrize("make", EVERY)
def test_state_dicts_resume(make):
    def run(scheduler, epochs):
        for e in epochs:
            metric = (1 / (1 + e % 6),) if isinstance(scheduler, ours.ReduceLROnPlateau) else ()
            scheduler.step(*metric)

    whole = build(cr, "Adam", {})
    run(make(whole), range(15))
    for cut in (0, 4, 5, 6, 14):
        first = build(cr, "Adam", {})
        scheduler = make(first)
        run(scheduler, range(cut))
        state = scheduler.state_dict()
        second = build(cr, "Adam", {})
        resumed = make(second)
        second.load_state_dict(first.state_dict())
        resumed.load_state_dict(state)
        assert resumed.get_last_lr() == scheduler.get_last_lr()
        run(resumed, range(cut, 15))
        assert options_of(second) == options_of(whole)


def test_refusals():
    optimizer = optim.SGD(parameters(cr), lr=0.1)
    bad = [
        (lambda: ours.StepLR(3, 1), "optimiser"),
        (lambda: ours.StepLR(optimizer, 0), "step_size"),
        (lambda: ours.StepLR(optimizer, 1, last_epoch=4), "initial_lr"),
        (lambda: ours.LambdaLR(optimizer, [abs, abs]), "one function, or 1"),
        (lambda: ours.OneCycleLR(optimizer, 1.0), "total_steps"),
        (lambda: ours.OneCycleLR(optimizer, [1.0, 1.0], 9), "max_lr needs one value, or 1"),
        (lambda: ours.ReduceLROnPlateau(optimizer, mode="low"), "mode"),
        (lambda: ours.ReduceLROnPlateau(optimizer).step(), "metric"),
        (lambda: ours.SequentialLR(optimizer, [ours.StepLR(optimizer, 1)], [3]), "0 rising"),
        (
            lambda: ours.SequentialLR(optimizer, [ours.ReduceLROnPlateau(optimizer)], []),
            "ReduceLROnPlateau",
        ),
        (lambda: ours.ChainedScheduler([]), "at least one"),
        (lambda: ours.CyclicLR(optim.Adagrad(parameters(cr)), 0.1, 1.0), "cycle_momentum=False"),
        (lambda: ours.CyclicLR(optimizer, 0.1, 1.0, mode="up"), "mode"),
        (lambda: ours.SWALR(optimizer, -1.0), "swa_lr"),
        (lambda: ours.StepLR(optimizer, 1).load_state_dict({"gamma": 1}), "step_size"),
    ]
    for make, says in bad:
        with pytest.raises((ValueError, TypeError), match=says):
            make()


def test_the_cycle_ends():
    optimizer = optim.SGD(parameters(cr), lr=0.1, momentum=0.9)
    scheduler = ours.OneCycleLR(optimizer, 1.0, 3)
    for _ in range(3):
        scheduler.step()
    with pytest.raises(ValueError, match="planned for 3"):
        scheduler.step()
