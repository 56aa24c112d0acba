"""Data compression: an autoencoder keeps 784 pixels in 16 numbers (note 004, 研究方向 4)."""

import sys
from pathlib import Path

from common import FOLDER, digits, train

import chainrule as cr
import chainrule.nn.functional as F
from chainrule.explain import Bars, Pictures, figure

CODE = 16


def main(folder=FOLDER):
    x = digits(4000)[0]
    x_test = digits(1000, "test")[0]
    cr.manual_seed(0)
    model = cr.models.Autoencoder((784,), hidden=(128, CODE))
    optimizer = cr.optim.Adam(model.parameters(), lr=0.003)
    train(model, x, x, optimizer, epochs=12, loss=F.mse_loss)

    with cr.no_grad():
        code = model.encode(x_test)
        restored = model.decode(code)
    assert code.shape == (1000, CODE)
    # The best that any linear code of 16 numbers can do: principal components.
    mean = x.mean(0)
    covariance = (x - mean).T @ (x - mean) / len(x)
    axes = cr.linalg.eigh(covariance)[1][:, -CODE:].T
    linear = (x_test - mean) @ axes.T @ axes + mean
    errors = {"the mean digit": F.mse_loss(mean.expand(1000, 784), x_test).item(),
              "16 principal components": F.mse_loss(linear, x_test).item(),
              "autoencoder, 16 numbers": F.mse_loss(restored, x_test).item()}  # fmt: skip
    none, pca, auto = errors.values()
    assert auto < 0.9 * pca < 0.6 * none, errors

    print(f"Restored from {CODE} numbers instead of 784, {784 // CODE} times fewer; squared error:")
    print("  " + ", ".join(f"{name} {error:.4f}" for name, error in errors.items()))
    rows = {}
    for title, some in (("new", x_test), ("linear", linear), ("restored", restored)):
        rows |= {f" {title} {i}": some[i].reshape(28, 28).clamp(0, 1) for i in range(8)}
    return figure(
        Path(folder) / "compression.svg",
        "784 pixels in 16 numbers",
        Pictures("New digits, from principal components, from the autoencoder", rows, columns=8),
        Bars("Mean squared error on 1,000 new digits", errors),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
