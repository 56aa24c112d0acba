"""A variational autoencoder of digits: encoder, reparameterisation, decoder, ELBO."""

from real_data import digits

import chainrule as torch
from chainrule import nn, optim
from chainrule.nn import functional as F
from chainrule.utils.data import DataLoader, TensorDataset


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 200)
        self.fc21 = nn.Linear(200, 16)
        self.fc22 = nn.Linear(200, 16)
        self.fc3 = nn.Linear(16, 200)
        self.fc4 = nn.Linear(200, 784)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z):
        h3 = F.relu(self.fc3(z))
        return torch.sigmoid(self.fc4(h3))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 784))
        z = self.reparameterize(mu, logvar)
        return self.decode(z), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    """−ELBO of a batch: Bernoulli reconstruction and KL(q(z|x) ‖ N(0, 1))."""
    bce = F.binary_cross_entropy(recon_x, x.view(-1, 784), reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


def main(epochs=12):
    torch.manual_seed(1)
    images, labels = digits()
    x, y = torch.from_numpy(images).float() / 255, torch.from_numpy(labels)
    train_loader = DataLoader(TensorDataset(x[:4000], y[:4000]), batch_size=64, shuffle=True)
    test_loader = DataLoader(TensorDataset(x[4000:], y[4000:]), batch_size=500)
    model = VAE()
    optimizer = optim.Adam(model.parameters(), lr=2e-3)

    for epoch in range(1, epochs + 1):
        model.train()
        train_loss = 0
        for data, _ in train_loader:
            optimizer.zero_grad()
            recon_batch, mu, logvar = model(data)
            loss = loss_function(recon_batch, data, mu, logvar)
            loss.backward()
            train_loss += loss.item()
            optimizer.step()

        model.eval()
        test_loss = 0
        with torch.no_grad():
            for data, _ in test_loader:
                recon_batch, mu, logvar = model(data)
                test_loss += loss_function(recon_batch, data, mu, logvar).item()
        train_loss /= len(train_loader.dataset)
        test_loss /= len(test_loader.dataset)
        print(f"epoch {epoch}  train {train_loss:.2f}  test {test_loss:.2f} nats a digit")

    with torch.no_grad():
        sample = model.decode(torch.randn(64, 16)).cpu()
    print("new digits:", tuple(sample.view(64, 1, 28, 28).size()), f"mean ink {sample.mean():.3f}")
    return test_loss


if __name__ == "__main__":
    assert main() < 135
