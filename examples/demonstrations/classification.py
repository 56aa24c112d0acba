"""Classification: the notes' convolution network on handwritten digits (note 004, 研究方向 3)."""

import sys
from pathlib import Path

from common import FOLDER, accuracy, digits, train

import chainrule as cr
from chainrule.explain import Bars, Pictures, figure


def main(folder=FOLDER):
    x, y = digits(4000)
    x_test, y_test = digits(1000, "test")
    cr.manual_seed(0)
    model = cr.models.LeNetBN(activation="relu", pool="max")
    optimizer = cr.optim.Adam(model.parameters(), lr=0.005)
    train(model, x.reshape(-1, 1, 28, 28), y, optimizer, epochs=10)

    pictures = x_test.reshape(-1, 1, 28, 28)
    with cr.no_grad():
        found = model(pictures).argmax(1)
    confusion = cr.zeros(10, 10)
    confusion.index_put_((y_test, found), cr.ones(1000), accumulate=True)
    score = confusion.trace().item() / 1000
    recall = confusion.diagonal() / confusion.sum(1)
    assert confusion.sum() == 1000 and abs(score - accuracy(model, pictures, y_test)) < 1e-6
    assert score > 0.94 and recall.min() > 0.85, (score, recall)

    wrong = (found != y_test).nonzero().flatten()[:10].tolist()
    print(f"Right on 1,000 new digits: {score:.1%}; the hardest class is {recall.argmin().item()}.")
    mistakes = {f"{y_test[i]} as {found[i]}{' ' * k}": x_test[i].reshape(28, 28)
                for k, i in enumerate(wrong)}  # fmt: skip
    return figure(
        Path(folder) / "classification.svg",
        "Classification of digits",
        Bars(
            "Recall of each class", {str(k): r for k, r in enumerate(recall.tolist())}, form=".1%"
        ),
        Pictures("Mistakes", mistakes, columns=5),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
