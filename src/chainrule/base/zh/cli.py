"""Chinese texts of the command line, argparse's own words among them."""

TEXT = {
    "{name} is a model: --html {name}.html writes a page of its first training step.": (
        "{name} 是模型：--html {name}.html 会写出它第一步训练的页面。"
    ),
    "{path} is damaged: its content does not match its checksum. Train again, or take the weights "
    "from the run's checkpoint.": (
        "{path} 已损坏：内容与校验和不符。请重新训练，或从该次运行的检查点取回权重。"
    ),
    # main
    "A deep-learning framework that you can see through.": "看得透的深度学习框架。",
    "chainrule COMMAND --help tells more about a command.": (
        "chainrule 命令 --help 介绍一个命令。"
    ),
    "commands": "命令",
    "COMMAND": "命令",
    "language: en or zh": "语言：en 或 zh",
    "train a model on digits or your own data": "用数字图像或自己的数据训练模型",
    "measure a trained model on data": "在数据上评估训练好的模型",
    "ask a trained model what an image shows": "让训练好的模型识别图像",
    "work the chain rule through, step by step": "一步一步演算链式法则",
    "shapes, parameters and multiply-adds of a model": "模型各层的形状、参数与乘加次数",
    "compare gradients with central differences": "用中心差分检验梯度",
    "the vocabulary of operations, with formulas": "全部运算及其公式",
    "--lang is one of {known}, not {value!r}.": "--lang 是 {known} 之一，不能是 {value!r}。",
    "Interrupted.": "已中断。",
    "There is not enough memory for this.": "内存不足。",
    "warning: {message}": "警告：{message}",
    "This is a bug in chainrule, please report it ({kind}: {what}). CHAINRULE_DEBUG=1 shows where.": (
        "这是 chainrule 的缺陷，请报告（{kind}：{what}）。CHAINRULE_DEBUG=1 会显示出处。"
    ),
    "a file": "某个文件",
    "{path}: {reason}": "{path}：{reason}",
    "{path}: the disk is full; no half file was left behind.": (
        "{path}：磁盘已满；没有留下半个文件。"
    ),
    "{path}: larger than files may be here; no half file was left behind.": (
        "{path}：超过此处文件大小的上限；没有留下半个文件。"
    ),
    "{path}: permission denied.": "{path}：没有权限。",
    "{path} is a folder, not a file": "{path} 是文件夹，不是文件",
    "{path} cannot be written: there is no folder {folder}": "{path} 无法写入：没有文件夹 {folder}",
    "{path} cannot be written: no permission in {folder}": "{path} 无法写入：对 {folder} 没有权限",
    "{path}: this place can only be read.": "{path}：此处只读。",
    "{path} is a folder where a file is needed.": "{path} 是文件夹，这里需要文件。",
    "{path} is a file where a folder is needed.": "{path} 是文件，这里需要文件夹。",
    # options
    "{message} (see {command} --help)": "{message}（见 {command} --help）",
    "{value!r} is none of {known}{hint}": "{value!r} 不在 {known} 之中{hint}",
    "; did you mean {close!r}?": "；是否想写 {close!r}？",
    "{text!r} is not a whole number from {least} up": "{text!r} 不是不小于 {least} 的整数",
    "{most} is the most it can be": "最大只能是 {most}",
    "it is empty": "不能为空",
    "{text!r} is not a number above 0": "{text!r} 不是大于 0 的数",
    "{text!r} is not a shape such as 1,28,28": "{text!r} 不是形状，例如 1,28,28",
    # argparse's own words
    "usage: ": "用法：",
    "positional arguments": "参数",
    "options": "选项",
    "show this help message and exit": "显示本帮助并退出",
    "show program's version number and exit": "显示版本并退出",
    "the following arguments are required: %s": "缺少参数：%s",
    "unrecognized arguments: %s": "不认识的参数：%s",
    "argument %(argument_name)s: %(message)s": "参数 %(argument_name)s：%(message)s",
    "expected one argument": "需要一个值",
    "expected at most one argument": "最多一个值",
    "expected at least one argument": "至少需要一个值",
    "expected %s argument": "需要 %s 个值",
    "expected %s arguments": "需要 %s 个值",
    "ignored explicit argument %r": "这个选项没有值，却得到 %r",
    "invalid %(type)s value: %(value)r": "%(type)s 的值无效：%(value)r",
    "not allowed with argument %s": "不能与参数 %s 同用",
    # shared
    "MODEL": "模型",
    "SOURCE": "数据",
    "FOLDER": "文件夹",
    "RUN": "运行",
    "IMAGE": "图像",
    "NAME": "名字",
    "RATE": "学习率",
    "EXPRESSION": "表达式",
    "OPERATION": "运算",
    "NAME=VALUE": "名字=值",
    "print JSON": "输出 JSON",
    "print JSON with all digits": "输出 JSON，数字不舍入",
    "give each input this shape (CSV pixels), or scale pictures to it": (
        "给每个输入这个形状（CSV 中的像素），或把图片缩放到这个大小"
    ),
    "give each input this shape (CSV pixels)": "把每个输入变成这个形状（CSV 中的像素）",
    "a run folder, or a model.safetensors": "运行文件夹，或一个 model.safetensors",
    # explain
    'example: chainrule explain "(x+y)*z" x=-2 y=5 z=-4\n'
    "Numbers, names, + - * / ^, parentheses, functions (chainrule ops lists them);\n"
    'vectors as x=[1,2,3] with sum, mean, dot; several steps as "q = x+y; q*z".\n'
    "A training step of a model as a page: chainrule explain lenet --html lenet.html": (
        '例：chainrule explain "(x+y)*z" x=-2 y=5 z=-4\n'
        "可用数、名字、+ - * / ^、括号与函数（chainrule ops 列出它们）；\n"
        '向量写作 x=[1,2,3]，配合 sum、mean、dot；多步写作 "q = x+y; q*z"。\n'
        "把模型的一个训练步写成网页：chainrule explain lenet --html lenet.html"
    ),
    "write a page of one training step; EXPRESSION is a model or the folder of a run": (
        "写出一个训练步的网页；此时“表达式”为模型名或运行文件夹"
    ),
    "--html takes a model or the folder of a run, and nothing else.": (
        "--html 只接受模型名或运行文件夹，不能有其他参数。"
    ),
    "{path}: open it in a browser.": "{path}：请用浏览器打开。",
    "what to differentiate": "要求导的表达式",
    "a number, or a vector [1,2,3]": "一个数，或向量 [1,2,3]",
    "decimals to show (2)": "显示的小数位数（2）",
    "compare every derivative with central differences": "用中心差分检验每个导数",
    "There is no option {name}; --help lists them.": "没有选项 {name}；--help 列出全部选项。",
    '{name} is no expression. `chainrule explain` takes one such as "x*y" x=1 y=2, or, with '
    "--html FILE, a model or the folder of a run.": (
        '{name} 不是表达式。`chainrule explain` 接受表达式，例如 "x*y" x=1 y=2；'
        "配合 --html 文件 时，接受模型名或训练所得的文件夹。"
    ),
    "{text!r} is not of the form NAME=VALUE.": "{text!r} 的写法不是 名字=值。",
    "{name} is given a value twice.": "{name} 被赋值两次。",
    # ops
    "an operation, for all about it": "某个运算，显示它的全部信息",
    "No operation is named {name!r}; did you mean {close!r}?": (
        "没有名为 {name!r} 的运算；是否想写 {close!r}？"
    ),
    "No operation is named {name!r}: chainrule ops lists them.": (
        "没有名为 {name!r} 的运算：chainrule ops 列出全部。"
    ),
    "{n} operations; chainrule ops NAME tells more.": "共 {n} 个运算；chainrule ops 名字 显示详情。",
    "  {name}: {expected}, by default {default!r}": "  {name}：{expected}，默认 {default!r}",
    "  {name}: {expected}": "  {name}：{expected}",
    "family {name}": "属于 {name} 族",
    "also called {names}": "又名 {names}",
    "serves {names}": "用于 {names}",
    "without a gradient": "没有梯度",
    "gradient by the chain rule through its forward": "梯度由链式法则穿过前向得到",
    # gradcheck
    "examples: chainrule gradcheck            every operation\n"
    "          chainrule gradcheck exp conv2d\n"
    '          chainrule gradcheck --expr "sin(x)*x" x=0.5': (
        "例：chainrule gradcheck            全部运算\n"
        "    chainrule gradcheck exp conv2d\n"
        '    chainrule gradcheck --expr "sin(x)*x" x=0.5'
    ),
    "operations to check; with --expr the values NAME=VALUE": (
        "要检验的运算；与 --expr 同用时为 名字=值"
    ),
    "check an expression instead": "改为检验一个表达式",
    'NAME=VALUE belongs to --expr "EXPRESSION".': '名字=值 要与 --expr "表达式" 同用。',
    "gradient {gradient:.9g}  differences {numeric:.9g}": (
        "梯度 {gradient:.9g}  差分 {numeric:.9g}"
    ),
    "agree": "一致",
    "DIFFER": "不一致",
    "agrees in {n} comparisons": "{n} 次比较，全部一致",
    "follows a rule of its own, not its derivative: nothing to compare": (
        "按自己的规则而不是导数：无可比较"
    ),
    "DIFFERS: {reason}": "不一致：{reason}",
    "{name} has no gradient to check.": "{name} 没有可检验的梯度。",
    "{right} of {all} operations agree with central differences ({seconds:.1f} s).": (
        "{all} 个运算中有 {right} 个与中心差分一致（{seconds:.1f} 秒）。"
    ),
    # summary
    "{names}, or the folder of a run": "{names}，或一个运行文件夹",
    "shape of one input (1,28,28)": "一个输入的形状（1,28,28）",
    "outputs (10)": "输出的个数（10）",
    "The outputs of a trained model are what they are: no --classes.": (
        "训练好的模型输出个数已定：不能用 --classes。"
    ),
    # train
    "examples: chainrule train lenet\n"
    "          chainrule train mlp --data FOLDER --epochs 5 --out runs/mine\n"
    "          chainrule train char-lstm --data book.txt\n"
    "Data: {digits} (built in), a folder with MNIST's four IDX files,\n"
    "a folder of pictures (train/CLASS/*.png and test/CLASS/*.png, or CLASS/*.png),\n"
    "a .csv, .npy or .npz file. For models of text, char-lstm and the like,\n"
    "{texts} (built in) or a text file in UTF-8; for line-classifier\n"
    "a folder with CLASS/*.txt, by default both texts: who wrote this line?\n"
    "For detectors ({detectors}): {scenes} (built in), a folder of images\n"
    "with VOC's XML files, COCO's JSON, or deepforest, the photographs of that\n"
    "installed package.": (
        "例：chainrule train lenet\n"
        "    chainrule train mlp --data 文件夹 --epochs 5 --out runs/mine\n"
        "    chainrule train char-lstm --data book.txt\n"
        "数据：{digits}（内置）、含 MNIST 四个 IDX 文件的文件夹、图片文件夹\n"
        "（train/类别/*.png 与 test/类别/*.png，或 类别/*.png）、.csv、.npy 或 .npz 文件。\n"
        "文本模型（char-lstm、char-gru、char-rnn、gpt）：{texts}（内置）或 UTF-8 文本文件；\n"
        "line-classifier：含 类别/*.txt 的文件夹，默认用两部内置文本：这一行是谁写的？\n"
        "检测器（{detectors}）：{scenes}（内置）、带 VOC 的 XML 文件的图像文件夹、\n"
        "COCO 的 JSON，或已安装的软件包 deepforest 中的照片。"
    ),
    "what to learn from ({digits}, for text {text})": "学习所用的数据（{digits}，文本为 {text}）",
    "text: characters a step reads of each line or stream (by the recipe)": (
        "文本：每步从每行或每条流中读取的字符数（依配方）"
    ),
    "--{option} means nothing to {model}: leave it out.": (
        "--{option} 对 {model} 没有意义：请去掉。"
    ),
    "the model, for evaluate and generate": "模型，供 evaluate 和 generate 使用",
    "curves and a sample: open it in a browser": "曲线与样例文本：用浏览器打开",
    # text
    "let a model of text write on": "让文本模型续写",
    "{model}, {parameters} parameters, on {n} characters of {data}; tested on {m}.": (
        "{model}，{parameters} 个参数，用 {data} 的 {n} 个字符训练；用 {m} 个测试。"
    ),
    "{model}, {parameters} parameters, on {n} lines of {data}; tested on {m}.": (
        "{model}，{parameters} 个参数，用 {data} 的 {n} 行训练；用 {m} 行测试。"
    ),
    "Test perplexity {perplexity:.3f}, {bits:.3f} bits a character ({where}); counting three "
    "characters gives {counted:.3f}.": (
        "测试困惑度 {perplexity:.3f}，每字符 {bits:.3f} 比特（{where}）；统计三字符组可得 "
        "{counted:.3f}。"
    ),
    "Test accuracy {accuracy:.4f}, loss {loss:.4f} ({where}); counting three characters for each "
    "class gives {counted:.4f}.": (
        "测试准确率 {accuracy:.4f}，损失 {loss:.4f}（{where}）；按类别统计三字符组可得 {counted:.4f}。"
    ),
    "{source} is too short: {found} characters, of which a tenth is held out, and that must be more "
    "than the {length} of a piece. Give {least} or more, or a smaller --length.": (
        "{source} 太短：共 {found} 个字符，留出十分之一，且须多于一段的 {length} 个。请给出至少 {least} "
        "个字符，或更小的 --length。"
    ),
    "{source}, the last {n} characters": "{source} 的最后 {n} 个字符",
    "{source}, the last {n} lines": "{source} 的最后 {n} 行",
    "The model in {path} does not write text: char-lstm and the like do.": (
        "{path} 中的模型不写文本：char-lstm 一类的模型才写。"
    ),
    "The model in {path} writes text and has no classes: chainrule generate {path}": (
        "{path} 中的模型写文本，没有类别：chainrule generate {path}"
    ),
    "One of the lines is empty.": "其中有一行是空的。",
    "Only the first {n} characters are read of: {line}": "只读取前 {n} 个字符：{line}",
    "{source} has the classes {found}, but the model knows {known}.": (
        "{source} 的类别是 {found}，而模型认识的是 {known}。"
    ),
    # generate
    'examples: chainrule generate runs/char-lstm --prompt "To be"\n'
    "          chainrule generate runs/char-lstm --temperature 0.5 --top-k 5 --seed 7": (
        '例：chainrule generate runs/char-lstm --prompt "To be"\n'
        "    chainrule generate runs/char-lstm --temperature 0.5 --top-k 5 --seed 7"
    ),
    "TEXT": "文本",
    "what the text begins with": "文本的开头",
    "how many characters to write (400)": "要写的字符数（400）",
    "below 1 surer, above 1 bolder, 0 always the likeliest (0.8)": (
        "小于 1 更稳，大于 1 更大胆，0 总取最可能的（0.8）"
    ),
    "choose among the K likeliest only": "只在最可能的 K 个中选",
    "{text!r} is not a number from 0 up": "{text!r} 不是不小于 0 的数",
    "passes over the data (by the recipe)": "遍历数据的轮数（依配方）",
    "examples a step (by the recipe)": "每步的样本数（依配方）",
    "An epoch takes about {one} on this machine, all {n} of them {all}. Ctrl-C ends the run early; "
    "it can go on later.": (
        "在这台机器上一轮约需 {one}，全部 {n} 轮约需 {all}。Ctrl-C 可提前结束，之后可以继续。"
    ),
    "{n} min": "{n} 分钟",
    "{n} h": "{n} 小时",
    "{source} holds pictures of different sizes: --input 1,28,28, say, scales all to 28×28, in "
    "grey.": "{source} 中的图片大小不一：例如 --input 1,28,28 会把它们都缩放为 28×28 的灰度图。",
    "curves and kernels: open it in a browser": "曲线与卷积核：请用浏览器打开",
    "Test squared error {error:.5f} ({where}).": "测试平方误差 {error:.5f}（{where}）。",
    " As many principal components leave {error:.5f}.": "同样多的主成分剩下 {error:.5f}。",
    "{name}  restored with a squared error of {error:.5f}": "{name}  还原的平方误差为 {error:.5f}",
    "one of {names} (by the recipe)": "{names} 之一（默认按配方）",
    "largest learning rate of the cycle": "周期中最大的学习率",
    "names all that is random (0)": "决定一切随机数（0）",
    "of the computation (float32); bf16: products in bfloat16, sums in float32": (
        "计算的精度（float32）；bf16：乘积用 bfloat16，求和用 float32"
    ),
    "do not turn and shift the training images": "不旋转、平移训练图像",
    "do not compile the training step": "不编译训练步骤",
    "serve a live page of the run on this computer": "在本机打开本次训练的实时网页",
    "the same, on this port (a free one)": "同上，并指定端口（默认任选空闲端口）",
    "threads that load data (0)": "读取数据的线程数（0）",
    "the run folder (runs/MODEL)": "运行文件夹（runs/模型）",
    "go on with the run in that folder": "继续该文件夹中的运行",
    "replace what lies in that folder": "替换该文件夹中的内容",
    "--resume goes on with a run and --overwrite replaces it: one of both.": (
        "--resume 继续一次运行，--overwrite 替换它：只能选一个。"
    ),
    "{model}, {parameters} parameters, on {n} examples of {data}; tested on {m}.": (
        "{model}，{parameters} 个参数；{data} 的 {n} 个样本用于训练，{m} 个用于测试。"
    ),
    "{reason} The training diverged and no model was written: try a smaller rate, such as --lr "
    "{rate:g}.": "{reason}训练发散，没有写出模型：请试更小的学习率，例如 --lr {rate:g}。",
    "To go on: {command}": "继续训练：{command}",
    "Interrupted after {n} of {all} epochs.": "在 {all} 轮中的第 {n} 轮后中断。",
    "Test accuracy {accuracy:.4f}, loss {loss:.4f} ({where})": (
        "测试准确率 {accuracy:.4f}，损失 {loss:.4f}（{where}）"
    ),
    "the model, for evaluate and predict": "模型，供 evaluate 与 predict 使用",
    "curves, mistakes, kernels: open it in a browser": "曲线、错例、卷积核：用浏览器打开",
    "the numbers of every epoch and step": "每轮每步的数字",
    "{source}, {n} test examples": "{source}，{n} 个测试样本",
    "{source}, the last {n}": "{source} 的最后 {n} 个",
    "{source}, {n} examples held out": "{source} 中留出的 {n} 个样本",
    "{source} has one class only: there is nothing to learn.": (
        "{source} 只有一个类别：没有什么可学。"
    ),
    "{source} holds one sample: there is nothing to test on.": (
        "{source} 只有一个样本：没有可测试的。"
    ),
    "of the last epoch": "最后一轮的权重",
    "{model} on {data}": "{data} 上的 {model}",
    # run folders
    "{path} holds no checkpoint to resume from: leave out --resume.": (
        "{path} 中没有可继续的检查点：请去掉 --resume。"
    ),
    "{path} holds a checkpoint without its {file}: it cannot be resumed from here.": (
        "{path} 中有检查点却没有 {file}：无法由此继续。"
    ),
    "{path}: these are not the settings of a run; --overwrite starts anew.": (
        "{path}：这不是一次运行的设置；--overwrite 可重新开始。"
    ),
    "{path} holds something that is not a run: choose another --out, or --overwrite to write "
    "there all the same.": (
        "{path} 中的内容不是一次运行：请另选 --out，或用 --overwrite 仍写在那里。"
    ),
    "The run in {path} has {name} = {before}, not {now}: leave that option out to resume it.": (
        "{path} 中的运行 {name} = {before}，不是 {now}：要继续它请去掉该选项。"
    ),
    "{path} holds a run with {name} = {before}, this one has {now}: choose another --out, or "
    "--overwrite to replace it.": (
        "{path} 中的运行 {name} = {before}，这一次是 {now}：请另选 --out，或用 --overwrite 替换。"
    ),
    "{path} holds an unfinished run with these settings: --resume goes on, --overwrite starts "
    "anew.": "{path} 中有一次同样设置的未完成的运行：--resume 继续，--overwrite 重新开始。",
    "Another training is writing into {path}: wait for its end, or choose another --out.": (
        "另一个训练正在写入 {path}：请等它结束，或换一个 --out。"
    ),
    "{source}: the training examples are {train} and the test examples {test}: both parts must "
    "have the same shape.": (
        "{source}：训练样本是 {train}，测试样本是 {test}：两部分的形状必须相同。"
    ),
    "The run in {path} has just been replaced: look at it first.": (
        "{path} 中的运行刚刚被替换：请先查看它。"
    ),
    "{source} has no features: there is nothing to learn from.": (
        "{source} 没有特征：没有可供学习的内容。"
    ),
    "{image} is one colour all over (or nearly): what the model says about it means nothing. Check "
    "how it was stored.": (
        "{image} 整张（几乎）只有一种颜色：模型对它的回答没有意义。请检查它的存储方式。"
    ),
    "info is no JSON object": "info 不是 JSON 对象",
    "info has {name} = {value!r}": "info 中 {name} = {value!r}",
    # evaluate
    "examples: chainrule evaluate runs/lenet\n"
    "          chainrule evaluate runs/lenet --data FOLDER --json": (
        "例：chainrule evaluate runs/lenet\n    chainrule evaluate runs/lenet --data 文件夹 --json"
    ),
    "what to measure on (what the run learned from)": "评估所用的数据（默认为训练时的来源）",
    "which part of it (test, where there is one)": "用哪一部分（有 test 时为 test）",
    "{path} does not say what it learned from: give --data.": (
        "{path} 没有说明训练数据：请给出 --data。"
    ),
    "{source} holds inputs of shape {found}, but the model takes {wanted}.": (
        "{source} 的输入形状为 {found}，而模型需要 {wanted}。"
    ),
    # predict
    "examples: chainrule predict runs/lenet seven.png --top 3\n"
    '          chainrule predict runs/line-classifier "a line of text"': (
        "例：chainrule predict runs/lenet seven.png --top 3\n"
        '    chainrule predict runs/line-classifier "一行文本"'
    ),
    "pictures, .npy arrays or IDX files, of the size the model takes; or lines of text": (
        "图片、.npy 数组或 IDX 文件，尺寸与模型相符；或者若干行文本"
    ),
    "show the K likeliest classes (1)": "显示最可能的 K 个类别（1）",
    "turn dark on light into light on dark": "把浅底深字变成深底浅字",
    "{path} looks dark on light, and the model learned light on dark: --invert turns it around.": (
        "{path} 看来是浅底深字，而模型学的是深底浅字：--invert 可翻转。"
    ),
    "{path}: give a picture ({kinds}), an .npy array or an IDX file.": (
        "{path}：请给出图片（{kinds}）、.npy 数组或 IDX 文件。"
    ),
    "{path} has the size {found}, but the model takes {wanted}: scale it to that first.": (
        "{path} 的尺寸为 {found}，而模型需要 {wanted}：请先缩放。"
    ),
    "{path} holds values that are NaN or infinite.": "{path} 中有 NaN 或无穷大。",
    "{path} holds values from {low:g} to {high:g}: pixels go from 0 to 255, or from 0 to 1.": (
        "{path} 中的值从 {low:g} 到 {high:g}：像素应为 0 到 255，或 0 到 1。"
    ),
    # chainrule.models.save and load
    "{kind} was not made by chainrule.models.build, so a file could not say how to rebuild it: "
    "write chainrule.save_file(model.state_dict(), path).": (
        "{kind} 不是由 chainrule.models.build 生成的，文件无法说明如何重建它："
        "请写 chainrule.save_file(model.state_dict(), path)。"
    ),
    "{path} holds tensors but does not say of which model: rebuild that yourself and give it "
    "chainrule.load_file(path).": (
        "{path} 中有张量，但没有说明属于什么模型：请自行重建模型并载入 chainrule.load_file(path)。"
    ),
    "{path} is no run folder: it holds no {file}.": "{path} 不是运行文件夹：其中没有 {file}。",
    "{path}: this model was written by a newer chainrule: update it.": (
        "{path}：这个模型由更新版本的 chainrule 写出：请升级。"
    ),
    "{path} is damaged or no model: {reason}": "{path} 已损坏或不是模型：{reason}",
}
