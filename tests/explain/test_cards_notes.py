"""What the notes list as advantages and drawbacks stands on the cards."""

import pytest

import chainrule as cr

# Of each thing: what the notes say for it, and against it, as key phrases of the Chinese card.
POINTS = {
    "sigmoid": (["0 到 1 之间", "非线性", "输出有限", "求导容易", "概率"],
                ["饱和", "梯度消失", "不以零为中心", "指数", "计算量大"]),
    "tanh": (["以零为中心"], ["梯度消失", "计算成本"]),
    "relu": (["不饱和", "收敛远快于", "求导简单", "稀疏", "缓解过拟合"],
             ["死亡", "不以零为中心", "学习率过大", "不可导"]),
    "leaky_relu": (["死亡"], ["不连贯"]),
    "prelu": (["自己学", "可以变成 ReLU"], ["参数更多"]),
    "elu": (["均值接近零", "死亡"], ["计算量稍大"]),
    "softmax": (["概率", "多分类"], ["饱和"]),
    "cross_entropy": (["错得越离谱"], ["开放集", "类别越多"]),
    "mse_loss": (["简单", "非负", "对称", "凸问题", "解析解", "可导", "帕萨瓦尔", "统计意义上最优"],
                 ["几乎为零", "学得很慢", "顺序", "离群点"]),
    "focal_loss": (["易分", "单阶段"], ["超参数"]),
    "SGD": (["BGD", "MBGD"], ["收敛慢", "震荡", "占内存", "噪声大", "波动", "鞍点", "向量化"]),
    "Adam": (["平滑", "自己的学习率", "很少需要调", "不随梯度的缩放变化", "受学习率限制", "退火",
              "稀疏梯度", "不稳定的目标函数"],
             ["不收敛", "错过全局最优"]),
    "RMSprop": (["摆动", "更大的学习率"], []),
    "dropout": (["依赖"], ["不再是明确的函数", "单调下降"]),
    "batch_norm": (["更大的学习率", "收敛更快", "初始化依赖小", "梯度消失", "正则化"],
                   ["批小", "RNN", "GAN", "强化学习", "丢失一部分特征"]),
    "layer_norm": (["单个样本", "不需要批", "RNN"], []),
    "group_norm": (["显存"], []),
    "conv2d": (["参数共享", "稀疏连接", "参数少"], []),
    "max_pool2d": (["平移", "旋转", "过拟合"], []),
}  # fmt: skip


@pytest.mark.parametrize("name", POINTS)
def test_the_points_of_the_notes_are_on_the_card(name):
    card, (good, bad) = cr.card(name), POINTS[name]
    told = {"use": card.use.zh, "trouble": card.trouble.zh}
    missing = [p for p in good if p not in told["use"]]
    missing += [p for p in bad if p not in told["trouble"]]
    assert not missing, (missing, told)


def test_how_many_points_there_are():
    assert sum(len(good) + len(bad) for good, bad in POINTS.values()) >= 75
