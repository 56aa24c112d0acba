"""Layer-wise pre-training without labels, then fine-tuning (note 004, "预训练加微调").

A deep sigmoid network that cannot be trained from scratch learns quickly from pre-trained layers.
"""

import sys
from pathlib import Path

from common import FOLDER, accuracy, digits, train

import chainrule as cr
from chainrule import nn
from chainrule.explain import Bars, Pictures, figure
from chainrule.models import DeepBeliefNet, StackedAutoencoder

SIZES = (784, 100, 100, 100, 100)


def from_scratch():
    layers = [nn.Linear(784, 100), nn.Sigmoid()]
    for _ in SIZES[2:]:
        layers += [nn.Linear(100, 100), nn.Sigmoid()]
    return nn.Sequential(*layers, nn.Linear(100, 10))


def main(folder=FOLDER):
    x, y = digits(2000)
    x_test, y_test = digits(1000, "test")
    scores, errors = {}, {}
    for name in ("from scratch", "deep belief net", "stacked autoencoders"):
        cr.manual_seed(0)
        if name == "from scratch":
            model = from_scratch()
        else:
            kind = DeepBeliefNet if name == "deep belief net" else StackedAutoencoder
            stack = kind(SIZES)
            errors[name] = stack.pretrain(x, epochs=6, lr=0.1, batch_size=50)[0]
            seen = stack.layers[0].weight[:20].detach().numpy().reshape(20, 28, 28)
            model = stack.network(classes=10)
        optimizer = cr.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        train(model, x, y, optimizer, epochs=5)
        scores[name] = accuracy(model, x_test, y_test)

    assert scores["from scratch"] < 0.2
    assert min(scores["deep belief net"], scores["stacked autoencoders"]) > 0.7
    assert all(each[-1] < 0.75 * each[0] for each in errors.values())  # reconstruction improves
    print("Right on 1,000 new digits after 5 epochs of fine-tuning:")
    print("  " + ", ".join(f"{name} {score:.1%}" for name, score in scores.items()))
    weights = {f" {i}": picture for i, picture in enumerate(seen)}
    return figure(
        Path(folder) / "pretraining.svg",
        "Four sigmoid layers, trained one by one and then together",
        Bars("Accuracy on new digits", scores, form=".1%"),
        Pictures("Weights of 20 units of the first layer", weights, columns=10, signed=True),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
