"""MixUp, CutMix and whitening."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, DataError, ShapeError
from chainrule.data import ArrayDataset, DataLoader, default_collate
from chainrule.data.random import Draws
from chainrule.data.transforms import CutMix, MixUp, Whiten

X = np.random.default_rng(0).random((6, 2, 8, 9)).astype("f4")
Y = np.array([0, 1, 2, 0, 1, 2])


def draws(epoch=0):
    return Draws(3, epoch, np.arange(6))


def test_mixup_mixes_pictures_and_labels_alike():
    x, y = MixUp(3, alpha=0.8)(X, Y, draws())
    share = y[0, 0] if y[0, 0] != 1 else 1.0
    np.testing.assert_allclose(x, share * X + (1 - share) * np.roll(X, 1, 0), rtol=1e-5)
    np.testing.assert_allclose(y.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(y, share * np.eye(3)[Y] + (1 - share) * np.eye(3)[np.roll(Y, 1)],
                               rtol=1e-5)  # fmt: skip


def test_cutmix_pastes_a_rectangle_and_counts_its_area():
    x, y = CutMix(3)(X, Y, draws(1))
    pasted = (x == np.roll(X, 1, 0)).all((0, 1))
    rows, columns = np.flatnonzero(pasted.any(1)), np.flatnonzero(pasted.any(0))
    assert 0 < pasted.sum() < 72 and pasted[np.ix_(rows, columns)].all()
    assert ((x == X).all((0, 1)) | pasted).all()
    assert y[0, Y[0]] == pytest.approx(1 - pasted.mean(), rel=1e-5)


def test_shares_follow_the_beta_distribution():
    shares = [MixUp(3, 0.4)(X[:2], np.array([0, 1]), Draws(0, e, np.arange(2)))[1][0, 0]
              for e in range(2000)]  # fmt: skip
    assert np.mean(shares) == pytest.approx(0.5, abs=0.03)
    assert np.var(shares) == pytest.approx(0.25 / 1.8, rel=0.1)


@pytest.mark.parametrize("workers", [0, 2])
def test_as_collate_function_of_a_loader(workers):
    dataset = ArrayDataset(np.repeat(X, 5, 0), np.repeat(Y, 5))

    def batches(make):
        loader = DataLoader(dataset, 8, shuffle=True, seed=1, num_workers=workers, collate_fn=make)
        return [(x.numpy(), y.numpy()) for _ in range(2) for x, y in loader]

    mix = MixUp(3)
    first = batches(mix)
    assert first[0][1].shape == (8, 3) and isinstance(first[0][0], np.ndarray)
    other = batches(lambda samples: mix(*default_collate(samples)))
    for (x, y), (u, v) in zip(first, other, strict=True):
        np.testing.assert_array_equal(x, u)
        np.testing.assert_array_equal(y, v)
    assert len({float(y[0].max()) for _, y in first}) > 4  # each batch has a share of its own


def test_mixed_labels_train():
    x, y = MixUp(3)(cr.tensor(X), cr.tensor(Y), draws())
    assert isinstance(x, cr.Tensor)
    loss = cr.nn.functional.cross_entropy(cr.zeros(6, 3), y)
    assert loss.item() == pytest.approx(np.log(3), rel=1e-5)


def test_bad_mixes():
    with pytest.raises(ArgumentError):
        MixUp(1)
    with pytest.raises(ArgumentError):
        CutMix(3, alpha=0)
    with pytest.raises(ArgumentError, match="a label is 7"):
        MixUp(3)(X, np.full(6, 7))
    with pytest.raises(ShapeError, match="6 integer labels"):
        MixUp(3)(X, Y[:5])
    with pytest.raises(ShapeError, match="images"):
        CutMix(3)(X[:, 0, 0], Y)
    with pytest.raises(ArgumentError, match="samples"):
        MixUp(3)([X[0]])


@pytest.mark.parametrize("kind", ["zca", "pca"])
def test_whitened_features_have_the_identity_as_covariance(kind):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 4)) @ rng.standard_normal((4, 4)) + 5
    whiten = Whiten(x, kind, eps=0)
    z = whiten(x)
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(z.T @ z / 500, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(whiten.inverse(z), x)


def test_zca_is_the_nearest_and_pca_orders_by_variance():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((400, 3)) * [3, 1, 0.1]
    near = [np.square(Whiten(x, kind, 0)(x) - (x - x.mean(0))).sum() for kind in ("zca", "pca")]
    assert near[0] <= near[1]
    assert np.abs(Whiten(x, "pca", 0)._matrix).argmax(0).tolist() == [0, 1, 2]


def test_whitening_pictures_and_directions_without_variance():
    x = np.repeat(X.reshape(6, -1)[:, :4], 3, 1).reshape(6, 3, 2, 2).astype("f4")
    with pytest.raises(ArgumentError, match="no variance"):
        Whiten(np.c_[X.reshape(6, -1)[:, :2], np.zeros(6)], eps=0)
    z = Whiten(x, eps=1e-3)(x)
    assert z.shape == x.shape and z.dtype == np.float32 and np.isfinite(z).all()
    with pytest.raises(ShapeError, match="was made of samples"):
        Whiten(x)(x[:, :2])
    with pytest.raises(DataError):
        Whiten(np.array([[np.nan, 1], [2, 3]]))
    with pytest.raises(ShapeError):
        Whiten(np.zeros((1, 4)))
