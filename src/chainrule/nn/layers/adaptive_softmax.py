"""A softmax over very many classes that spends little on the rare ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.constraints import Bool, Int, Positive
from chainrule.base.errors import ArgumentError, IndexRangeError, ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn.containers import ModuleList, Sequential
from chainrule.nn.layers.linear import Linear
from chainrule.nn.module import Module
from chainrule.ops import functional as ops


class AdaptiveLogSoftmax(NamedTuple):
    """The log-probability of each target, and −their mean."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-softmax over `n_classes` classes sorted by frequency, the most frequent first.

    `cutoffs` split the classes into a head, computed always, and clusters, computed only for the
    rows whose target lies there; cluster i is projected down to in_features / div_value^(i+1).
    Called with x (N, in_features) and classes (N,), or (in_features,) and (): gives (output, loss).
    Which rows a cluster gets depends on the targets, so that it runs in glass mode.
    E. Grave et al., "Efficient softmax approximation for GPUs", ICML (2017).
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        owner = "AdaptiveLogSoftmaxWithLoss"
        self.in_features = Int(low=1).check(in_features, owner, "in_features")
        self.n_classes = Int(low=1).check(n_classes, owner, "n_classes")
        ends = [Int(low=1).check(c, owner, "cutoffs") for c in cutoffs]
        rising = all(a < b for a, b in zip(ends, ends[1:], strict=False))
        if not ends or not rising or ends[-1] >= n_classes:
            raise ArgumentError(
                t(
                    "AdaptiveLogSoftmaxWithLoss: cutoffs must rise and lie between 1 and {last}, "
                    "got {cutoffs}.",
                    last=n_classes - 1,
                    cutoffs=list(cutoffs),
                )
            )
        self.cutoffs = [*ends, n_classes]
        self.div_value = Positive().check(div_value, owner, "div_value")
        self.head_bias = Bool().check(head_bias, owner, "head_bias")
        self.shortlist_size = ends[0]
        self.n_clusters = len(ends)
        self.head_size = self.shortlist_size + self.n_clusters
        made = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **made)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            narrow = int(in_features // div_value ** (i + 1))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(
                    Linear(in_features, narrow, bias=False, **made),
                    Linear(narrow, size, bias=False, **made),
                )
            )

    def reset_parameters(self) -> None:
        """Draws all weights anew."""
        for module in self.modules():
            if isinstance(module, Linear):
                module.reset_parameters()

    def forward(self, input: Tensor, target: Tensor) -> AdaptiveLogSoftmax:
        rows = input.unsqueeze(0) if input.ndim == 1 else input
        y = target.unsqueeze(0) if input.ndim == 1 else target
        if rows.ndim != 2 or rows.shape[1] != self.in_features or y.shape != rows.shape[:1]:
            raise ShapeError(
                t(
                    "AdaptiveLogSoftmaxWithLoss takes (N, {n}) and targets (N,), or ({n},) and (): "
                    "got {x} and {y}.",
                    n=self.in_features,
                    x=input.shape,
                    y=target.shape,
                )
            )
        y = y.long()
        classes = np.asarray(y.detach().numpy())
        if classes.size and not (classes.min() >= 0 and classes.max() < self.n_classes):
            raise IndexRangeError(
                t(
                    "AdaptiveLogSoftmaxWithLoss: targets must lie in 0 to {last}, but go from "
                    "{low} to {high}.",
                    last=self.n_classes - 1,
                    low=int(classes.min()),
                    high=int(classes.max()),
                )
            )
        cluster = np.searchsorted(self.cutoffs, classes, side="right")  # 0: the head
        at = np.where(cluster == 0, classes, self.shortlist_size + cluster - 1)
        head = F.log_softmax(self.head(rows), 1)
        output = ops.gather(head, 1, Tensor(at).unsqueeze(1)).squeeze(1)
        for i in range(self.n_clusters):
            (chosen,) = np.nonzero(cluster == i + 1)
            if not chosen.size:
                continue
            index = Tensor(chosen)
            logs = F.log_softmax(self.tail[i](rows[index]), 1)
            place = Tensor(classes[chosen] - self.cutoffs[i]).unsqueeze(1)
            own = ops.gather(logs, 1, place).squeeze(1)
            output = ops.scatter_add(output, 0, index, own)
        loss = -output.mean()
        return AdaptiveLogSoftmax(output.squeeze(0) if input.ndim == 1 else output, loss)

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes, (N, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, tail in enumerate(self.tail):
            share = head[:, self.shortlist_size + i].unsqueeze(1)
            parts.append(F.log_softmax(tail(input), 1) + share)
        return ops.cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each row, (N,)."""
        return self.log_prob(input).argmax(1)
