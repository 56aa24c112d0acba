"""Chinese texts of `compile`'s code generation, runtime and cache."""

TEXT = {
    "A program needs at least one thread, not {n}.": "程序至少需要一个线程，而不是 {n} 个。",
    "CHAINRULE_CACHE_SIZE is {text!r}: write a whole number of MiB, or 0.": (
        "CHAINRULE_CACHE_SIZE 是 {text!r}：请写以 MiB 计的整数，或 0。"
    ),
    "CHAINRULE_NUM_THREADS is {text!r}: write a whole number from 1.": (
        "CHAINRULE_NUM_THREADS 是 {text!r}：请写一个不小于 1 的整数。"
    ),
    "CHAINRULE_TARGET is {name!r}: write one of {names}, or leave it unset.": (
        "CHAINRULE_TARGET 是 {name!r}：请写 {names} 之一，或不要设置。"
    ),
    "CHAINRULE_TARGET is {name}, but this machine cannot execute it.": (
        "CHAINRULE_TARGET 是 {name}，但这台机器不能执行它。"
    ),
    "LLVM does not accept a generated program; this is a mistake in chainrule. {why}": (
        "LLVM 不接受生成的程序；这是 chainrule 的错误。{why}"
    ),
    "Native code cannot be loaded: {why}": "无法装入本机代码：{why}",
    "The native code of {name} has been unloaded.": "{name} 的本机代码已被卸载。",
    "There is no target named {name!r}: write one of {names}.": (
        "没有名为 {name!r} 的目标机器：请写 {names} 之一。"
    ),
    "scan: {body} is given {before} to carry on and gives {now}: shape and dtype must stay the "
    "same from step to step.": (
        "scan：{body} 收到的状态是 {before}，给出的是 {now}：形状和 dtype 必须每一步都相同。"
    ),
    "set_num_threads needs a whole number of threads, not {count!r}.": (
        "set_num_threads 需要整数个线程，而不是 {count!r}。"
    ),
    "set_num_threads({count}): this process may use {most} CPUs (affinity and control group), so "
    "write a number from 1 to {most}.": (
        "set_num_threads({count})：本进程可以使用 {most} 个 CPU（由亲和性和控制组决定），请写 1 到 {most} 之间的数。"
    ),
    "{name} cannot be made native code and runs on NumPy; this is a mistake in chainrule "
    "({error}).": "{name} 无法编译成本机代码，改由 NumPy 运行；这是 chainrule 的错误（{error}）。",
    "There is no stage {stage!r}: {stages}.": "没有名为 {stage!r} 的阶段：{stages}。",
    "detect_anomaly looks at single operations: {name} runs in glass mode inside.": (
        "detect_anomaly 逐个查看运算：{name} 在其中以透明模式运行。"
    ),
}
