"""A table of vectors, looked up by index."""

from __future__ import annotations

from typing import Any

from chainrule.base.constraints import Int, Number, Positive
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor, no_grad
from chainrule.nn import functional as F
from chainrule.nn import init
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter, blank


class Embedding(Module):
    """Integers of any shape → vectors: (…) → (…, embedding_dim).

    The row `padding_idx` starts as zeros and gets no gradient. `max_norm`: rows in use whose
    `norm_type`-norm is greater are scaled down to it, in place. `scale_grad_by_freq`: the gradient
    of a row is divided by how often the batch names it.
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        *,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = Int(low=0).check(num_embeddings, "Embedding", "num_embeddings")
        self.embedding_dim = Int(low=0).check(embedding_dim, "Embedding", "embedding_dim")
        if padding_idx is not None:
            Int().check(padding_idx, "Embedding", "padding_idx")
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ArgumentError(
                    t(
                        "Embedding: padding_idx {index} is outside the table of {rows} rows.",
                        index=padding_idx,
                        rows=num_embeddings,
                    )
                )
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        if max_norm is not None:
            Positive().check(max_norm, "Embedding", "max_norm")
        self.max_norm = max_norm
        self.norm_type = Number().check(norm_type, "Embedding", "norm_type")
        self.scale_grad_by_freq = bool(scale_grad_by_freq)
        if sparse:
            raise ArgumentError(
                t(
                    "Embedding: gradients are dense here, sparse ones do not exist: drop "
                    "sparse=True."
                )
            )
        self.sparse = False
        self.weight = blank((num_embeddings, embedding_dim), device, dtype)
        self.reset_parameters()

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None,
        max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:  # fmt: skip
        """A layer around a table of shape (rows, dim) that is there; frozen unless told."""
        if embeddings.ndim != 2:
            raise ShapeError(
                t(
                    "Embedding.from_pretrained takes a table of shape (rows, dim), got {shape}.",
                    shape=tuple(embeddings.shape),
                )
            )
        rows, dim = embeddings.shape
        layer = cls(
            rows, dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse,
            dtype=embeddings.dtype,
        )  # fmt: skip
        layer.weight = Parameter(embeddings, requires_grad=not freeze)
        return layer

    def reset_parameters(self) -> None:
        """Draw the table anew: normal, mean 0, standard deviation 1."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type,
            self.scale_grad_by_freq,
        )  # fmt: skip

    def extra_repr(self) -> str:
        words = [f"{self.num_embeddings}, {self.embedding_dim}"]
        usual = {"padding_idx": None, "max_norm": None, "norm_type": 2, "scale_grad_by_freq": False}
        values = {name: getattr(self, name) for name in usual}
        words += [f"{name}={value}" for name, value in values.items() if value != usual[name]]
        return ", ".join(words)
