"""Every formula that is shown parses under KaTeX, strictly: no unknown command, no bare sign.

Needs node and KaTeX (`cd web && npm ci`): without them these tests are skipped.
"""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import models, nn
from chainrule.explain.cards import card, entries
from chainrule.explain.explanation.inner import inside, to_data
from chainrule.ops.random import manual_seed

WEB = Path(__file__).parents[2] / "web"
pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (WEB / "node_modules" / "katex").exists(),
    reason="NO KATEX: cd web && npm ci; the formulas were not parsed",
)

CHECK = """
const katex = require("katex");
const refused = [];
for (const tex of JSON.parse(require("fs").readFileSync(0, "utf8"))) {
  try {
    katex.renderToString(tex, {strict: "error", throwOnError: true, displayMode: true});
  } catch (error) { refused.push([tex, String(error.message ?? error)]); }
}
console.log(JSON.stringify(refused));
"""


def refused(formulas):
    """The formulas that KaTeX refuses, with its reasons."""
    found = subprocess.run(
        ["node", "-e", CHECK], cwd=WEB, input=json.dumps(sorted(set(formulas))), check=True,
        capture_output=True, encoding="utf-8",
    )  # fmt: skip
    return json.loads(found.stdout)


class Sequence(nn.Module):
    """Embedding, LSTM, attention and layer norm."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(12, 8)
        self.lstm = nn.LSTM(8, 4, batch_first=True)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.norm = nn.LayerNorm(4)
        self.out = nn.Linear(4, 5)

    def forward(self, x):
        h, _ = self.lstm(self.embedding(x))
        mixed, _ = self.attention(h, h, h, need_weights=False)
        return self.out(self.norm(h + mixed)[:, -1])


def explained(name):
    manual_seed(0)
    rng = np.random.default_rng(0)
    if name == "sequence":
        model, x = Sequence(), cr.tensor(rng.integers(0, 12, (2, 3)))
    else:
        model = models.build(name)
        x = cr.tensor(rng.normal(size=(2, 1, 28, 28)).astype(np.float32))
    with cr.explain.recording():
        loss = nn.CrossEntropyLoss()(model(x), cr.tensor(rng.integers(0, 5, 2)))
    return cr.explain(loss)


def latex_in(data):
    """All formulas in plain data, wherever they stand."""
    if isinstance(data, dict):
        own = [data["latex"]] if isinstance(data.get("latex"), str) else []
        return own + [tex for value in data.values() for tex in latex_in(value)]
    return [tex for each in data for tex in latex_in(each)] if isinstance(data, list) else []


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", ["lenet", "lenet-bn", "sequence"])
def test_formulas_of_explanations(name, language):
    explanation = explained(name)
    formulas = latex_in(explanation.to_dict(language))
    formulas += latex_in(to_data(inside(explanation.steps), language))
    assert len(formulas) > 50
    assert refused(formulas) == []


def test_formulas_of_cards():
    formulas = []
    for name in entries():
        found = card(name)
        lines = [found.definition, *found.derivation, *found.gradients.values()]
        formulas += [line.tex for line in lines]
    assert len(formulas) > 500
    assert refused(formulas) == []
