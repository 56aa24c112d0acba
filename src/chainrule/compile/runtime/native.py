"""The native part of the thread pool, as LLVM IR: the workers' loop and the launch of a program."""

from __future__ import annotations

from chainrule.compile.runtime.barrier import SPINS, give_way, pause
from chainrule.compile.runtime.target import Target

BOX = 128  # bytes from mailbox to mailbox: processors fetch cache lines in pairs
MASK = 1024  # bytes of a CPU mask: 8192 CPUs
_FUTEX = {"x86_64": 202, "amd64": 202, "aarch64": 98, "arm64": 98}
_WAIT, _WAKE = 128, 129  # FUTEX_WAIT and FUTEX_WAKE, within one process


def _sleep(target: Target) -> tuple[str, str, str]:
    """(declarations, sleep until the next post, wake the sleeper of %box)."""
    if target.linux and target.architecture in _FUTEX:
        call = f"call i64 (i64, ...) @syscall(i64 {_FUTEX[target.architecture]}, ptr %box, i32"
        return (
            "declare i64 @syscall(i64, ...)",
            # The kernel compares 32 bits: the low half, which on these machines comes first.
            f"""%seen.low = trunc i64 %seen to i32
  %slept = {call} {_WAIT}, i32 %seen.low, ptr null, ptr null, i32 0)""",
            f"%woken = {call} {_WAKE}, i32 1, ptr null, ptr null, i32 0)",
        )
    if "-windows" in target.triple:
        return "declare void @Sleep(i32)", "call void @Sleep(i32 1)", ""
    return "declare i32 @usleep(i32)", "%slept = call i32 @usleep(i32 100)", ""


def _pinning(target: Target) -> tuple[str, str, str]:
    """(declarations, pin the caller to its CPU up to the label pinned, restore its mask)."""
    if not target.linux:
        return "", "br label %pinned\npinned:", ""
    return (
        """declare i32 @sched_getcpu()
declare i32 @sched_getaffinity(i32, i64, ptr)
declare i32 @sched_setaffinity(i32, i64, ptr)
declare i32 @memcmp(ptr, ptr, i64)""",
        # Two changes of affinity cost 5 µs. A caller that already runs on its CPU stays there
        # through a short program: the other CPUs are busy with the workers.
        f"""%expected = getelementptr i8, ptr %masks, i64 {MASK}
  %own.cpu = getelementptr i8, ptr %masks, i64 {2 * MASK}
  %read = call i32 @sched_getaffinity(i32 0, i64 {MASK}, ptr %masks)
  %difference = call i32 @memcmp(ptr %masks, ptr %expected, i64 {MASK})
  %same = icmp eq i32 %difference, 0
  ; Where the call is forbidden there is nothing to compare, and pinning fails without harm.
  %unknown = icmp slt i32 %read, 0
  %usual = or i1 %same, %unknown
  br i1 %usual, label %locate, label %unusual
unusual:
  ret i64 1
locate:
  %cpu = call i32 @sched_getcpu()
  %cpu.wide = sext i32 %cpu to i64
  %there = icmp eq i64 %cpu.wide, %home
  br i1 %there, label %pinned, label %pin
pin:
  %moved = call i32 @sched_setaffinity(i32 0, i64 {MASK}, ptr %own.cpu)
  br label %pinned
pinned:
  %stayed = phi i1 [ true, %locate ], [ false, %pin ]""",
        f"""br i1 %stayed, label %leave, label %unpin
unpin:
  %restored = call i32 @sched_setaffinity(i32 0, i64 {MASK}, ptr %masks)
  br label %leave
leave:""",
    )


def runtime_ir(target: Target) -> str:
    """LLVM IR of `@worker` and `@launch`.

    A mailbox is four words in one cache line: number of the last post, asleep, code, argument.
    """
    pause_declaration, pause_call = pause(target)
    yield_declaration, yield_call = give_way(target)
    declarations, sleep, wake = _sleep(target)
    pin_declarations, pin, unpin = _pinning(target)
    return f"""
{pause_declaration}
{yield_declaration}
{declarations}
{pin_declarations}

define void @worker(i64 %thread, ptr %box, ptr %finished, i64 %limit) {{
entry:
  %asleep = getelementptr i64, ptr %box, i64 1
  %code.slot = getelementptr i64, ptr %box, i64 2
  %argument.slot = getelementptr i64, ptr %box, i64 3
  br label %idle
idle:
  %seen = phi i64 [ 0, %entry ], [ %post, %run ]
  br label %look
look:
  %count = phi i64 [ 0, %idle ], [ %next, %spin ], [ 0, %awake ]
  %post = load atomic i64, ptr %box acquire, align 8
  %new = icmp ne i64 %post, %seen
  br i1 %new, label %take, label %wait
wait:
  %next = add i64 %count, 1
  %tired = icmp ugt i64 %next, %limit
  br i1 %tired, label %lie, label %spin
spin:
  {pause_call}
  br label %look
lie:
  %was = atomicrmw xchg ptr %asleep, i64 1 seq_cst, align 8
  %again = load atomic i64, ptr %box seq_cst, align 8
  %still = icmp eq i64 %again, %seen
  br i1 %still, label %sleep, label %awake
sleep:
  {sleep}
  br label %awake
awake:
  store atomic i64 0, ptr %asleep monotonic, align 8
  br label %look
take:
  %code = load ptr, ptr %code.slot, align 8
  %argument = load ptr, ptr %argument.slot, align 8
  %leave = icmp eq ptr %code, null
  br i1 %leave, label %out, label %run
run:
  call void %code(i64 %thread, ptr %argument)
  %others = atomicrmw add ptr %finished, i64 1 release, align 8
  br label %idle
out:
  ret void
}}

define internal void @post(ptr %box, ptr %code, ptr %argument) {{
entry:
  %asleep = getelementptr i64, ptr %box, i64 1
  %code.slot = getelementptr i64, ptr %box, i64 2
  %argument.slot = getelementptr i64, ptr %box, i64 3
  store ptr %code, ptr %code.slot, align 8
  store ptr %argument, ptr %argument.slot, align 8
  %old = atomicrmw add ptr %box, i64 1 seq_cst, align 8
  %sleeps = load atomic i64, ptr %asleep seq_cst, align 8
  %call = icmp ne i64 %sleeps, 0
  br i1 %call, label %wake, label %done
wake:
  {wake}
  br label %done
done:
  ret void
}}

; Runs code on the threads 0 (the caller) to threads - 1. masks holds three CPU masks: room for
; the caller's, the one expected, and the caller's own CPU. A caller on the CPU %home is not pinned
; (-1: always). 1: the caller's mask is another than expected, and nothing was run; else 0.
define i64 @launch(
    ptr %boxes, ptr %code, ptr %argument, ptr %masks, i64 %threads, i64 %home) {{
entry:
  {pin}
  br label %posting
posting:
  %worker = phi i64 [ 1, %pinned ], [ %worker.next, %more ]
  %enough = icmp sge i64 %worker, %threads
  br i1 %enough, label %own, label %more
more:
  %offset = mul i64 %worker, {BOX}
  %box = getelementptr i8, ptr %boxes, i64 %offset
  call void @post(ptr %box, ptr %code, ptr %argument)
  %worker.next = add i64 %worker, 1
  br label %posting
own:
  call void %code(i64 0, ptr %argument)
  %workers = sub i64 %threads, 1
  br label %look
look:
  %count = phi i64 [ 0, %own ], [ %next, %spin ], [ %next, %yield ]
  %done = load atomic i64, ptr %boxes acquire, align 8
  %all = icmp eq i64 %done, %workers
  br i1 %all, label %finish, label %wait
wait:
  %next = add i64 %count, 1
  %tired = icmp ugt i64 %next, {SPINS}
  br i1 %tired, label %yield, label %spin
spin:
  {pause_call}
  br label %look
yield:
  %ignored = {yield_call}
  br label %look
finish:
  store atomic i64 0, ptr %boxes monotonic, align 8
  {unpin}
  ret i64 0
}}

; Stops the worker of one mailbox.
define void @dismiss(ptr %box) {{
  call void @post(ptr %box, ptr null, ptr null)
  ret void
}}

define void @spin(i64 %times) {{
entry:
  br label %loop
loop:
  %count = phi i64 [ 0, %entry ], [ %next, %loop ]
  {pause_call}
  %next = add i64 %count, 1
  %more = icmp ult i64 %next, %times
  br i1 %more, label %loop, label %out
out:
  ret void
}}
"""
