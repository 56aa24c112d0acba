"""`chainrule generate`: a model of text writes on."""

from __future__ import annotations

import argparse
import math
from typing import Any

from chainrule import models
from chainrule.base.text import t
from chainrule.cli.options import filled, whole
from chainrule.cli.parser import Parser
from chainrule.cli.run_folder import MAX_SEED
from chainrule.cli.text import writer


def add_arguments(parser: Parser) -> None:
    parser.epilog = t(
        'examples: chainrule generate runs/char-lstm --prompt "To be"\n'
        "          chainrule generate runs/char-lstm --temperature 0.5 --top-k 5 --seed 7"
    )
    add = parser.add_argument
    add("run", type=filled, metavar=t("RUN"), help=t("a run folder, or a model.safetensors"))
    add("--prompt", type=_prompt, metavar=t("TEXT"), help=t("what the text begins with"))
    add("--length", type=whole(1, 1_000_000), default=400, metavar="N",
        help=t("how many characters to write (400)"))  # fmt: skip
    add("--temperature", type=_temperature, default=0.8, metavar="T",
        help=t("below 1 surer, above 1 bolder, 0 always the likeliest (0.8)"))  # fmt: skip
    add("--top-k", type=whole(1), metavar="K", help=t("choose among the K likeliest only"))
    add("--seed", type=whole(0, MAX_SEED), default=0, metavar="N",
        help=t("names all that is random (0)"))  # fmt: skip


def run(options: Any) -> int:
    model = writer(options.run)
    prompt = options.prompt
    if prompt is None:
        known = model.characters
        prompt = "\n" if "\n" in known else known.characters[0]
    characters = models.generate(
        model,
        prompt,
        options.length,
        temperature=options.temperature,
        top_k=options.top_k,
        seed=options.seed,
    )
    print(prompt.lstrip("\n"), end="", flush=True)
    for character in characters:
        print(character, end="", flush=True)
    print()
    return 0


def _prompt(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError(t("it is empty"))
    return text


def _temperature(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(t("{text!r} is not a number from 0 up", text=text))
    return value
