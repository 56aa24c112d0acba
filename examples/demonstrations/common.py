"""What the demonstrations share: where figures go, the digits, and the usual training loop."""

import chainrule as cr
import chainrule.nn.functional as F
from chainrule.data import DataLoader, TensorDataset

FOLDER = "docs/images/demonstrations"


def digits(count, split="train"):
    """`count` handwritten digits: x [count, 784] from 0 to 1, and their classes y [count]."""
    data = cr.data.load("digits28", split)
    x = cr.tensor(data.x[:count]).float() / 255
    return x.flatten(1), cr.tensor(data.y[:count])


def train(model, x, y, optimizer, epochs, batch_size=50, loss=F.cross_entropy, clip=None):
    """Mini-batch gradient descent; returns the loss of every step. `clip` gets the parameters
    between backward and update."""

    @cr.compile
    def step(inputs, targets):
        optimizer.zero_grad()
        value = loss(model(inputs), targets)
        value.backward()
        if clip is not None:
            clip(model.parameters())
        optimizer.step()
        return value

    model.train()
    batches = DataLoader(TensorDataset(x, y), batch_size, shuffle=True, drop_last=True, seed=0)
    losses = [step(*batch).item() for _ in range(epochs) for batch in batches]
    model.eval()
    return losses


def accuracy(model, x, y):
    """The share of samples whose highest output is that of their class."""
    with cr.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()
