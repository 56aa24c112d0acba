"""Optimisers on sparse gradients: PyTorch's numbers, the rows in use alone, and who refuses."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.errors import AutogradError

STEPS = [[1, 2, 2], [2, 5, 0], [1, 1, 1], [4, 0, 4], [5, 1, 2]]
RULES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.1}),
    ("Adagrad", {"lr": 0.1, "eps": 0.0, "maximize": True}),
    ("SparseAdam", {"lr": 0.1}),
    ("SparseAdam", {"lr": 0.1, "betas": (0.5, 0.9), "eps": 0.1, "maximize": True}),
]
start = np.random.default_rng(0).standard_normal((7, 3))


def train(lib, kind, options, padding_idx=None, step=lambda run: run):
    """The table after five steps whose gradients have entries, and rows, of exactly 0."""
    table = lib.nn.Embedding(7, 3, padding_idx=padding_idx, sparse=True, dtype=lib.float64)
    table.load_state_dict({"weight": lib.tensor(start)})
    optimizer = getattr(lib.optim, kind)(table.parameters(), **options)
    keep = lib.tensor([[1.0], [2.0], [0.0]])

    def run(index):
        optimizer.zero_grad()
        loss = (keep * lib.nn.functional.relu(table(index)) ** 2).sum()
        loss.backward()
        optimizer.step()
        return loss

    run = step(run)
    for index in STEPS:
        run(lib.tensor(index))
    return table.weight.detach().numpy()


@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")
@pytest.mark.parametrize("padding_idx", [None, 1])
@pytest.mark.parametrize(("kind", "options"), RULES)
def test_five_steps_equal_torch(kind, options, padding_idx):
    torch = pytest.importorskip("torch")
    mine = train(cr, kind, options, padding_idx)
    its = train(torch, kind, options, padding_idx)
    np.testing.assert_allclose(mine, its, rtol=1e-12, atol=1e-12)
    assert mine[3].tolist() == start[3].tolist()  # never used
    assert (mine[[0, 2]] != start[[0, 2]]).any(axis=1).all()


@pytest.mark.parametrize("padding_idx", [None, 1])
@pytest.mark.parametrize(("kind", "options"), RULES)
def test_a_compiled_step_gives_the_same_numbers(kind, options, padding_idx):
    glass = train(cr, kind, options, padding_idx)
    compiled = train(cr, kind, options, padding_idx, cr.compile)
    np.testing.assert_allclose(compiled, glass, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", ["SGD", "Adagrad", "SparseAdam"])
def test_rows_that_are_not_in_the_gradient_are_not_touched(kind):
    table = nn.Embedding(1000, 4, sparse=True)
    optimizer = getattr(optim, kind)(table.parameters(), lr=0.1)
    table(cr.tensor([3, 999, 3])).sum().backward()
    optimizer.step()
    # Whatever is in the other rows: nobody reads or writes it.
    with cr.no_grad():
        table.weight[10:20] = float("nan")
    before = table.weight.detach().clone()
    table(cr.tensor([3, 999, 3])).sum().backward()
    optimizer.step()
    changed = (before != table.weight).any(dim=1) & ~before.isnan().any(dim=1)
    assert changed.nonzero().flatten().tolist() == [3, 999]


@pytest.mark.parametrize(
    "kind", ["Adam", "AdamW", "RMSprop", "Adadelta", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop",
             "Adafactor"],
)  # fmt: skip
@pytest.mark.parametrize("compiled", [False, True])
def test_other_rules_refuse_as_in_pytorch(kind, compiled):
    table = nn.Embedding(5, 2, sparse=True)
    optimizer = getattr(optim, kind)(table.parameters())

    def step(index):
        table(index).sum().backward()
        optimizer.step()

    with pytest.raises(RuntimeError, match="does not support sparse gradients, please consider"):
        (cr.compile(step) if compiled else step)(cr.tensor([1, 2]))


@pytest.mark.parametrize("kind", ["SGD", "Adagrad"])
def test_weight_decay_is_refused(kind):
    table = nn.Embedding(5, 2, sparse=True)
    optimizer = getattr(optim, kind)(table.parameters(), weight_decay=0.1)
    table(cr.tensor([1])).sum().backward()
    with pytest.raises(AutogradError, match="weight_decay"):
        optimizer.step()


def test_sparse_adam_refuses_dense_gradients():
    table = nn.Embedding(5, 2)
    table(cr.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match="does not support dense gradients"):
        optim.SparseAdam(table.parameters()).step()


def test_lbfgs_takes_them_as_vectors():
    table = nn.Embedding(5, 2, sparse=True)
    optimizer = optim.LBFGS(table.parameters(), line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = ((table(cr.tensor([1, 4])) - 2) ** 2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(table.weight.detach().numpy()[[1, 4]], 2, atol=1e-4)


def test_a_sparse_gradient_from_before_does_not_enter_a_compiled_step():
    table = nn.Embedding(5, 2, sparse=True)
    optimizer = optim.SGD(table.parameters(), lr=0.1)

    def step(index):
        table(index).sum().backward()
        optimizer.step()

    index = cr.tensor([1, 2])
    step(index)
    with pytest.raises(RuntimeError, match="zero_grad"):
        cr.compile(step)(index)
    assert table.weight.grad.is_sparse


def test_the_trainer_takes_sparse_tables():
    ends = []
    for sparse in (False, True):
        cr.manual_seed(0)
        model = nn.Sequential(nn.Embedding(9, 4, sparse=sparse), nn.Flatten(), nn.Linear(12, 2))
        index = cr.randint(0, 9, (64, 3))
        target = (index.sum(1) > 12).long()
        trainer = cr.train.Trainer(
            model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1)
        )
        trainer.fit((index, target), epochs=2, batch_size=16)
        ends.append(model[0].weight.detach().numpy())
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-5, atol=1e-6)
