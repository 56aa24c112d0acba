"""The threads that run programs: how many, on which CPUs, and through forks, signals and exit."""

import os
import signal
import subprocess
import sys
import threading
from textwrap import dedent

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError
from chainrule.compile.runtime import (
    barrier_ir,
    compile_object,
    control_block,
    cores,
    get_num_threads,
    host,
    load,
    pool,
    run,
    set_num_threads,
)

linux = pytest.mark.skipif(sys.platform != "linux", reason="affinity and futex are Linux's")


# ---------------------------------------------------------------- cores


@pytest.fixture
def groups(tmp_path, monkeypatch):
    monkeypatch.setattr(cores, "GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(cores, "MEMBERSHIP", tmp_path / "membership")
    cores.quota.cache_clear()

    def write(membership, files):
        (tmp_path / "membership").write_text(membership)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return cores.quota()

    yield write
    cores.quota.cache_clear()


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/a/b\n", {"a/b/cpu.max": "50000 100000\n", "a/cpu.max": "300000 100000\n"}, 0.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/host/path\n", {"cpu.max": "400000 100000\n"}, 4.0),
        ("0::/\n", {}, None),
        ("0::/\n", {"cpu.max": "garbage"}, None),
        (
            "4:cpu,cpuacct:/job\n",
            {
                "cpu,cpuacct/job/cpu.cfs_quota_us": "250000\n",
                "cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
            },
            2.5,
        ),
        (
            "1:cpu:/\n0::/\n",
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            None,
        ),
    ],
)
def test_the_quota_of_a_control_group_is_read(groups, membership, files, expected):
    assert groups(membership, files) == expected


def test_threads_stay_within_the_quota(groups, monkeypatch):
    monkeypatch.setattr(cores, "allowed_cpus", lambda: frozenset(range(8)))
    assert groups("0::/\n", {"cpu.max": "350000 100000"}) == 3.5
    assert cores.most_threads() == 3
    monkeypatch.setattr(cores, "allowed_cpus", lambda: frozenset([5]))
    assert cores.most_threads() == cores.best_threads() == 1


def test_every_core_takes_a_thread_before_any_takes_two(tmp_path, monkeypatch):
    for cpu, siblings in enumerate(("0,4", "1,5", "2,6", "3,7") * 2):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    monkeypatch.setattr(cores, "TOPOLOGY", tmp_path)
    cores.placement.cache_clear()
    try:
        assert cores.placement(frozenset(range(8))) == ((0, 1, 2, 3, 4, 5, 6, 7), 4)
        assert cores.placement(frozenset([7, 4, 3, 0])) == ((0, 3, 4, 7), 2)
    finally:
        cores.placement.cache_clear()


# ---------------------------------------------------------------- number of threads


@pytest.fixture
def threads_restored(monkeypatch):
    monkeypatch.setattr(pool, "_chosen", pool._chosen)


def test_the_number_of_threads_can_be_set_within_the_cpus_allowed(threads_restored):
    assert 1 <= get_num_threads() <= cores.most_threads()
    for count in (1, cores.most_threads(), np.int64(1)):
        set_num_threads(count)
        assert get_num_threads() == count
    for count in (0, -1, cores.most_threads() + 1):
        with pytest.raises(ArgumentError, match="from 1 to"):
            set_num_threads(count)
    for count in (1.0, "1", None, True):
        with pytest.raises(ArgumentError, match="whole number"):
            set_num_threads(count)
    assert get_num_threads() == 1


def test_the_environment_sets_the_number_of_threads():
    program = "from chainrule.compile.runtime import get_num_threads; print(get_num_threads())"
    assert python(program, CHAINRULE_NUM_THREADS="1") == "1"
    assert int(python(program, CHAINRULE_NUM_THREADS="100000")) == cores.most_threads()
    with pytest.raises(subprocess.CalledProcessError):
        python(program, CHAINRULE_NUM_THREADS="two")


# ---------------------------------------------------------------- running


def exchange(threads: int, rounds: int) -> str:
    """A program whose threads check `rounds` times what their neighbour wrote before a barrier.

    The argument points at a control block (16 words), then a word a thread that is exchanged,
    then a word a thread that counts the rounds in which the neighbour's was right.
    """
    return barrier_ir(host()) + dedent(
        f"""
        define void @program(i64 %thread, ptr %argument) {{
        entry:
          %values = getelementptr i64, ptr %argument, i64 16
          %counts = getelementptr i64, ptr %values, i64 {threads}
          %mine = getelementptr i64, ptr %values, i64 %thread
          %count = getelementptr i64, ptr %counts, i64 %thread
          %after = add i64 %thread, 1
          %next = urem i64 %after, {threads}
          %theirs = getelementptr i64, ptr %values, i64 %next
          br label %loop
        loop:
          %round = phi i64 [ 1, %entry ], [ %round.next, %loop ]
          store i64 %round, ptr %mine, align 8
          call void @barrier(ptr %argument, i64 {threads})
          %seen = load i64, ptr %theirs, align 8
          %right = icmp eq i64 %seen, %round
          %one = zext i1 %right to i64
          %old = load i64, ptr %count, align 8
          %new = add i64 %old, %one
          store i64 %new, ptr %count, align 8
          call void @barrier(ptr %argument, i64 {threads})
          %round.next = add i64 %round, 1
          %more = icmp ule i64 %round.next, {rounds}
          br i1 %more, label %loop, label %out
        out:
          ret void
        }}
        """
    )


class Exchange:
    def __init__(self, threads: int, rounds: int):
        self.threads, self.rounds, self.runs = threads, rounds, 0
        self.code = load(compile_object(exchange(threads, rounds), host()))
        self.address = self.code.address("program")
        self.words = np.zeros(16 + 2 * threads, np.int64)

    def run(self):
        run(self.address, self.words.ctypes.data, self.threads)
        self.runs += 1

    def check(self):
        np.testing.assert_array_equal(self.words[-self.threads :], self.runs * self.rounds)


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_threads_see_what_others_wrote_before_a_barrier(threads):
    program = Exchange(threads, rounds=300 if threads <= cores.most_threads() else 20)
    for _ in range(20):
        program.run()
    program.check()


def test_programs_for_different_numbers_of_threads_alternate():
    programs = [Exchange(threads, rounds=10) for threads in (3, 1, 2)]
    for _ in range(50):
        for program in programs:
            program.run()
    for program in programs:
        program.check()


def test_sleeping_workers_are_woken():
    program = Exchange(2, rounds=3)
    for pause in (0, 1e-4, 2e-4, 1e-3, 2e-2) * 20:
        threading.Event().wait(pause)
        program.run()
    program.check()


def test_a_program_needs_a_thread():
    with pytest.raises(ArgumentError, match="at least one"):
        run(0, 0, 0)


def test_control_blocks_are_zeroed_and_own_their_cache_line():
    owner, address = control_block()
    assert address % 64 == 0 and owner.nbytes >= 64 and not owner.any()
    assert address == owner.ctypes.data


def test_several_python_threads_take_turns():
    programs = [Exchange(2, rounds=20) for _ in range(4)]
    callers = [threading.Thread(target=lambda p=p: [p.run() for _ in range(100)]) for p in programs]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for program in programs:
        program.check()


@linux
def test_the_callers_affinity_is_restored_and_changes_are_followed():
    program = Exchange(2, rounds=50)
    allowed = os.sched_getaffinity(0)
    try:
        for chosen in (allowed, {max(allowed)}, {min(allowed)}, allowed):
            os.sched_setaffinity(0, chosen)
            for _ in range(3):
                program.run()
                assert os.sched_getaffinity(0) == chosen
            worker = os.sched_getaffinity(pool._pool.workers[0].native_id)
            assert worker <= chosen
            if len(chosen) >= pool._pool.threads:
                assert len(worker) == 1
    finally:
        os.sched_setaffinity(0, allowed)
    program.check()


@linux
def test_workers_do_not_burn_the_cpu_when_idle():
    program = Exchange(2, rounds=3)
    program.run()
    threading.Event().wait(0.05)

    def used():
        clock = f"/proc/self/task/{pool._pool.workers[0].native_id}/stat"
        with open(clock) as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = used()
    threading.Event().wait(0.3)
    assert used() - before <= 2  # of some 30 ticks


SPIN = """
define void @program(i64 %thread, ptr %argument) {
entry:
  br label %loop
loop:
  %count = phi i64 [ 0, %entry ], [ %next, %loop ]
  call void asm sideeffect "", ""()
  %next = add i64 %count, 1
  %more = icmp ult i64 %next, 300000000
  br i1 %more, label %loop, label %out
out:
  %mine = getelementptr i64, ptr %argument, i64 %thread
  store i64 1, ptr %mine, align 8
  ret void
}
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_an_interrupt_is_raised_when_the_program_has_ended():
    def interrupt(number, frame):
        raise KeyboardInterrupt

    program = Exchange(2, rounds=3)
    program.run()
    code = load(compile_object(SPIN, host()))
    done = np.zeros(2, np.int64)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            run(code.address("program"), done.ctypes.data, 2)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert done.tolist() == [1, 1]
    program.run()
    program.check()


# ---------------------------------------------------------------- processes


def python(program: str, **environment: str) -> str:
    out = subprocess.run(
        [sys.executable, "-W", "error", "-X", "faulthandler", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=os.environ | environment,
    )
    assert out.stderr == ""
    return out.stdout.strip()


PRELUDE = """
import atexit, os, sys, threading
import numpy as np
from chainrule.compile.runtime import barrier_ir, compile_object, host, load, pool, run
text = barrier_ir(host()) + '''
define void @program(i64 %thread, ptr %argument) {
  %mine = getelementptr i64, ptr %argument, i64 %thread
  %slot = getelementptr i64, ptr %mine, i64 16
  %old = load i64, ptr %slot, align 8
  %new = add i64 %old, 1
  store i64 %new, ptr %slot, align 8
  call void @barrier(ptr %argument, i64 2)
  ret void
}
'''
code = load(compile_object(text, host()))
words = np.zeros(18, np.int64)
def go(times=100):
    for _ in range(times):
        run(code.address("program"), words.ctypes.data, 2)
    return words[16:].tolist()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_makes_threads_of_its_own():
    # In a process of its own: pytest's has threads that have nothing to do with this.
    out = python(
        PRELUDE
        + """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12+: fork beside threads
go()
sys.stdout.flush()
child = os.fork()
if not child:
    os._exit(0 if go() == [200, 200] and threading.active_count() == 2 else 1)
assert go() == [200, 200]
print(os.waitpid(child, 0)[1])
"""
    )
    assert out == "0"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_while_another_thread_runs_programs_is_free_to_run_its_own():
    out = python(
        PRELUDE
        + """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
go()
stop = []
other = threading.Thread(target=lambda: [go(10) for _ in iter(lambda: bool(stop), True)])
other.start()
status = []
for _ in range(10):
    child = os.fork()
    if not child:
        words = np.zeros(18, np.int64)
        os._exit(0 if go() == [100, 100] else 1)
    status.append(os.waitpid(child, 0)[1])
stop.append(1)
other.join()
print(set(status))
"""
    )
    assert out == "{0}"


ENDINGS = {
    "plain": "go()",
    "asleep": "go(); import time; time.sleep(0.01)",
    "beside a running daemon": """
threading.Thread(target=lambda: go(10**9), daemon=True).start()
import time; time.sleep(0.05)
""",
    "hard": "go(); sys.stdout.flush(); print('ended', flush=True); os._exit(0)",
    "stopped and started": "go(); pool.stop(); go()",
    "with a program at exit": "atexit.register(go); go()",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_interpreter_ends_without_hang_or_crash(ending):
    program = PRELUDE + "atexit.register(print, 'ended')\n" + ENDINGS[ending]
    assert python(program) == "ended"


def test_a_program_after_the_workers_were_ended_at_exit_does_not_crash():
    # What is registered first runs last. Python 3.12+ starts no thread then, and says so.
    late = "import atexit\nlate = []\natexit.register(lambda: late[0]())\n"
    late += PRELUDE + "late.append(go)\ngo()\n"
    out = subprocess.run([sys.executable, "-c", late], capture_output=True, text=True, timeout=60)
    assert out.returncode == 0
    assert not out.stderr or "can't start new thread" in out.stderr


def test_no_thread_is_started_before_it_is_needed():
    out = python(
        PRELUDE
        + """
text = text.replace("i64 2", "i64 1")
alone = load(compile_object(text, host()))
run(alone.address("program"), words.ctypes.data, 1)
print(threading.active_count(), end=" ")
go(1)
print(threading.active_count())
"""
    )
    assert out == "1 2"
