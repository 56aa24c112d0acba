"""Tables of vectors, looked up by index."""

from __future__ import annotations

from typing import Any

from chainrule.base.constraints import Choice, Int, Number, Positive
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor, no_grad
from chainrule.nn import functional as F
from chainrule.nn import init
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter, blank


class _Table(Module):
    """What both layers share: the table, and how its rows are used."""

    weight: Parameter

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None,
        max_norm: float | None, norm_type: float, scale_grad_by_freq: bool, sparse: bool,
        weight: Tensor | None, device: Any, dtype: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        name = type(self).__name__
        self.num_embeddings = Int(low=0).check(num_embeddings, name, "num_embeddings")
        self.embedding_dim = Int(low=0).check(embedding_dim, name, "embedding_dim")
        if padding_idx is not None:
            Int().check(padding_idx, name, "padding_idx")
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ArgumentError(
                    t(
                        "{name}: padding_idx {index} is outside the table of {rows} rows.",
                        name=name,
                        index=padding_idx,
                        rows=num_embeddings,
                    )
                )
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        if max_norm is not None:
            Positive().check(max_norm, name, "max_norm")
        self.max_norm = max_norm
        self.norm_type = Number().check(norm_type, name, "norm_type")
        self.scale_grad_by_freq = bool(scale_grad_by_freq)
        self.sparse = bool(sparse)
        if weight is None:
            self.weight = blank((num_embeddings, embedding_dim), device, dtype)
            self.reset_parameters()
            return
        if weight.shape != (num_embeddings, embedding_dim):
            raise ShapeError(
                t("{name}: _weight must have shape {expected}, got {shape}.", name=name,
                  expected=(num_embeddings, embedding_dim), shape=tuple(weight.shape))
            )  # fmt: skip
        self.weight = Parameter(weight)

    @classmethod
    def _around(cls, embeddings: Tensor, freeze: bool, **options: Any) -> Any:
        """A layer whose table is there."""
        if embeddings.ndim != 2:
            raise ShapeError(
                t(
                    "{name}.from_pretrained takes a table of shape (rows, dim), got {shape}.",
                    name=cls.__name__,
                    shape=tuple(embeddings.shape),
                )
            )
        make: Any = cls
        layer = make(*embeddings.shape, _weight=embeddings, **options)
        layer.weight.requires_grad = not freeze
        return layer

    def reset_parameters(self) -> None:
        """Draw the table anew: normal, mean 0, standard deviation 1."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0


class Embedding(_Table):
    """Integers of any shape → vectors: (…) → (…, embedding_dim).

    The row `padding_idx` starts as zeros and gets no gradient. `max_norm`: rows in use whose
    `norm_type`-norm is greater are scaled down to it, in place. `scale_grad_by_freq`: the gradient
    of a row is divided by how often the batch names it. `sparse`: the gradient
    of the table holds the rows in use and no others, so that a step with SGD, Adagrad or SparseAdam
    costs what they cost, however large the table; other optimisers refuse it. A compiled step (one
    native program) keeps it dense inside, with the same numbers.

    >>> cr.nn.Embedding(100, 8)(cr.tensor([[1, 5], [7, 7]])).shape
    (2, 2, 8)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq,
            sparse, _weight, device, dtype,
        )  # fmt: skip
        self.weight.requires_grad = not _freeze

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None,
        max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:  # fmt: skip
        """A layer around a table of shape (rows, dim) that is there; frozen unless told."""
        layer: Embedding = cls._around(
            embeddings, freeze, padding_idx=padding_idx, max_norm=max_norm, norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq, sparse=sparse,
        )  # fmt: skip
        return layer

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type,
            self.scale_grad_by_freq, self.sparse,
        )  # fmt: skip

    def extra_repr(self) -> str:
        words = [f"{self.num_embeddings}, {self.embedding_dim}"]
        usual = {"padding_idx": None, "max_norm": None, "norm_type": 2, "scale_grad_by_freq": False,
                 "sparse": False}  # fmt: skip
        values = {name: getattr(self, name) for name in usual}
        words += [f"{name}={value}" for name, value in values.items() if value != usual[name]]
        return ", ".join(words)


class EmbeddingBag(_Table):
    """Rows of a table, reduced over each bag of indices by `mode` ("sum", "mean", "max"), without
    keeping the rows: (B, L), or (n,) with the `offsets` (B,) where the bags start →
    (B, embedding_dim).

    `padding_idx`: an index that counts for nothing. `include_last_offset`: the last offset is where
    the last bag ends. Other options as for `Embedding`.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq,
            sparse, _weight, device, dtype,
        )  # fmt: skip
        self.mode = Choice("sum", "mean", "max").check(mode, "EmbeddingBag", "mode")
        self.include_last_offset = bool(include_last_offset)

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False, mode: str = "mean",
        sparse: bool = False, include_last_offset: bool = False, padding_idx: int | None = None,
    ) -> EmbeddingBag:  # fmt: skip
        """A layer around a table of shape (rows, dim) that is there; frozen unless told."""
        layer: EmbeddingBag = cls._around(
            embeddings, freeze, max_norm=max_norm, norm_type=norm_type, sparse=sparse, mode=mode,
            scale_grad_by_freq=scale_grad_by_freq, include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )  # fmt: skip
        return layer

    def forward(
        self, input: Tensor, offsets: Tensor | None = None,
        per_sample_weights: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        return F.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq,
            self.mode, self.sparse, per_sample_weights, self.include_last_offset, self.padding_idx,
        )  # fmt: skip

    def extra_repr(self) -> str:
        words = [f"{self.num_embeddings}, {self.embedding_dim}"]
        usual = {"max_norm": None, "norm_type": 2, "scale_grad_by_freq": False, "mode": "",
                 "padding_idx": None}  # fmt: skip
        values = {name: getattr(self, name) for name in usual}
        words += [f"{name}={value!r}" for name, value in values.items() if value != usual[name]]
        return ", ".join(words)
