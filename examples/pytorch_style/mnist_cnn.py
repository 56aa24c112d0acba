"""A convolution network for handwritten digits: NLL loss, Adadelta, StepLR.

Usage: mnist_cnn.py [--epochs 4] [--lr 1.0] [--gamma 0.7] [--save FILE]
"""

import argparse

from real_data import digits

import chainrule as torch
import chainrule.nn as nn
import chainrule.nn.functional as F
import chainrule.optim as optim
from chainrule.optim.lr_scheduler import StepLR
from chainrule.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, 1)
        self.conv2 = nn.Conv2d(16, 32, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(32 * 12 * 12, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = self.dropout2(x)
        return F.log_softmax(self.fc2(x), dim=1)


def train(model, device, loader, optimizer, epoch):
    model.train()
    for batch, (data, target) in enumerate(loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()
        if batch % 20 == 0:
            print(
                f"epoch {epoch}  {batch * len(data)}/{len(loader.dataset)}  loss {loss.item():.4f}"
            )


def test(model, device, loader):
    model.eval()
    loss, correct = 0.0, 0
    with torch.no_grad():
        for data, target in loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            loss += F.nll_loss(output, target, reduction="sum").item()
            found = output.argmax(dim=1, keepdim=True)
            correct += found.eq(target.view_as(found)).sum().item()
    accuracy = correct / len(loader.dataset)
    print(f"test loss {loss / len(loader.dataset):.4f}  accuracy {accuracy:.1%}")
    return accuracy


def main(arguments=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--lr", type=float, default=1.0)
    parser.add_argument("--gamma", type=float, default=0.7)
    parser.add_argument("--save", default=None)
    args = parser.parse_args(arguments)

    torch.manual_seed(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images, labels = digits()
    x = (torch.from_numpy(images).unsqueeze(1).float() / 255 - 0.1307) / 0.3081
    y = torch.from_numpy(labels)
    train_loader = DataLoader(TensorDataset(x[:4000], y[:4000]), batch_size=64, shuffle=True)
    test_loader = DataLoader(TensorDataset(x[4000:], y[4000:]), batch_size=500)

    model = Net().to(device)
    optimizer = optim.Adadelta(model.parameters(), lr=args.lr)
    scheduler = StepLR(optimizer, step_size=1, gamma=args.gamma)
    for epoch in range(1, args.epochs + 1):
        train(model, device, train_loader, optimizer, epoch)
        accuracy = test(model, device, test_loader)
        scheduler.step()

    if args.save:
        torch.save(model.state_dict(), args.save)
        again = Net()
        again.load_state_dict(torch.load(args.save, weights_only=True))
        assert test(again, device, test_loader) == accuracy
    return accuracy


if __name__ == "__main__":
    assert main() > 0.95
