// What the page says.

import type { Words } from "../shared/words";

export const STATES: Record<string, Words> = {
  connecting: ["connecting", "正在连接"],
  running: ["running", "训练中"],
  pausing: ["pausing", "即将暂停"],
  paused: ["paused", "已暂停"],
  stopping: ["stopping", "正在停止"],
  finished: ["finished", "已完成"],
  interrupted: ["ended early, can be resumed", "已提前结束，可继续"],
  stopped: ["stopped by itself", "自行停止"],
  failed: ["ended by an error", "因错误结束"],
  lost: ["no connection, trying again", "连接中断，正在重连"],
  gone: ["this run has ended", "本次训练已结束"],
};

export const METRICS: Record<string, Words> = {
  loss: ["Loss", "损失"],
  accuracy: ["Accuracy", "准确率"],
  precision: ["Precision", "精确率"],
  recall: ["Recall", "召回率"],
  f1: ["F1", "F1"],
  perplexity: ["Perplexity", "困惑度"],
  mse: ["Mean squared error", "均方误差"],
  mae: ["Mean absolute error", "平均绝对误差"],
  rmse: ["Root mean squared error", "均方根误差"],
};

export const TEXT = {
  pause: ["Pause", "暂停"],
  resume: ["Resume", "继续"],
  step: ["Step", "单步"],
  stop: ["Stop", "停止"],
  sure: ["Really stop?", "确定停止？"],
  space: ["space", "空格"],
  epoch: ["Epoch", "轮次"],
  steps: ["Step", "步"],
  loss: ["Loss", "损失"],
  validation: ["validation", "验证"],
  ofValidation: ["{name}, validation", "验证{name}"],
  rate: ["Learning rate", "学习率"],
  speed: ["Steps a second", "每秒步数"],
  time: ["Time", "用时"],
  left: ["Left, about", "剩余约"],
  curves: ["Curves", "曲线"],
  curvesHint: [
    "Click a name to hide or show its line.",
    "点击名称可隐藏或显示该曲线。",
  ],
  smoothed: ["smoothed", "平滑"],
  training: ["training", "训练"],
  ofEpoch: ["training, mean of the epoch", "训练，本轮平均"],
  layers: ["Layers", "各层"],
  layersHint: [
    "From looks beside the steps, at most four a second and never more than 3 % of the time; they "
      + "change nothing in the run. Newest look: step {step}. Bars are as high as the roots of "
      + "their counts.",
    "在训练步骤之外抽查得到：每秒最多四次，且不超过用时的 3 %，不影响训练。最近一次：第 {step} 步。"
      + "直方图的高度为计数的平方根。",
  ],
  noLooks: ["No look into the network yet.", "尚未抽查网络内部。"],
  broken: [
    "Looking into this network failed, so there are no layers to show: {reason}",
    "无法抽查该网络，因此不显示各层：{reason}",
  ],
  grad_norm: ["Gradient norm", "梯度范数"],
  act_norm: ["Activation size (RMS)", "激活幅度（均方根）"],
  update_ratio: ["Update / weight", "更新量 / 权重"],
  dead: ["Dead units", "失活单元"],
  saturated: ["Saturated", "饱和"],
  parameters: ["Parameters", "参数量"],
  deadSaturated: ["Dead and saturated share", "失活与饱和比例"],
  deadOf: ["{layer}, dead", "{layer}，失活"],
  saturatedOf: ["{layer}, saturated", "{layer}，饱和"],
  logarithmic: ["logarithmic", "对数轴"],
  weights: ["Weights", "权重"],
  gradients: ["Gradients", "梯度"],
  histogram: ["{layer}: histogram of {what}, from {low} to {high}",
    "{layer}：{what}直方图，从 {low} 到 {high}"],
  kernels: ["Kernels of {layer}", "{layer} 的卷积核"],
  kernelsTitle: ["Kernels", "卷积核"],
  kernelsHint: [
    "Orange adds to the answer where the input is bright, blue takes from it.",
    "输入较亮处，橙色增大输出，蓝色减小输出。",
  ],
  noKernels: ["The first layer has no kernels that make a picture.", "第一层没有可成像的卷积核。"],
  kernel: ["{layer}, kernel {index}", "{layer}，第 {index} 个卷积核"],
  predictions: ["Predictions", "预测"],
  predictionsHint: [
    "The same samples of the validation data each time.",
    "每次都用同一批验证样本。",
  ],
  predictionsTraining: [
    "The same samples of the training data each time: there are no validation data.",
    "没有验证数据，每次都用同一批训练样本。",
  ],
  noPredictions: ["These outputs have no picture here.", "这种输出无法在此展示。"],
  follows: ["What follows", "原文"],
  expects: ["What the network expects, character by character", "网络逐字的预测"],
  written: ["The network goes on writing", "网络的续写"],
  sample: ["sample {index}", "样本 {index}"],
  isTrue: ["is {name}", "实为 {name}"],
  says: ["says {name}", "判为 {name}"],
  right: ["{share} right", "{share} 正确"],
  summary: [
    "{parameters} parameters · {loss} · {optimizer} · {epochs} epochs",
    "{parameters} 个参数 · {loss} · {optimizer} · {epochs} 轮",
  ],
  keys: [
    "Keys: space pauses and resumes, s makes one step. The run goes on when this page is closed.",
    "快捷键：空格暂停或继续，s 走一步。关闭本页不影响训练。",
  ],
  unsent: ["The run did not take this: {reason}", "操作未被接受：{reason}"],
  reason: ["Reason: {reason}", "原因：{reason}"],
} as const satisfies Record<string, Words>;
