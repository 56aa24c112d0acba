"""A small residual network on colour images: SGD with momentum, one-cycle learning rate."""

from real_data import coloured_digits

import chainrule as torch
import chainrule.nn as nn
import chainrule.optim as optim
from chainrule.utils.data import DataLoader, TensorDataset


class BasicBlock(nn.Module):
    def __init__(self, in_planes, planes, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_planes, planes, kernel_size=3, stride=stride, padding=1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = None
        if stride != 1 or in_planes != planes:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_planes, planes, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(planes),
            )

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, layers=(1, 1, 1), planes=(16, 32, 64), num_classes=10):
        super().__init__()
        self.in_planes = planes[0]
        self.stem = nn.Sequential(
            nn.Conv2d(3, planes[0], 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(planes[0]),
            nn.ReLU(inplace=True),
        )
        self.layer1 = self._make_layer(planes[0], layers[0], 1)
        self.layer2 = self._make_layer(planes[1], layers[1], 2)
        self.layer3 = self._make_layer(planes[2], layers[2], 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(planes[2], num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)

    def _make_layer(self, planes, blocks, stride):
        layers = []
        for s in [stride] + [1] * (blocks - 1):
            layers.append(BasicBlock(self.in_planes, planes, s))
            self.in_planes = planes
        return nn.Sequential(*layers)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(self.stem(x))))
        x = torch.flatten(self.avgpool(x), 1)
        return self.fc(x)


def main(epochs=6):
    torch.manual_seed(0)
    device = torch.device("cpu")
    images, labels = coloured_digits()
    x, y = torch.tensor(images), torch.tensor(labels)
    mean, std = x.mean(dim=(0, 2, 3), keepdim=True), x.std(dim=(0, 2, 3), keepdim=True)
    x = (x - mean) / std
    trainloader = DataLoader(TensorDataset(x[:4000], y[:4000]), batch_size=50, shuffle=True)
    testloader = DataLoader(TensorDataset(x[4000:], y[4000:]), batch_size=250, shuffle=False)

    net = ResNet().to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    scheduler = optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.2, epochs=epochs, steps_per_epoch=len(trainloader)
    )
    for epoch in range(epochs):
        net.train()
        running_loss = 0.0
        for inputs, targets in trainloader:
            inputs, targets = inputs.to(device), targets.to(device)
            optimizer.zero_grad()
            outputs = net(inputs)
            loss = criterion(outputs, targets)
            loss.backward()
            optimizer.step()
            scheduler.step()
            running_loss += loss.item()

        net.eval()
        correct = total = 0
        with torch.no_grad():
            for inputs, targets in testloader:
                _, predicted = torch.max(net(inputs.to(device)), 1)
                total += targets.size(0)
                correct += (predicted == targets).sum().item()
        running_loss /= len(trainloader)
        print(f"epoch {epoch + 1}  loss {running_loss:.3f}  test {correct / total:.1%}")
    return correct / total


if __name__ == "__main__":
    assert main() > 0.8
