"""The cache of object code: what it gives back, what it refuses, how large it grows."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from chainrule.base.errors import ArgumentError
from chainrule.compile import cache

posix = pytest.mark.skipif(os.name == "nt", reason="mode bits mean nothing on Windows")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = tmp_path / "cache"
    monkeypatch.setenv("CHAINRULE_CACHE", str(place))
    monkeypatch.delenv("CHAINRULE_CACHE_SIZE", raising=False)
    monkeypatch.setattr(cache, "_room", 0)
    return place


def entry(folder: Path, name: str) -> Path:
    (found,) = folder.glob(f"{name}*")
    return found


def code_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_stored_is_found_again(folder):
    name = cache.key("program", b"target")
    assert cache.load(name) is None
    for payload in (b"object code", b"", os.urandom(100_000)):
        cache.store(name, payload)
        assert cache.load(name) == payload
    assert len(code_files(folder)) == 1


@posix
def test_folder_and_entries_are_private_whatever_the_umask(folder):
    before = os.umask(0)
    try:
        cache.store(cache.key("a"), b"code")
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(entry(folder, cache.key("a")).stat().st_mode) == 0o600


def test_a_key_depends_on_every_part_and_on_where_parts_end():
    keys = [cache.key(*parts) for parts in (("ab", "c"), ("a", "bc"), ("abc",), ("ab", "c", ""))]
    assert len(set(keys)) == 4
    assert cache.key("ab", "c") == cache.key(b"ab", b"c")


def test_the_fingerprint_is_the_same_in_another_process():
    program = "from chainrule.compile import cache; print(cache.fingerprint())"
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == cache.fingerprint()


DAMAGES = {
    "empty": lambda content: b"",
    "half a header": lambda content: content[:20],
    "truncated": lambda content: content[:-1],
    "longer": lambda content: content + b"\0",
    "bit in the payload": lambda content: content[:-3] + bytes([content[-3] ^ 1]) + content[-2:],
    "bit in the digest": lambda content: content[:30] + bytes([content[30] ^ 4]) + content[31:],
    "other magic": lambda content: b"something" + content[9:],
    "other version": lambda content: content[:8] + b"\xff" + content[9:],
    "zeros": lambda content: bytes(len(content)),
    "foreign": lambda content: b"\x7fELF" * 50,
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_entry_is_removed_and_not_trusted(folder, kind):
    name = cache.key("program")
    cache.store(name, b"object code" * 10)
    path = entry(folder, name)
    path.write_bytes(DAMAGES[kind](path.read_bytes()))
    assert cache.load(name) is None
    assert not path.exists()
    cache.store(name, b"new")
    assert cache.load(name) == b"new"


def test_a_sound_entry_under_the_name_of_another_is_not_trusted(folder):
    one, two = cache.key("one"), cache.key("two")
    cache.store(one, b"code of one")
    path = entry(folder, one)
    path.rename(folder / path.name.replace(one, two))
    assert cache.load(two) is None
    assert code_files(folder) == []


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_an_entry_that_others_can_write_is_removed(folder, mode):
    cache.store(cache.key("a"), b"code")
    path = entry(folder, cache.key("a"))
    path.chmod(mode)
    assert cache.load(cache.key("a")) is None
    assert not path.exists()


@posix
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_can_write_is_not_used(folder, mode):
    cache.store(cache.key("a"), b"code")
    folder.chmod(mode)
    assert cache.load(cache.key("a")) is None
    cache.store(cache.key("b"), b"code")
    assert len(code_files(folder)) == 1
    folder.chmod(0o700)
    assert cache.load(cache.key("a")) == b"code"


@posix
def test_an_entry_or_folder_of_another_user_is_not_used(folder, monkeypatch):
    cache.store(cache.key("a"), b"code")
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    assert cache.load(cache.key("a")) is None
    cache.store(cache.key("b"), b"code")
    assert len(code_files(folder)) == 1


@posix
def test_links_are_not_followed(folder, tmp_path):
    cache.store(cache.key("a"), b"code")
    path = entry(folder, cache.key("a"))
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert cache.load(cache.key("a")) is None
    assert elsewhere.exists() and not path.is_symlink()

    cache.store(cache.key("a"), b"code")
    moved = folder.rename(tmp_path / "moved")
    folder.symlink_to(moved)
    assert cache.load(cache.key("a")) is None
    cache.store(cache.key("b"), b"code")
    assert len(code_files(moved)) == 1


@posix
def test_pipes_and_folders_in_the_place_of_entries_do_no_harm(folder):
    cache.store(cache.key("a"), b"code")
    path = entry(folder, cache.key("a"))
    path.unlink()
    os.mkfifo(path)
    assert cache.load(cache.key("a")) is None
    assert not path.exists()
    path.mkdir()
    assert cache.load(cache.key("a")) is None
    cache.store(cache.key("a"), b"code")
    assert cache.load(cache.key("a")) is None


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "file" / "cache"))
    cache.store(cache.key("a"), b"code")
    assert cache.load(cache.key("a")) is None


def test_a_full_disk_is_no_error_and_leaves_nothing_behind(folder, monkeypatch):
    cache.store(cache.key("a"), b"code")
    written = cache.statistics().stored_bytes

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    cache.store(cache.key("b"), b"code")
    assert len(code_files(folder)) == 1
    assert cache.statistics().stored_bytes == written


def test_the_entries_unused_for_longest_go_first(folder, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE_SIZE", "1")
    names = [cache.key(str(i)) for i in range(10)]
    for second, name in enumerate(names[:9]):
        cache.store(name, bytes(110_000))
        os.utime(entry(folder, name), (second, second))
    assert cache.load(names[0]) is not None  # used now: the newest
    cache.store(names[9], bytes(110_000))
    kept = [name for name in names if cache.load(name) is not None]
    assert kept[0] == names[0] and names[1] not in kept and kept[-1] == names[9]
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 1 << 20


def test_the_folder_never_exceeds_its_bound(folder, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE_SIZE", "1")
    for i in range(40):
        cache.store(cache.key(str(i)), bytes(7_000 * (1 + i % 9)))
        assert sum(path.stat().st_size for path in folder.iterdir()) <= 1 << 20
    cache.store(cache.key("too large"), bytes(1 << 20))
    assert cache.load(cache.key("too large")) is None
    assert cache.load(cache.key("39")) is not None


def test_abandoned_temporary_files_are_cleaned_up(folder):
    folder.mkdir(mode=0o700)
    old, fresh, other = folder / ".old.tmp", folder / ".fresh.tmp", folder / "notes.txt"
    for path in (old, fresh, other):
        path.write_bytes(b"")
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    cache.store(cache.key("a"), b"code")
    assert not old.exists() and fresh.exists() and other.exists()


def test_size_zero_turns_it_off_and_nonsense_is_said(folder, monkeypatch):
    cache.store(cache.key("a"), b"code")
    monkeypatch.setenv("CHAINRULE_CACHE_SIZE", "0")
    assert cache.load(cache.key("a")) is None
    cache.store(cache.key("b"), b"code")
    assert len(code_files(folder)) == 1
    monkeypatch.setenv("CHAINRULE_CACHE_SIZE", "much")
    with pytest.raises(ArgumentError, match="CHAINRULE_CACHE_SIZE"):
        cache.load(cache.key("a"))


def test_where_the_folder_is(tmp_path, monkeypatch):
    monkeypatch.delenv("CHAINRULE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    cache.store(cache.key("a"), b"code")
    assert (tmp_path / "xdg" / "chainrule").is_dir()
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    cache.store(cache.key("a"), b"code")
    assert (tmp_path / "home" / ".cache" / "chainrule").is_dir()

    def homeless():
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", homeless)
    cache.store(cache.key("a"), b"code")
    assert cache.load(cache.key("a")) is None


def test_statistics_count_this_process(folder):
    before = cache.statistics()
    cache.load(cache.key("a"))
    cache.store(cache.key("a"), b"12345")
    cache.load(cache.key("a"))
    after = cache.statistics()
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 5]


def test_many_writers_and_readers_at_once_see_whole_entries(folder, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE_SIZE", "1")
    names = [cache.key(str(i)) for i in range(8)]
    wrong = []

    def work(seed):
        for i in range(40):
            number = (seed + 3 * i) % 8
            cache.store(names[number], bytes([number]) * 150_000)
            found = cache.load(names[(number + 1) % 8])
            if found is not None and found != bytes([(number + 1) % 8]) * 150_000:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert all(path.suffix == ".code" for path in folder.iterdir())
