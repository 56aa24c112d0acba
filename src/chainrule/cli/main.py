"""The entry point: finds the command, and turns every error into one line and an exit status."""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from chainrule.base import text
from chainrule.base.errors import ChainruleError
from chainrule.base.text import LANGUAGES, set_language, t
from chainrule.cli.parser import Parser, UsageError, own_words

OK, FAILED, BAD_INPUT, INTERRUPTED, BROKEN_PIPE, TERMINATED = 0, 1, 2, 130, 141, 143

# Each command's module, loaded when the command is used, and what it is for.
COMMANDS: dict[str, tuple[str, Callable[[], str]]] = {
    "train": ("train", lambda: t("train a model on digits or your own data")),
    "evaluate": ("evaluate", lambda: t("measure a trained model on data")),
    "predict": ("predict", lambda: t("ask a trained model what an image shows")),
    "generate": ("generate", lambda: t("let a model of text write on")),
    "explain": ("explain", lambda: t("work the chain rule through, step by step")),
    "summary": ("summary", lambda: t("shapes, parameters and multiply-adds of a model")),
    "gradcheck": ("gradcheck", lambda: t("compare gradients with central differences")),
    "card": ("card", lambda: t("what an operation, layer, loss or optimiser is")),
    "ops": ("ops", lambda: t("the vocabulary of operations, with formulas")),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit status. Only bugs show a traceback, and only when asked to."""
    before = text._current
    arguments = list(sys.argv[1:] if argv is None else argv)
    _let_any_terminal_print()
    try:
        with _plain_warnings():
            status = _run(arguments)
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        say(t("Interrupted."))
        return INTERRUPTED
    except BrokenPipeError:
        # What reads our output has gone, as `head` does.
        _silence(sys.stdout)
        return BROKEN_PIPE
    except (ChainruleError, UnicodeDecodeError) as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(os_message(error))
    except MemoryError:
        return _refuse(t("There is not enough memory for this."))
    except Exception as error:
        if os.environ.get("CHAINRULE_DEBUG"):
            traceback.print_exc()
        else:
            say(
                t(
                    "This is a bug in chainrule, please report it ({kind}: {what}). "
                    "CHAINRULE_DEBUG=1 shows where.",
                    kind=type(error).__name__,
                    what=error,
                )
            )
        return FAILED
    finally:
        # As the caller had it: a script may call main() several times.
        set_language(before)


def _run(arguments: list[str]) -> int:
    chosen = _take_language(arguments)
    if chosen is not None:
        set_language(chosen)
    with own_words():
        if arguments and arguments[0] in COMMANDS:
            name = arguments[0]
            module = import_module(f"chainrule.cli.{COMMANDS[name][0]}")
            parser = Parser(prog=f"chainrule {name}", description=COMMANDS[name][1]())
            module.add_arguments(parser)
            _add_language(parser)
            rest = getattr(module, "tidy", lambda rest: rest)(arguments[1:])
            command: Callable[[Any], int] = module.run
        else:
            parser, rest, command = _top(), arguments, _top_run
        try:
            options = parser.parse_args(rest)
        except SystemExit as done:
            # --help and --version end here.
            return int(done.code or 0)
    options.command_line = arguments
    return command(options)


def _top() -> Parser:
    parser = Parser(
        prog="chainrule",
        description=t("A deep-learning framework that you can see through."),
        epilog=t("chainrule COMMAND --help tells more about a command."),
    )
    parser.add_argument("--version", action="version", version=f"chainrule {version()}")
    _add_language(parser)
    commands = parser.add_subparsers(title=t("commands"), metavar=t("COMMAND"), dest="name")
    for name, (_, purpose) in COMMANDS.items():
        commands.add_parser(name, help=purpose())
    return parser


def _top_run(options: Any) -> int:
    with own_words():
        _top().print_help()
    return OK


def version() -> str:
    """The version of the package."""
    return str(import_module("chainrule").__version__)


def _add_language(parser: Parser) -> None:
    # Taken from the command line before parsing; here for the help only.
    parser.add_argument("--lang", choices=LANGUAGES, help=t("language: en or zh"))


def _take_language(arguments: list[str]) -> str | None:
    """The value of --lang, wherever it stands; it is taken out of the list."""
    for i, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument == "--lang" or argument.startswith("--lang="):
            value = argument[7:] if "=" in argument else "".join(arguments[i + 1 : i + 2])
            del arguments[i : i + (1 if "=" in argument else 2)]
            if value not in LANGUAGES:
                raise UsageError(
                    t("--lang is one of {known}, not {value!r}.", known=", ".join(LANGUAGES),
                      value=value)
                )  # fmt: skip
            return value
    return None


# ---- what goes wrong -------------------------------------------------------------------------


def os_message(error: OSError) -> str:
    """An error of the operating system as a sentence that names the file."""
    path = error.filename if error.filename is not None else t("a file")
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    match error.errno:
        case None:
            return str(error)
        case errno.ENOSPC | errno.EDQUOT:
            return t("{path}: the disk is full; no half file was left behind.", path=path)
        case errno.EFBIG:
            return t("{path}: larger than files may be here; no half file was left behind.",
                     path=path)  # fmt: skip
        case errno.ENOENT:
            return t("{path}: there is no such file or folder.", path=path)
        case errno.EACCES | errno.EPERM:
            return t("{path}: permission denied.", path=path)
        case errno.EROFS:
            return t("{path}: this place can only be read.", path=path)
        case errno.EISDIR:
            return t("{path} is a folder where a file is needed.", path=path)
        case errno.ENOTDIR | errno.EEXIST:
            return t("{path} is a file where a folder is needed.", path=path)
    return t("{path}: {reason}", path=path, reason=error.strerror or error)


def _refuse(message: str) -> int:
    say(message)
    return BAD_INPUT


def say(message: str) -> None:
    """One line on stderr."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _silence(sys.stdout)
    try:
        print(f"chainrule: {' '.join(message.split())}", file=sys.stderr)
    except BrokenPipeError:
        _silence(sys.stderr)


def _silence(stream: Any) -> None:
    # Python would complain at its exit about what it cannot write to the end of a broken pipe.
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Warnings to the user as one line, without file names and source code."""
    before = warnings.showwarning

    def show(message: Any, category: Any, *place: Any, **named: Any) -> None:
        if issubclass(category, UserWarning):
            say(t("warning: {message}", message=message))
        else:
            before(message, category, *place, **named)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before


def _let_any_terminal_print() -> None:
    # A daemon may start us with its streams closed; what we say then goes nowhere.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    # ∂ and × in an ASCII or Latin-1 terminal become question marks rather than an error.
    for stream in (sys.stdout, sys.stderr):
        if "utf" not in (getattr(stream, "encoding", "") or "utf").lower():
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(errors="replace")
