"""The quick look at a table: NaN and infinity are seen wherever they stand."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from chainrule.learn.checks import finite  # noqa: E402


@pytest.mark.parametrize("rows", [1, 300, 5000, 300_000])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_is_not_finite_is_seen(rows, dtype):
    x = np.random.default_rng(0).normal(size=(rows, 4)).astype(dtype)
    views = (x, np.asfortranarray(x), x[:, :3], x[:, 0])
    assert all(finite(view) for view in views)
    for wrong in (np.nan, np.inf, -np.inf):
        for row in (0, rows - 1):
            broken = x.copy()
            broken[row, 0] = wrong
            assert not any(
                finite(view)
                for view in (broken, np.asfortranarray(broken), broken[:, :3], broken[:, 0])
            )
    # Both infinities must not cancel.
    x[0, 0], x[-1, -1] = np.inf, -np.inf
    assert not finite(x)
