"""Random numbers and their generators."""

from typing import Any

from chainrule.explain.cards.sheet import Sheet, row

_SEED = ("Set manual_seed, or no run can be repeated.", "要能重复实验，请先 manual_seed。")


def _drawn(*parts: Any, **fields: Any) -> Sheet:
    return row(parts[0], "random", *parts[1:], **fields)


def _asked(*parts: Any, **fields: Any) -> Sheet:
    return row(parts[0], "info", *parts[1:], **fields)


_CALL = "flow:{} | {}"

SHEETS: dict[str, Sheet] = {
    "rand": _drawn(
        r"y_i \sim U[0, 1)",
        ("Uniform numbers.", "均匀随机数。"),
        ("Masks, augmentation.", "掩码、数据增强。"),
        _SEED,
        2,
        3,
        related="randn uniform_",
    ),
    "randn": _drawn(
        r"y_i \sim N(0, 1)",
        ("Standard normal numbers.", "标准正态随机数。"),
        ("Noise, first weights.", "噪声、初始权重。"),
        _SEED,
        2,
        3,
        related="rand normal",
    ),
    "randint": _drawn(
        r"y_i \sim U\{a, \ldots, b - 1\}",
        ("Random integers below the end.", "不含上界的随机整数。"),
        ("Labels, crops.", "标签、裁剪位置。"),
        ("The end is not drawn.", "抽不到上界。"),
        0,
        10,
        (2, 3),
        related="randperm",
    ),
    "randperm": _drawn(
        r"y = \pi(0, \ldots, n - 1)",
        ("A random order.", "随机排列。"),
        ("Shuffling each epoch.", "每轮打乱数据。"),
        ("Use one order for samples and labels.", "样本与标签要用同一排列。"),
        6,
        related="randint",
    ),
    "rand_like": _drawn(
        r"y_i \sim U[0, 1)",
        ("Uniform numbers in a tensor's shape.", "同形状的均匀随机数。"),
        ("Noise of the same shape.", "同形状的噪声。"),
        _SEED,
        [[0.0, 0.0]],
        related="rand",
    ),
    "randn_like": _drawn(
        r"y_i \sim N(0, 1)",
        ("Normal numbers in a tensor's shape.", "同形状的正态随机数。"),
        (
            "Reparametrisation: μ + σ ε, which has a gradient for μ and σ.",
            "重参数化：μ + σ ε，对 μ、σ 有梯度。",
        ),
        _SEED,
        [[0.0, 0.0]],
        related="randn",
    ),
    "randint_like": _drawn(
        r"y_i \sim U\{a, \ldots, b - 1\}",
        ("Integers in a tensor's shape.", "同形状的随机整数。"),
        ("Random labels.", "随机标签。"),
        ("In the tensor's dtype.", "类型随该张量。"),
        [[0.0, 0.0]],
        0,
        10,
        related="randint",
    ),
    "normal": _drawn(
        r"y_i \sim N(\mu_i, \sigma_i^2)",
        ("Normal numbers with given means and deviations.", "给定均值与标准差的正态数。"),
        ("Noise of varying size.", "大小不一的噪声。"),
        ("No gradient for μ and σ: write μ + σ·randn.", "对 μ、σ 没有梯度：请写 μ + σ·randn。"),
        0.0,
        1.0,
        (2, 3),
        related="randn",
    ),
    "bernoulli": _drawn(
        r"P(y_i = 1) = p_i",
        ("1 with the given probability.", "按给定概率取 1。"),
        ("Dropout masks, RBM units.", "dropout 掩码、RBM 单元。"),
        ("No gradient for p.", "对 p 没有梯度。"),
        [0.2, 0.5, 0.9],
        related="dropout binomial",
    ),
    "multinomial": _drawn(
        r"P(k) = \frac{w_k}{\sum w}",
        ("Indices drawn by weight.", "按权重抽取下标。"),
        ("Writing text: the next character.", "生成文本：抽下一个字符。"),
        (
            "Without replacement unless asked; no gradient (gumbel_softmax has one).",
            "默认不放回；没有梯度（gumbel_softmax 有）。",
        ),
        [0.1, 0.3, 0.6],
        2,
        related="gumbel_softmax",
    ),
    "poisson": _drawn(
        r"P(y = k) = \frac{\lambda^k e^{-\lambda}}{k!}",
        ("Counts for given rates.", "给定速率的计数。"),
        ("Photon noise.", "光子噪声。"),
        ("No gradient for the rate.", "对速率没有梯度。"),
        [1.0, 4.0, 9.0],
        related="poisson_nll_loss",
    ),
    "binomial": _drawn(
        r"P(y = k) = \frac{n!}{k!(n-k)!} p^k (1 - p)^{n-k}",
        ("How many of n trials succeed.", "n 次试验成功几次。"),
        ("Simulated votes.", "模拟投票。"),
        ("No gradient for p.", "对 p 没有梯度。"),
        [10.0, 10.0],
        [0.2, 0.8],
        related="bernoulli",
    ),
    "draw_uniform": _drawn(
        r"u_i \sim U[0, 1)",
        ("Uniforms in the namespace in use.", "在当前命名空间中抽均匀数。"),
        (
            "Inside random functions: also in compiled steps.",
            "随机函数内部使用，编译的步骤中同样有效。",
        ),
        _SEED,
        related="rand",
        picture="flow:(shape), counter | Philox | u in [0, 1)",
    ),
    "draw_normal": _drawn(
        r"z = \sqrt{-2 \ln u_1} \cos 2\pi u_2",
        ("Normals by Box and Muller.", "用 Box–Muller 法得到正态数。"),
        ("Inside random functions.", "随机函数内部使用。"),
        ("Draws two uniforms for each pair.", "每一对要抽两个均匀数。"),
        related="randn",
        picture="flow:(shape), counter | Philox u₁, u₂ | √(−2 ln u₁) cos 2πu₂ | z",
    ),
    "draw_integers": _drawn(
        r"k \sim U\{a, \ldots, b - 1\}",
        ("Integers in the namespace in use.", "在当前命名空间中抽整数。"),
        ("Inside random functions.", "随机函数内部使用。"),
        _SEED,
        related="randint",
        picture="flow:(shape), counter | Philox | k in a … b − 1",
    ),
    "manual_seed": _asked(
        r"s \leftarrow seed",
        ("Seeds the default generator.", "给默认随机发生器设种子。"),
        ("At the start of every experiment.", "每次实验开始时。"),
        (
            "Loader workers and other libraries have generators of their own.",
            "数据加载进程和其他库有各自的发生器。",
        ),
        related="seed get_rng_state",
        picture=_CALL.format("seed", "generator at the start of its stream"),
    ),
    "initial_seed": _asked(
        r"s",
        ("The seed in use.", "当前种子。"),
        ("To write it into a log.", "写入日志。"),
        (
            "Not where the stream stands: that is get_rng_state.",
            "不含流的当前位置：那要用 get_rng_state。",
        ),
        related="manual_seed",
        picture=_CALL.format("generator", "seed"),
    ),
    "seed": _asked(
        r"s \leftarrow \text{system}",
        ("A seed from the operating system.", "由操作系统给出种子。"),
        ("Different numbers each run.", "每次运行都不同。"),
        ("Write it down, or the run is lost.", "要记下来，否则无法重复。"),
        related="manual_seed",
        picture=_CALL.format("operating system", "seed"),
    ),
    "get_rng_state": _asked(
        r"(seed, offset)",
        ("Where the stream stands.", "随机流的当前位置。"),
        ("Checkpoints that go on exactly.", "可精确续训的检查点。"),
        ("Of the default generator only.", "只含默认发生器。"),
        related="set_rng_state",
        picture=_CALL.format("generator", "seed, offset"),
    ),
    "set_rng_state": _asked(
        r"(seed, offset) \leftarrow state",
        ("Puts the stream back.", "恢复随机流。"),
        ("Resuming.", "恢复训练。"),
        ("Of the default generator only.", "只含默认发生器。"),
        related="get_rng_state",
        picture=_CALL.format("seed, offset", "generator"),
    ),
}
