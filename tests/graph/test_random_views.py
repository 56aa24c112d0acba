"""Random programs of views and writes, side by side with PyTorch: same numbers, or both refuse."""

import random

import numpy as np
import pytest

import chainrule as cr


class Writer:
    """Writes a program line by line; knows the shape of every tensor in it."""

    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.lines, self.shapes = [], {"x": (3, 4)}
        self.new("x * 2", (3, 4))
        if self.draw.random() < 0.3:
            self.new("m.arange(12).reshape(3, 4).to(m.float64) * 0.1", (3, 4))
        for _ in range(self.draw.randint(4, 14)):
            self.step()
        computed = list(self.shapes)[1:]
        self.used = self.draw.sample(computed, min(len(computed), 3))

    def new(self, expression, shape):
        name = f"t{len(self.shapes)}"
        self.lines.append(f"{name} = {expression}")
        self.shapes[name] = shape

    def like(self, shape):
        return [n for n, s in self.shapes.items() if s == shape]

    def step(self):
        a = self.draw.choice(list(self.shapes)[1:])
        s = self.shapes[a]
        b = self.draw.choice(self.like(s))
        row = self.draw.randrange(s[0]) if s and s[0] else 0
        source = self.draw.choice(self.like(s[1:]) or ["0.5"]) if s else ""
        views = [
            (bool(s), f"{a}[{row}]", s[1:]),
            (len(s) > 0 and s[0] > 1, f"{a}[1:]", (s[0] - 1 if s else 0, *s[1:])),
            (len(s) == 2, f"{a}.t()", s[::-1]),
            # Whether reshape copies depends on the layout, which is nobody's promise.
            (True, f"({a} + 0).reshape(-1)", (int(np.prod(s)),)),
            (True, f"{a}.unsqueeze(0)", (1, *s)),
            (len(s) > 0 and s[0] > 2, f"{a}[::2]", ((s[0] + 1) // 2 if s else 0, *s[1:])),
            (len(s) == 2, f"{a}.permute(1, 0)[0]", s[:1]),
            (True, f"{a} * {b}", s), (True, f"{a} + {b}", s), (True, f"{a}.clone()", s),
            (True, f"{a}.tanh()", s), (True, f"{a}.detach()", s),
        ]  # fmt: skip
        writes = [
            f"{a}.mul_({b})", f"{a}.add_({b})", f"{a}.mul_(1.5)", f"{a}.sin_()",
            f"{a}.copy_({b})", f"with m.no_grad():\n    {a}.mul_(0.5)",
            *([f"{a}[{row}] = {source}"] if s else []),
        ]  # fmt: skip
        if self.draw.random() < 0.4:
            self.lines.append(self.draw.choice(writes))
        else:
            fits, expression, shape = self.draw.choice(views)
            if fits:
                self.new(expression, shape)


def run(m, lines, used):
    x = (m.arange(12).reshape(3, 4) * 0.25 - 0.5).to(m.float64).requires_grad_()
    names = {"m": m, "x": x}
    exec("\n".join(lines), names)
    loss = sum(
        (names[u] * (m.arange(names[u].numel()).reshape(names[u].shape).to(m.float64) + 1)).sum()
        for u in used
    )
    if loss.requires_grad:
        loss.backward()
    values = [names[n].detach().tolist() for n in names if n.startswith("t")]
    return values, [[0.0] * 4] * 3 if x.grad is None else x.grad.tolist()


@pytest.mark.parametrize("block", range(10))
def test_random_views_and_writes_agree(block, torch):
    for seed in range(100 * block, 100 * (block + 1)):
        program = Writer(seed)
        text = "\n".join(program.lines) + f"\nused: {program.used}"
        try:
            theirs = run(torch, program.lines, program.used)
        except RuntimeError:
            continue  # a stale value, or a leaf written: ours may know a right answer
        try:
            values, gradient = run(cr, program.lines, program.used)
        except cr.ChainruleError as error:
            raise AssertionError(f"{error}\n{text}") from error
        for a, b in zip(values, theirs[0], strict=True):
            np.testing.assert_allclose(a, b, err_msg=text)
        np.testing.assert_allclose(gradient, theirs[1], err_msg=text)
