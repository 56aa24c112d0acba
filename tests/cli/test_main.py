"""The frame of the command line: help, language, exit statuses, errors in one line."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.base.errors import DataError
from chainrule.base.text import language, set_language
from chainrule.cli import main as entry

COMMANDS = ["train", "evaluate", "predict", "explain", "summary", "gradcheck", "ops"]


def test_version_and_help(cli):
    import chainrule

    assert cli("--version").out == f"chainrule {chainrule.__version__}\n"
    for arguments in ([], ["--help"]):
        result = cli(*arguments)
        assert result.status == 0 and result.err == ""
        assert all(f"\n    {name}" in result.out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_in_both_languages(cli, command):
    english, chinese = cli(command, "--help").out, cli("--lang", "zh", command, "--help").out
    assert english.startswith(f"usage: chainrule {command} ") and "options:" in english
    assert chinese.startswith(f"用法：chainrule {command} ") and "选项:" in chinese
    for line in chinese.splitlines():
        word = line.split()[-1:] or [""]
        assert not word[0].startswith("show this"), line
    assert max(map(len, english.splitlines())) <= 80


def test_the_language_holds_for_one_call_only(cli):
    assert cli("explain", "x", "x=1", "--lang=zh").out.count("梯度") > 0
    assert language() == "en"
    set_language("zh")
    try:
        assert "缺少参数：表达式" in cli("explain").err
        assert language() == "zh"
        assert "required" in cli("explain", "--lang", "en").err
    finally:
        set_language(None)


def test_the_environment_chooses_the_language_too(cli, monkeypatch):
    monkeypatch.setenv("CHAINRULE_LANG", "zh_CN.UTF-8")
    assert "不认识的参数：--quux" in cli("ops", "--quux").err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["trian"], "did you mean 'train'?"),
        (["--lang", "fr"], "--lang is one of en, zh, not 'fr'."),
        (["ops", "--lang"], "--lang is one of en, zh"),
        (["ops", "--bogus"], "unrecognized arguments: --bogus (see chainrule ops --help)"),
        (["train"], "MODEL"),
        (["train", "lenet", "--epochs", "0"], "'0' is not a whole number from 1 up"),
        (["train", "lenet", "--epochs", "many"], "'many' is not a whole number"),
        (["train", "lenet", "--epochs"], "expected one argument"),
        (["train", "lenet", "--lr", "-1"], "'-1' is not a number above 0"),
        (["train", "lenet", "--lr", "nan"], "'nan' is not a number above 0"),
        (["train", "lenet", "--seed", "-3"], "'-3' is not a whole number from 0 up"),
        (["train", "lenet", "--optimizer", "adaam"], "did you mean 'adam'?"),
        (["train", "lenet", "--precision", "float16"], "none of float32, float64, bf16"),
        (["train", "lenet", "--input", "28"], "it cannot become (28,)"),
        (["summary", "lenet", "--input", "a,b"], "'a,b' is not a shape such as 1,28,28"),
        (["summary", "lenet", "--input", "0,28,28"], "is not a shape"),
        (["summary", "lenet", "--input", "1,99999,99999"], "is not a shape"),
        (["summary", "lenet", "--input", "1,8,8"], "too small"),
        (["summary", "lent"], "did you mean 'lenet'?"),
        (["explain", "x", "x"], "'x' is not of the form NAME=VALUE."),
        (["explain", "x", "-o", "y=1"], "There is no option -o; --help lists them."),
        (["explain", __file__], "is no expression. `chainrule explain` takes one"),
        (["explain", "x", "x=1", "x=2"], "x is given a value twice."),
        (["explain", "x+y", "x=1"], "No value for y"),
        (["explain", "x", "x=1", "--digits", "0"], "'0' is not a whole number from 1 up"),
        (["gradcheck", "argmax"], "argmax has no gradient to check."),
        (["gradcheck", "x=1"], "NAME=VALUE belongs to --expr"),
        (["ops", "sgmoid"], "did you mean 'sigmoid'?"),
        (["evaluate", "no/such/run"], "no/such/run: there is no such file or folder."),
    ],
)  # fmt: skip
def test_bad_input_gets_one_line_and_status_2(refused, arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert says in refused(*arguments)
    assert list(tmp_path.iterdir()) == []


def fail_with(monkeypatch, error):
    def run(options):
        raise error

    monkeypatch.setattr("chainrule.cli.ops.run", run)


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (DataError("one\n  two"), 2, "one two"),
        (OSError(errno.ENOSPC, "No space left", "a/b"), 2, "a/b: the disk is full; no half file"),
        (OSError(errno.EFBIG, "File too large", "a/b"), 2, "a/b: larger than files may be here"),
        (OSError(errno.ENOSPC, "No space left"), 2, "a file: the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "a"), 2, "a: permission denied."),
        (OSError(errno.EROFS, "Read-only", "a"), 2, "a: this place can only be read."),
        (FileNotFoundError(errno.ENOENT, "No such", "a"), 2, "a: there is no such file"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", b"a"), 2, "a is a folder"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a"), 2, "a is a file"),
        (OSError(errno.EIO, "Input/output error", "a"), 2, "a: Input/output error"),
        (FileNotFoundError("said in words"), 2, "said in words"),
        (MemoryError(), 2, "not enough memory"),
        (KeyboardInterrupt(), 130, "Interrupted."),
        (ZeroDivisionError("division"), 1, "bug in chainrule, please report it (ZeroDivisionError"),
    ],
)
def test_errors_become_one_line(cli, monkeypatch, error, status, says):
    fail_with(monkeypatch, error)
    result = cli("ops")
    assert result.status == status
    assert len(result.err.splitlines()) == 1 and says in result.err
    assert "Traceback" not in result.err


def test_a_bug_shows_its_traceback_only_when_asked_to(cli, monkeypatch):
    fail_with(monkeypatch, ZeroDivisionError("division"))
    monkeypatch.setenv("CHAINRULE_DEBUG", "1")
    result = cli("ops")
    assert result.status == 1 and "Traceback" in result.err and "division" in result.err


def test_warnings_are_one_line_each(cli, monkeypatch):
    import warnings

    def run(options):
        warnings.warn("take care", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setattr("chainrule.cli.ops.run", run)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = cli("ops")
    assert result.status == 0 and result.err == "chainrule: warning: take care\n"


# ---- real processes ----------------------------------------------------------------------------


def process(*arguments, **options):
    source = str(Path(entry.__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": source} | options.pop("env", {})
    return subprocess.run(
        [sys.executable, "-m", "chainrule", *arguments],
        capture_output=True, env=environment, timeout=60, **options,
    )  # fmt: skip


def test_it_starts_and_loads_nothing_heavy():
    assert process("--version").returncode == 0
    code = "import sys; from chainrule.cli.main import main; main(['--help']); print(*sys.modules)"
    source = str(Path(entry.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": source},
    )  # fmt: skip
    loaded = done.stdout.splitlines()[-1].split()
    for heavy in ("rich", "PIL", "numba", "llvmlite", "chainrule.nn", "chainrule.train"):
        assert heavy not in loaded


def test_a_reader_that_leaves_is_no_error():
    source = str(Path(entry.__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-m", "chainrule", "ops", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": source},
    ) as running:  # fmt: skip
        assert running.stdout is not None and running.stderr is not None
        running.stdout.read(10)
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(30) == 141


def test_a_terminal_without_unicode_gets_question_marks():
    done = process("explain", "x*y", "x=2", "y=3", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and b"?f/?x = 3" in done.stdout and done.stderr == b""
