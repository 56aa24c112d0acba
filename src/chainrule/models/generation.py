"""Writing with a language model: one character after another, each drawn from what the model says.

The temperature T divides the logits z before the softmax: p_i ∝ exp(z_i / T). Below 1 the likely
becomes likelier, at 0 the likeliest is taken always; `top_k` leaves only the k likeliest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.constraints import Int, NonNegative, Optional
from chainrule.base.errors import ArgumentError, DataError
from chainrule.base.text import t
from chainrule.data import Draws
from chainrule.data.text import Characters
from chainrule.graph import Tensor, no_grad


def generate(
    model: Any,
    prompt: str,
    length: int = 200,
    *,
    characters: Characters | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
) -> Iterator[str]:
    """The characters that the model writes after `prompt`, one by one as they are made.

    Args:
        model: gives logits [1, classes, T] of ids [1, T]. One with `initial_state` reads every
            character once and keeps its state; another one reads the last `input_shape[0]`
            characters again for each new one.
        length: how many characters.
        characters: its alphabet; by default `model.characters`, which `models.load` sets.
        seed: names the text: the same one again for the same model and options.

    Raises:
        ArgumentError: options outside their range, an empty prompt, no alphabet.
        DataError: a character of the prompt that the model never saw, or logits that are NaN.
    """
    owner = "generate"
    alphabet = characters or getattr(model, "characters", None)
    if alphabet is None:
        raise ArgumentError(t("generate: the model has no alphabet: give characters=."))
    Int(low=0).check(length, owner, "length")
    NonNegative().check(temperature, owner, "temperature")
    Optional(Int(low=1)).check(top_k, owner, "top_k")
    if not prompt:
        raise ArgumentError(t("generate: give a prompt of at least one character."))
    ids = alphabet.encode(prompt)
    draws = Draws(seed, 0, np.arange(length)).uniform(length, 1)[:, 0]
    return _written(model, ids, alphabet, draws, float(temperature), top_k)


def _written(
    model: Any, ids: NDArray[np.int64], alphabet: Characters, draws: NDArray[np.float64],
    temperature: float, top_k: int | None,
) -> Iterator[str]:  # fmt: skip
    training = model.training
    model.eval()
    try:
        state = model.initial_state(1) if hasattr(model, "initial_state") else None
        for u in draws:
            with no_grad():
                if state is None:
                    logits = model(Tensor(ids[None, -model.config["input_shape"][0] :]))
                else:
                    logits, state = model(Tensor(ids[None]), state)
            chosen = choose(np.asarray(logits._data)[0, :, -1], float(u), temperature, top_k)
            yield alphabet.characters[chosen]
            ids = np.array([chosen]) if state is not None else np.append(ids, chosen)
    finally:
        model.train(training)


def choose(
    logits: NDArray[Any], u: float, temperature: float = 1.0, top_k: int | None = None
) -> int:
    """The class that the uniform number u in [0, 1) draws from logits [classes]."""
    z = logits.astype(np.float64)
    if not np.isfinite(z).all():
        raise DataError(t("The model's outputs are NaN or infinite: it cannot write."))
    if temperature == 0:
        return int(z.argmax())
    with np.errstate(over="ignore"):
        z = (z - z.max()) / temperature
    kept = np.arange(len(z)) if top_k is None else np.argsort(-z, kind="stable")[:top_k]
    sums = np.cumsum(np.exp(z[kept]))
    place = int(np.searchsorted(sums, u * sums[-1], side="right"))
    return int(kept[min(place, len(kept) - 1)])
