"""Chinese texts of profiles."""

TEXT = {
    "{name}: {ms:.3f} ms a run on {threads} threads, {flops:.0f} GFLOP/s of {peak:.0f}; memory "
    "{bandwidth:.0f} GB/s": (
        "{name}：{threads} 个线程上每次运行 {ms:.3f} 毫秒，{flops:.0f} / {peak:.0f} GFLOP/s；内存 {bandwidth:.0f} GB/s"
    ),
    "; bfloat16 {peak:.0f}": "；bfloat16 {peak:.0f}",
    # columns
    "kernel": "内核",
    "what it does": "内容",
    "ms": "毫秒",
    "least": "最少",
    "share": "占比",
    "limit": "达到极限",
    # rows
    "{n} more": "另外 {n} 个",
    "wait": "等待",
    "waiting at {n} barriers": "在 {n} 处屏障等待",
    "start": "启动",
    "starting the threads, measuring": "启动线程与计时",
    # kernels
    "convolution": "卷积",
    "convolution by minimal filtering": "卷积（Winograd 最小滤波）",
    "minimal filtering backward, weight": "最小滤波反向（权重）",
    "transformed weights": "变换后的权重",
    "convolution backward, input": "卷积反向（输入）",
    "convolution backward, weight": "卷积反向（权重）",
    "sum over threads": "各线程求和",
    "matrix product": "矩阵乘积",
    "matrix product, weight": "矩阵乘积（权重）",
    "transposition": "转置",
    "packing": "打包",
    "batch into lanes": "批次排入向量通道",
    "copy": "复制",
    # the report
    "Time": "时间",
    "Time of a training step": "训练步的时间",
    "Kernel": "内核",
    "What it does": "内容",
    "Milliseconds": "毫秒",
    "Share of the time": "时间占比",
    "Of the limit": "达到极限",
    "The kernels of the compiled step. The limit is the least time that this machine needs for a "
    "kernel's arithmetic and memory, as measured on it.": (
        "编译后训练步的各个内核。极限是本机（实测）完成该内核的运算与访存至少需要的时间。"
    ),
    # the command line
    "measure where the time of a training step goes, kernel by kernel": (
        "逐个内核测量训练步的时间花在哪里"
    ),
    "There is no profile: the training step was not compiled.": "没有性能剖析：训练步未被编译。",
}
