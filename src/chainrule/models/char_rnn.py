"""Recurrent networks over characters: one that writes on, and one that sorts lines into classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from chainrule import nn
from chainrule.base.constraints import Int, Interval
from chainrule.base.dtypes import int64
from chainrule.base.errors import ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.models.registry import model
from chainrule.nn import functional as F
from chainrule.ops import functional as ops


@model("char-rnn")
class CharRNN(nn.Module):
    """Embedding → RNN layers → Linear: from characters to scores of what comes next.

    ids [N, T] (int64, below `classes`) → logits [N, classes, T], as `cross_entropy` takes them;
    with `state`, that of `initial_state` or of the piece of text before, → (logits, new state).
    Source: A. Graves, "Generating sequences with recurrent
    neural networks", 2013; `char-lstm` and `char-gru` have these layers instead.

    Options:
        embedding: size of the vector of each character.
        hidden: size of the states of each layer.
        layers: how many, one upon another.
        dropout: probability between layers and before the last one.

    `input_shape` is (T,), the length that it is trained on; others are taken as well.
    """

    usual_input = (64,)
    input_dtype = int64
    _layer: ClassVar[Any] = nn.RNN

    def __init__(
        self,
        input_shape: Sequence[int] = usual_input,
        classes: int = 96,
        embedding: int = 64,
        hidden: int = 256,
        layers: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        check_length(owner, input_shape)
        rate = Interval(0, 1).check(dropout, owner, "dropout")
        layers = Int(low=1).check(layers, owner, "layers")
        self.hidden = Int(low=1).check(hidden, owner, "hidden")
        self.embedding = nn.Embedding(classes, Int(low=1).check(embedding, owner, "embedding"))
        between = {"dropout": rate} if layers > 1 else {}
        self.recurrent = self._layer(embedding, hidden, layers, batch_first=True, **between)
        self.dropout = nn.Dropout(rate)
        self.fc = nn.Linear(hidden, classes)

    def initial_state(self, batch_size: int) -> Any:
        """The state before the first character: zeros [layers, batch_size, hidden], for an LSTM
        (h, c)."""
        shape = (self.recurrent.num_layers, batch_size, self.hidden)
        dtype = self.fc.weight.dtype
        if self.recurrent.memory:
            return ops.zeros(shape, dtype=dtype), ops.zeros(shape, dtype=dtype)
        return ops.zeros(shape, dtype=dtype)

    def forward(self, ids: Tensor, state: Any = None) -> Any:
        y, after = self.recurrent(self.embedding(ids), state)
        logits = self.fc(self.dropout(y)).transpose(1, 2)
        return logits if state is None else (logits, after)


@model("char-lstm")
class CharLSTM(CharRNN):
    """`char-rnn` with long short-term memory: what it has read long ago stays in c."""

    _layer = nn.LSTM


@model("char-gru")
class CharGRU(CharRNN):
    """`char-rnn` with gated recurrent units: one state, two gates."""

    _layer = nn.GRU


@model("line-classifier")
class LineClassifier(nn.Module):
    """Embedding → LSTM → for each class what character comes next: which kind of line is likeliest?

    ids [N, T] and how many of them each line has [N] (all, if not given) → logits [N, classes]:
    ln of how probable the line is as one of each class, its end included. One LSTM reads for all
    classes; each has a last layer of its own. Number 0 fills up short lines, begins and ends a
    line, and stands for characters never seen, which count for nothing.

    With thousands of lines such a model of the lines beats one that only tells them apart:
    A. Ng, M. Jordan, "On discriminative vs. generative classifiers", 2001; D. Yogatama et al.,
    "Generative and discriminative text classification with recurrent neural networks", 2017.

    Options:
        vocabulary: how many numbers there are, 0 among them.
        embedding, hidden: sizes of a character's vector and of the states.
        dropout: probability before the last layer, and half of it of the characters' vectors.
    """

    usual_input = (64,)
    input_dtype = int64

    def __init__(
        self,
        input_shape: Sequence[int] = usual_input,
        classes: int = 2,
        vocabulary: int = 97,
        embedding: int = 32,
        hidden: int = 128,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        owner = "line-classifier"
        check_length(owner, input_shape)
        rate = Interval(0, 1).check(dropout, owner, "dropout")
        self.shape = (classes, Int(low=1).check(vocabulary, owner, "vocabulary"))
        self.embedding = nn.Embedding(vocabulary, Int(low=1).check(embedding, owner, "embedding"))
        hidden = Int(low=1).check(hidden, owner, "hidden")
        self.recurrent = nn.LSTM(embedding, hidden, batch_first=True)
        self.before, self.dropout = nn.Dropout(rate / 2), nn.Dropout(rate)
        self.fc = nn.Linear(hidden, classes * vocabulary)

    def forward(self, ids: Tensor, lengths: Tensor | None = None) -> Tensor:
        n, length = ids.shape
        end = ops.zeros(n, 1, dtype=ids.dtype)
        following = ops.cat([ids, end], 1).reshape(n, length + 1, 1, 1)
        y, _ = self.recurrent(self.before(self.embedding(ops.cat([end, ids], 1))))
        scores = self.fc(self.dropout(y)).reshape(n, length + 1, *self.shape)
        places = following.expand(n, length + 1, self.shape[0], 1)
        found = ops.gather(F.log_softmax(scores, 3), 3, places).squeeze(3)
        last = length if lengths is None else lengths.reshape(n, 1)
        counts = (following.reshape(n, length + 1) > 0) | (ops.arange(length + 1) == last)
        return (found * counts.to(found.dtype).unsqueeze(2)).sum(1)


# Of a line of verse, about.
_CHARACTERS = 43


def line_loss(output: Tensor, target: Tensor) -> Tensor:
    """What `line-classifier` is trained with: how unlikely the lines are in their classes, per
    character, and 0.3 of the cross-entropy of the classes. output [N, classes], target [N]."""
    return F.nll_loss(output, target) / _CHARACTERS + 0.3 * F.cross_entropy(output, target)


def check_length(owner: str, input_shape: Sequence[int]) -> None:
    """Refuses an input that is no sequence of numbers."""
    if len(input_shape) != 1:
        raise ShapeError(
            t(
                "Model {name} takes sequences of characters, (length,), not inputs of shape "
                "{shape}.",
                name=owner,
                shape=tuple(input_shape),
            )
        )
