"""Chinese texts of the networks as estimators."""

TEXT = {
    "The input contains values too large: the weights overflow.": "输入含有过大的值：权重溢出。",
    "activation is one of {known}, not {value!r}.": "activation 应为 {known} 之一，而不是 {value!r}。",
    "module is made already, so module__{name} has no meaning: give its class.": (
        "module 已经建好，module__{name} 没有意义：请给出它的类。"
    ),
    "module is an nn.Module, a class or a function that makes one, not {value!r}.": (
        "module 应为 nn.Module、它的类或建立它的函数，而不是 {value!r}。"
    ),
    "module must make an nn.Module, not {kind}.": "module 应建立 nn.Module，而不是 {kind}。",
    "The module must give one row a sample; for 1 sample it gave {what}.": (
        "网络应为每个样本给出一行；对 1 个样本它给出 {what}。"
    ),
    "loss__{name} needs the loss as a class or one of: {known}.": (
        "loss__{name} 要求 loss 是一个类，或下列之一：{known}。"
    ),
    "Sample and class weights need a loss that knows reduction='none': a module of chainrule.nn "
    "or one of {known}.": (
        "样本权重和类别权重要求损失支持 reduction='none'：chainrule.nn 的模块，或 {known} 之一。"
    ),
    "{owner} has no parameter {name!r}; parameters of its parts begin with {prefixes}.": (
        "{owner} 没有参数 {name!r}；各部分的参数以 {prefixes} 开头。"
    ),
    "All sample weights are zero: there is nothing to fit.": "所有样本权重都是零：没有可拟合的。",
    "Training diverged: the parameters are not finite. Scale the inputs, or use a smaller lr than "
    "{lr}.": "训练发散：参数不再是有限数。请缩放输入，或使用比 {lr} 更小的 lr。",
    "{owner}: the module gives {found} numbers a sample, and the targets need {expected}.": (
        "{owner}：网络对每个样本给出 {found} 个数，而目标需要 {expected} 个。"
    ),
    "{path}: this is no file of an estimator.": "{path}：这不是估计器的文件。",
    "{path}: this estimator was written by a newer chainrule: update it.": (
        "{path}：这个估计器由更新版本的 chainrule 写成：请升级。"
    ),
    "{path} holds a {found}, not a {wanted}.": "{path} 里是 {found}，不是 {wanted}。",
    "{path}: the file cannot hold {names}: give them, as in load(path, {first}=…).": (
        "{path}：文件无法保存 {names}：请给出它们，如 load(path, {first}=…)。"
    ),
    "classes must be passed on the first call to partial_fit.": (
        "第一次调用 partial_fit 时必须给出 classes。"
    ),
    "classes differ from those of the first call to partial_fit.": (
        "classes 与第一次调用 partial_fit 时不同。"
    ),
    "y has classes {new} that the first fit did not have: {known}.": (
        "y 有第一次拟合没有的类别 {new}：{known}。"
    ),
    "The loss {loss} needs an output for each of the 2 classes; the module has one.": (
        "损失 {loss} 要求两个类别各有一个输出；这个网络只有一个。"
    ),
    "y has {count} targets, and the first fit had {before}.": (
        "y 有 {count} 个目标，而第一次拟合有 {before} 个。"
    ),
}
