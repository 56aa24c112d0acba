"""Two LSTM cells learn to go on with sine waves; L-BFGS with a closure, double precision.

After training on the waves' first part the network's own outputs are its next inputs.
"""

import chainrule as torch
import chainrule.nn as nn
import chainrule.optim as optim

LENGTH, FUTURE = 80, 40


class Sequence(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.hidden = hidden
        self.lstm1 = nn.LSTMCell(1, hidden)
        self.lstm2 = nn.LSTMCell(hidden, hidden)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, input, future=0):
        outputs = []
        h_t = torch.zeros(input.size(0), self.hidden, dtype=torch.double)
        c_t = torch.zeros(input.size(0), self.hidden, dtype=torch.double)
        h_t2 = torch.zeros(input.size(0), self.hidden, dtype=torch.double)
        c_t2 = torch.zeros(input.size(0), self.hidden, dtype=torch.double)

        for input_t in input.split(1, dim=1):
            h_t, c_t = self.lstm1(input_t, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        for _ in range(future):
            h_t, c_t = self.lstm1(output, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        return torch.cat(outputs, dim=1)


def waves(count):
    """Sine waves of 20 steps a period and different phases."""
    phase = torch.rand(count, 1, dtype=torch.double) * 20
    steps = torch.arange(LENGTH + FUTURE + 1, dtype=torch.double)
    return torch.sin((steps + phase) / 20 * 6.283185307179586)


def main(rounds=6):
    torch.manual_seed(0)
    data = waves(33)
    input, target = data[3:, :LENGTH], data[3:, 1 : LENGTH + 1]
    test_input, test_target = data[:3, :LENGTH], data[:3, 1:]

    seq = Sequence()
    seq.double()
    criterion = nn.MSELoss()
    optimizer = optim.LBFGS(seq.parameters(), lr=0.8, max_iter=12)
    for i in range(rounds):

        def closure():
            optimizer.zero_grad()
            out = seq(input)
            loss = criterion(out, target)
            loss.backward()
            return loss

        loss = optimizer.step(closure)
        with torch.no_grad():
            pred = seq(test_input, future=FUTURE)
            told = criterion(pred[:, :LENGTH], test_target[:, :LENGTH])
            alone = criterion(pred[:, LENGTH:], test_target[:, LENGTH:])
        print(
            f"round {i}  loss before {loss.item():.5f}  "
            f"test {told.item():.5f}  alone {alone.item():.5f}"
        )
    return alone.item()


if __name__ == "__main__":
    assert main() < 0.05
