"""A fully connected layer is a convolution that covers the whole map, and slides over larger ones.

Note 003 §8.4: after a convolution an FC layer is an h×w convolution, after an FC layer a 1×1 one.
"""

import sys
from pathlib import Path

from common import FOLDER, digits, train

import chainrule as cr
from chainrule import nn
from chainrule.explain import Lines, Pictures, figure
from chainrule.nn.utils import conv_to_linear, linear_to_conv


def main(folder=FOLDER):
    x, y = digits(3000)
    x = x.reshape(-1, 1, 28, 28)
    cr.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 12, 5, stride=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(192, 32), nn.ReLU(), nn.Linear(32, 10),
    )  # fmt: skip
    train(model, x, y, cr.optim.Adam(model.parameters(), lr=0.003), epochs=4)

    whole = nn.Sequential(*model[:4], linear_to_conv(model[5], (12, 4, 4)), nn.ReLU(),
                          linear_to_conv(model[7], (32, 1, 1)))  # fmt: skip
    pictures, labels = digits(1000, "test")
    pictures = pictures.reshape(-1, 1, 28, 28)
    with cr.no_grad():
        plain, convolved = model(pictures), whole(pictures)
    assert convolved.shape == (1000, 10, 1, 1)
    difference = (plain - convolved.flatten(1)).abs().max().item()
    assert difference < 1e-4, difference

    # And back: the first convolution as one large, mostly empty matrix.
    dense = conv_to_linear(model[0], 28)
    with cr.no_grad():
        again = dense(pictures[:5].flatten(1)).reshape(5, 8, 12, 12)
        assert cr.allclose(again, model[0](pictures[:5]), atol=1e-5)
    assert dense.weight.shape == (8 * 144, 784)

    # On a wider picture the converted network answers at every fourth column.
    sure = cr.where(cr.arange(10) == labels[:, None], plain, -1e9)  # of the right class
    chosen = [sure[:, k].argmax().item() for k in (3, 7, 1)]
    wide = cr.cat([pictures[i : i + 1] for i in chosen], dim=3)
    with cr.no_grad():
        scores = whole(wide).softmax(1)[0, :, 0]  # [10, 15]
    at = [0, 7, 14]
    assert scores.shape == (10, 15)
    assert [scores[:, i].argmax().item() for i in at] == [3, 7, 1], scores.argmax(0)
    print(f"Largest difference of 10,000 outputs: {difference:.1e}.")
    print("Slid over three digits side by side it says 3, 7, 1 at their places, in one pass.")
    curves = {f"class {k}": scores[k] for k in (3, 7, 1)}
    return figure(
        Path(folder) / "dense_as_convolution.svg",
        "A classifier that became fully convolutional",
        Pictures("A picture three digits wide", {"28 × 84": wide[0, 0]}, columns=1),
        Lines("Probability at each place", curves, range(0, 60, 4), "left edge of the window"),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
