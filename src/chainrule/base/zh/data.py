"""Chinese texts of the data room."""

TEXT = {
    # collate
    "Samples of type {kind} cannot be put into a batch: return arrays, tensors, numbers, "
    "strings, tuples or dicts, or give the loader a collate_fn.": (
        "类型为 {kind} 的样本无法组成批次：请返回数组、张量、数字、字符串、元组或字典，或者给加载"
        "器一个 collate_fn。"
    ),
    "A batch without samples cannot be put together.": "没有样本，无法组成批次。",
    "An array of dtype {dtype} cannot become a tensor: convert it first, as with "
    ".astype(numpy.float32).": (
        "dtype 为 {dtype} 的数组不能变成张量：请先转换，例如 .astype(numpy.float32)。"
    ),
    "The samples of a batch are dicts with different keys.": "同一批次的样本是键不相同的字典。",
    "The samples of a batch are sequences of different lengths.": (
        "同一批次的样本是长度不同的序列。"
    ),
    "The samples of a batch must have one shape: the first has {first}, number {place} has "
    "{shape}. Resize or crop them, or give the loader a collate_fn.": (
        "同一批次的样本形状必须相同：第一个是 {first}，第 {place} 个（从 0 数）是 {shape}。请缩放"
        "或裁剪，或者给加载器一个 collate_fn。"
    ),
    "The sequences of a batch must be (time, …) and alike but for their lengths: the first has "
    "shape {first}, number {place} has {shape}.": (
        "同一批次的序列形状应为 (时间, …)，且只有长度不同：第一个是 {first}，第 {place} 个（从 0 数）"
        "是 {shape}。"
    ),
    "The sequences of a batch must have one dtype: the first is {first}, number {place} is "
    "{dtype}.": (
        "同一批次的序列 dtype 必须相同：第一个是 {first}，第 {place} 个（从 0 数）是 {dtype}。"
    ),
    # dataset
    "{kind} is a stream and has no sample {index}: iterate over it instead.": (
        "{kind} 是数据流，没有编号为 {index} 的样本：请改为遍历它。"
    ),
    "random_split: lengths must be numbers from 0 up, not {lengths}.": (
        "random_split：lengths 必须是不小于 0 的数，不能是 {lengths}。"
    ),
    "random_split: lengths {lengths} add up to {total}, but the dataset has {n} samples: write "
    "lengths that add up to {n}, or fractions that add up to 1.": (
        "random_split：lengths {lengths} 之和为 {total}，而数据集有 {n} 个样本：请写和为 {n} 的个"
        "数，或和为 1 的比例。"
    ),
    "ConcatDataset: the members' samples have different shapes, {shapes}.": (
        "ConcatDataset：各成员的样本形状不同：{shapes}。"
    ),
    "{owner}: every array needs a first axis that numbers the samples; got shapes {shapes}.": (
        "{owner}：每个数组都需要第一个轴来给样本编号；得到的形状是 {shapes}。"
    ),
    "{owner}: all arrays must have the same number of samples; got shapes {shapes}.": (
        "{owner}：所有数组的样本数必须相同；得到的形状是 {shapes}。"
    ),
    "TensorDataset needs at least one tensor.": "TensorDataset 至少需要一个张量。",
    "Subset: index {index} lies outside a dataset of {n} samples.": (
        "Subset：下标 {index} 超出了有 {n} 个样本的数据集。"
    ),
    "ConcatDataset needs at least one dataset.": "ConcatDataset 至少需要一个数据集。",
    "ConcatDataset takes datasets with a length, not streams (IterableDataset).": (
        "ConcatDataset 只接受有长度的数据集，不接受数据流（IterableDataset）。"
    ),
    "Sample {index} of a dataset of {n} samples does not exist.": (
        "数据集有 {n} 个样本，不存在样本 {index}。"
    ),
    "TensorDataset takes tensors, not {kind}: use ArrayDataset for arrays.": (
        "TensorDataset 接受张量，不接受 {kind}：数组请用 ArrayDataset。"
    ),
    # loader
    "Loading sample {samples} failed (epoch {epoch}, batch {batch}): {reason}": (
        "读取样本 {samples} 失败（第 {epoch} 轮，第 {batch} 批）：{reason}"
    ),
    "{name} must be a whole number from {least} up, not {value!r}.": (
        "{name} 必须是不小于 {least} 的整数，不能是 {value!r}。"
    ),
    "This is no state of a DataLoader: it must be a dict with {keys}.": (
        "这不是 DataLoader 的状态：它必须是含有 {keys} 的字典。"
    ),
    "Batch {batch} does not exist: an epoch has {n} batches.": (
        "不存在第 {batch} 批：一轮有 {n} 批。"
    ),
    "batch_sampler decides the batches: leave out batch_size, shuffle, sampler and drop_last.": (
        "batch_sampler 已决定批次：请去掉 batch_size、shuffle、sampler 和 drop_last。"
    ),
    "sampler decides the order: leave out shuffle.": "sampler 已决定顺序：请去掉 shuffle。",
    "drop_last needs batches: leave it out, or give a batch_size.": (
        "drop_last 需要批次：请去掉它，或给出 batch_size。"
    ),
    "A stream (IterableDataset) comes in its own order: leave out shuffle, sampler and "
    "batch_sampler.": (
        "数据流（IterableDataset）有自己的顺序：请去掉 shuffle、sampler 和 batch_sampler。"
    ),
    "The saved position was counted with {key}={saved}, this loader has {key}={own}: it would go "
    "on with other samples. Make the loader with {key}={saved}, or start an epoch afresh with "
    "set_epoch.": (
        "保存的位置是按 {key}={saved} 计数的，而这个加载器是 {key}={own}：继续下去会得到别的样本"
        "。请用 {key}={saved} 建立加载器，或用 set_epoch 重新开始一轮。"
    ),
    # random
    "seed must be a whole number, not {value!r}: write seed=0.": (
        "seed 必须是整数，不能是 {value!r}：请写 seed=0。"
    ),
    "seed must lie in 0 .. 2**64 - 1, not {value}: write seed=0.": (
        "seed 必须在 0 到 2**64 - 1 之间，不能是 {value}：请写 seed=0。"
    ),
    "epoch must be a whole number counted from 0, not {value!r}.": (
        "epoch 必须是从 0 数起的整数，不能是 {value!r}。"
    ),
    "epoch must lie in 0 .. 2**32 - 1, not {value}.": (
        "epoch 必须在 0 到 2**32 - 1 之间，不能是 {value}。"
    ),
    "Give seed= or generator=, not both: each names the random numbers.": (
        "seed= 与 generator= 只能给一个：两者都决定随机数。"
    ),
    "generator must be a chainrule Generator, not {kind}: write seed=0 instead.": (
        "generator 必须是 chainrule 的 Generator，不能是 {kind}：请改写 seed=0。"
    ),
    "Random numbers were asked for {n} samples, but this batch has {rows}.": (
        "要求 {n} 个样本的随机数，而这一批有 {rows} 个。"
    ),
    "One batch drew random numbers more than 65,000 times.": "同一批抽取随机数超过 65,000 次。",
    # readers: checks
    "labels go up to {last}; give classes= if there are more": (
        "标签最大为 {last}；若类别更多，请给出 classes="
    ),
    "{path}, row {row}, column {column} (counted from 0): {value} where a finite float32 is "
    "needed.": (
        "{path}，第 {row} 行，第 {column} 列（从 0 数）：出现 {value}，此处需要有限的 float32 数。"
    ),
    "{path}, row {row}, column {column} (counted from 0): {value} is too large for float32.": (
        "{path}，第 {row} 行，第 {column} 列（从 0 数）：{value} 太大，float32 无法表示。"
    ),
    "labels count from 0": "标签从 0 数起",
    "{path}: inputs need an axis of samples and one of values; found shape {shape}.": (
        "{path}：输入需要样本轴和数值轴；得到的形状是 {shape}。"
    ),
    "{path}: {dtype} values too large for float32 to hold exactly; load the array yourself and "
    "give it to ArrayDataset.": (
        "{path}：{dtype} 的数值太大，float32 无法精确表示；请自行读取数组并交给 ArrayDataset。"
    ),
    "{path}: an input has shape {have}, {count} values; it cannot become {shape}.": (
        "{path}：一个输入的形状是 {have}，共 {count} 个数；不能变成 {shape}。"
    ),
    "{path}: labels have shape {shape}; one number a sample is needed. Turn one-hot rows into "
    "labels with argmax(1).": (
        "{path}：标签的形状是 {shape}；每个样本需要一个数。独热编码请用 argmax(1) 变成标签。"
    ),
    "{path}: {labels} labels for {inputs} inputs.": "{path}：{inputs} 个输入却有 {labels} 个标签。",
    "{path}: there are no samples.": "{path}：没有样本。",
    "a finite number is needed": "需要有限的数",
    "float32 cannot hold it": "float32 无法表示",
    "a whole number is needed": "需要整数",
    "{path}: label {value} of row {row} (counted from 0): {reason}.": (
        "{path}：第 {row} 行（从 0 数）的标签 {value}：{reason}。"
    ),
    "classes is how many there are, or their names, not {value!r}.": (
        "classes 是类别的个数或名称，不能是 {value!r}。"
    ),
    "classes names a class twice: {names}.": "classes 中有重复的类别：{names}。",
    "classes must be from 1 up, not {value}.": "classes 必须不小于 1，不能是 {value}。",
    # readers: idx
    "{path}: too long: the header announces shape {shape} of {dtype}, {expected} bytes in all, "
    "but there are {found}.": (
        "{path}：过长：文件头声明形状 {shape}、类型 {dtype}，共 {expected} 字节，实际有 {found} "
        "字节。"
    ),
    "{path}: not an IDX file: it begins with {found}, expected 00 00, a type code (08 09 0b 0c "
    "0d 0e) and the number of axes.": (
        "{path}：不是 IDX 文件：开头是 {found}，应为 00 00、类型码（08 09 0b 0c 0d 0e）和轴数。"
    ),
    "{path}: the header announces {rank} axes; at most {most} are possible.": (
        "{path}：文件头声明 {rank} 个轴；最多 {most} 个。"
    ),
    "{path}: cut off within the header: {rank} axes need {expected} bytes, found {found}.": (
        "{path}：文件头被截断：{rank} 个轴需要 {expected} 字节，只有 {found} 字节。"
    ),
    "{path}: the header announces shape {shape} of {dtype}, {expected} bytes, but this gzip file "
    "can or may unpack to {limit} at most.": (
        "{path}：文件头声明形状 {shape}、类型 {dtype}，共 {expected} 字节，但这个 gzip 文件最多可"
        "以或允许解压为 {limit} 字节。"
    ),
    "{path}: bytes follow after the {expected} that the header announces (shape {shape} of "
    "{dtype}).": (
        "{path}：文件头声明 {expected} 字节（形状 {shape}、类型 {dtype}），其后还有多余的字节。"
    ),
    "{path}: cut off: the header announces shape {shape} of {dtype}, {expected} bytes in all, "
    "but there are {found}.": (
        "{path}：被截断：文件头声明形状 {shape}、类型 {dtype}，共 {expected} 字节，实际只有 "
        "{found} 字节。"
    ),
    "IDX files hold {names}, not {dtype}: convert the array with .astype first.": (
        "IDX 文件可存 {names}，不能存 {dtype}：请先用 .astype 转换数组。"
    ),
    "IDX files count each axis in 32 bits: shape {shape} is too long.": (
        "IDX 文件用 32 位记录每个轴的长度：形状 {shape} 过长。"
    ),
    "{path}: impossible shape {shape} ({reason}).": "{path}：不可能的形状 {shape}（{reason}）。",
    "{path}: the gzip data are corrupt or cut off ({reason}).": (
        "{path}：gzip 数据损坏或被截断（{reason}）。"
    ),
    "nothing": "无内容",
    # readers: images
    "channels must be 1, 3 or 4, not {value!r}.": "channels 必须是 1、3 或 4，不能是 {value!r}。",
    "{folder}: the class {name!r} is none of those given: {classes}.": (
        "{folder}：类别 {name!r} 不在给出的类别中：{classes}。"
    ),
    "{folder}: no pictures found; expected {folder}/CLASS/*.png (or {kinds}).": (
        "{folder}：没有找到图片；应为 {folder}/类别/*.png（或 {kinds}）。"
    ),
    "it is a folder": "这是文件夹",
    "its content is of no known picture format": "内容不是已知的图片格式",
    "{path}: the picture holds values from {low:g} to {high:g}; pixels go from 0 to 1, to 255 or, "
    "as integers, to 65535.": (
        "{path}：图片中的值从 {low:g} 到 {high:g}；像素应为 0 到 1、0 到 255，或整数 0 到 65535。"
    ),
    "{path}: not a readable picture ({reason}).": "{path}：不是可读的图片（{reason}）。",
    "{path} is {width} x {height} pixels, but {first} is {first_width} x {first_height}: give "
    "size=(height, width) to resize all.": (
        "{path} 是 {width} x {height} 像素，而 {first} 是 {first_width} x {first_height}：请给出 "
        "size=(高, 宽) 来统一缩放。"
    ),
    "{path} is a link out of {root}: only files inside the folder are read.": (
        "{path} 是指向 {root} 之外的链接：只读取文件夹之内的文件。"
    ),
    'Reading pictures needs Pillow: pip install "chainrule[images]"': (
        '读取图片需要 Pillow：pip install "chainrule[images]"'
    ),
    "{path}: a picture of {width} x {height} pixels; at most {most} pixels are read.": (
        "{path}：图片有 {width} x {height} 像素；最多读取 {most} 像素。"
    ),
    # readers: load
    "{path}: the data are one whole without a split {split!r}: leave split out, and use "
    "random_split to divide them.": (
        "{path}：数据是一个整体，没有 {split!r} 部分：请去掉 split，并用 random_split 划分。"
    ),
    "split must be 'train', 'test' or None, not {value!r}.": (
        "split 必须是 'train'、'test' 或 None，不能是 {value!r}。"
    ),
    "task must be 'classification' or 'regression', not {value!r}.": (
        "task 必须是 'classification' 或 'regression'，不能是 {value!r}。"
    ),
    "{path}: the largest label is {label}, which makes {count} classes, but there are only "
    "{samples} samples: check the labels; in Python, classes= says how many classes there are.": (
        "{path}：最大的标签是 {label}，即有 {count} 个类别，而样本只有 {samples} 个：请检查标签；在 "
        "Python 中可用 classes= 说明类别数。"
    ),
    "{path}: the parts hold inputs of different shapes, {shapes}.": (
        "{path}：各部分的输入形状不同：{shapes}。"
    ),
    "{path}: there is no split {split!r}, only {found}.": (
        "{path}：没有 {split!r} 部分，只有 {found}。"
    ),
    # readers: npy
    "{path}: holds {dtype} values; only numbers are read. (Object arrays would run code from the "
    "file.) Save it again as a plain numeric array.": (
        "{path}：内容的类型是 {dtype}；只读取数值。（对象数组会执行文件中的代码。）请重新保存为普"
        "通数值数组。"
    ),
    "{path}: impossible shape {shape}.": "{path}：不可能的形状 {shape}。",
    "{path}: the header announces shape {shape} of {dtype}, {expected} bytes in all, but there "
    "are {found}.": (
        "{path}：文件头声明形状 {shape}、类型 {dtype}，共 {expected} 字节，实际有 {found} 字节。"
    ),
    "{path}: cut off: {expected} bytes were announced, but there are {found}.": (
        "{path}：被截断：声明了 {expected} 字节，实际有 {found} 字节。"
    ),
    "{path}: announces {expected} bytes, but may unpack to {limit} at most.": (
        "{path}：声明 {expected} 字节，但最多允许解压为 {limit} 字节。"
    ),
    "{path}: unpacks from {packed} bytes to {expected}, more than {ratio} times as many: no real "
    "data do, and it is not unpacked. Save it uncompressed if it is meant so.": (
        "{path}：{packed} 字节要解压为 {expected} 字节，超过 {ratio} 倍：真实数据不会如此，因此不解"
        "压。若确实如此，请不压缩保存。"
    ),
    "the header cannot be read": "文件头无法读取",
    "{path}: not an .npy array ({reason}).": "{path}：不是 .npy 数组（{reason}）。",
    "{path}: not an .npz archive ({reason}).": "{path}：不是 .npz 压缩包（{reason}）。",
    "{path}: the archive is corrupt or cut off ({reason}).": (
        "{path}：压缩包损坏或被截断（{reason}）。"
    ),
    # readers: sources
    "{path}: files ending in {suffix!r} cannot be read as a dataset; give .csv, .npy, .npz, or a "
    "folder of IDX files or pictures.": (
        "{path}：以 {suffix!r} 结尾的文件不能作为数据集读取；请给出 .csv、.npy、.npz，或含 IDX 文"
        "件或图片的文件夹。"
    ),
    "{path}: there is no such file or folder.": "{path}：没有这个文件或文件夹。",
    "{path}: the folder holds neither IDX files ({example}) nor pictures (CLASS/*.png).": (
        "{path}：文件夹中既没有 IDX 文件（{example}），也没有图片（类别/*.png）。"
    ),
    "{path}: {name} is missing (.gz and '.' before idx are fine too).": (
        "{path}：缺少 {name}（带 .gz 或 idx 之前用 '.' 也可以）。"
    ),
    "{path}: holds {found} axes (shape {shape}), expected {expected}.": (
        "{path}：有 {found} 个轴（形状 {shape}），应为 {expected} 个。"
    ),
    "{images} holds {n} pictures, but {labels} holds {m} labels.": (
        "{images} 有 {n} 张图片，而 {labels} 有 {m} 个标签。"
    ),
    "{path}: an array of shape {shape} is no table of labels and features; expected [N, 1 + D], "
    "or an .npz file with x and y.": (
        "{path}：形状为 {shape} 的数组不是标签与特征的表；应为 [N, 1 + D]，或含 x 和 y 的 .npz 文"
        "件。"
    ),
    "{path}: expected the arrays images and labels, or x and y, or x_train, y_train, x_test, "
    "y_test; it holds {names}.": (
        "{path}：应含数组 images 和 labels，或 x 和 y，或 x_train、y_train、x_test、y_test；实际"
        "含有 {names}。"
    ),
    # readers: table
    "{path}: cannot be read as a table of numbers.": "{path}：不能作为数值表读取。",
    "an empty cell where a number is needed": "需要数字的地方是空格子",
    "{cell!r} is not a number": "{cell!r} 不是数字",
    "{cell} where a finite number is needed": "出现 {cell}，此处需要有限的数",
    "{cell} is too large for float32": "{cell} 太大，float32 无法表示",
    "{path}: not a text file: it holds zero bytes.": "{path}：不是文本文件：含有零字节。",
    "{path}: there are no rows.": "{path}：没有数据行。",
    "{path}: there is one column only; a label and features are needed.": (
        "{path}：只有一列；需要标签和特征。"
    ),
    "{path}: columns {columns} are all named label or target; name one of them so.": (
        "{path}：第 {columns} 列都叫 label 或 target；只能有一列这样命名。"
    ),
    "{path}: not a text file in UTF-8 ({reason}).": "{path}：不是 UTF-8 文本文件（{reason}）。",
    "{path}, row {row}: {fault}.": "{path}，第 {row} 行：{fault}。",
    "{path}, row {row}: {found} cells, but the first row has {expected}.": (
        "{path}，第 {row} 行：有 {found} 格，而第一行有 {expected} 格。"
    ),
    "{path}, row {row}, column {column}: {fault}.": (
        "{path}，第 {row} 行，第 {column} 列：{fault}。"
    ),
    # sampler
    "batch_size must be a whole number from 1 up, not {value!r}.": (
        "batch_size 必须是不小于 1 的整数，不能是 {value!r}。"
    ),
    "RandomSampler: num_samples is a whole number from 1 up, not {value!r}.": (
        "RandomSampler：num_samples 是不小于 1 的整数，不能是 {value!r}。"
    ),
    "RandomSampler: there are no samples to draw from.": "RandomSampler：没有可抽取的样本。",
    # transforms
    "The transform gave samples of different shapes, {first} and {other}: a batch needs one "
    "shape.": "变换得到的样本形状不同：{first} 和 {other}；一批样本形状必须相同。",
    "{name} takes images [C, H, W] or [N, C, H, W]; a batch of shape {shape} came. Put "
    "ToTensor() before it if the channel axis is missing.": (
        "{name} 接受图像 [C, H, W] 或 [N, C, H, W]；得到的批次形状是 {shape}。若缺少通道轴，请在"
        "它之前放 ToTensor()。"
    ),
    "{name} takes floating values, not {dtype}: put ToFloat() before it.": (
        "{name} 接受浮点数，不接受 {dtype}：请在它之前放 ToFloat()。"
    ),
    "{name} takes a sample [C, H, W] or [D], or a batch [N, C, H, W] or [N, D]; got shape "
    "{shape}.": (
        "{name} 接受样本 [C, H, W] 或 [D]，或批次 [N, C, H, W] 或 [N, D]；得到的形状是 {shape}。"
    ),
    "Lambda takes a function, not {value!r}.": "Lambda 接受函数，不接受 {value!r}。",
    "Lambda: the function made shape {out} of a batch of shape {shape}; it must keep the first "
    "axis.": "Lambda：函数把形状 {shape} 的批次变成了 {out}；第一个轴必须保持不变。",
    "Compose takes callables; {value!r} is none.": "Compose 接受可调用对象；{value!r} 不是。",
    "RandomErasing: scale must be (low, high) in 0 .. 1, not {value}.": (
        "RandomErasing：scale 必须是 0 到 1 之间的 (低, 高)，不能是 {value}。"
    ),
    "RandomErasing: ratio must be (low, high) with 0 < low <= high, not {value}.": (
        "RandomErasing：ratio 必须是满足 0 < 低 <= 高 的 (低, 高)，不能是 {value}。"
    ),
    "Cutout: size is a number of pixels from 1 up, not {size!r}.": (
        "Cutout：size 是不小于 1 的像素数，不能是 {size!r}。"
    ),
    "{name}: p is a probability in 0 .. 1, not {p}.": (
        "{name}：p 是 0 到 1 之间的概率，不能是 {p}。"
    ),
    "{name}: {argument} must be two finite numbers, not {value}.": (
        "{name}：{argument} 必须是两个有限的数，不能是 {value}。"
    ),
    "{name}: {argument} must be (low, high) with low <= high, not {value}.": (
        "{name}：{argument} 必须是满足 低 <= 高 的 (低, 高)，不能是 {value}。"
    ),
    "{name}: shear angles must lie within 90 degrees, not {value}.": (
        "{name}：错切角必须在 90 度以内，不能是 {value}。"
    ),
    "{name}: translate holds fractions of width and height in 0 .. 1, not {value}.": (
        "{name}：translate 是宽和高的比例，在 0 到 1 之间，不能是 {value}。"
    ),
    "{name}: scale must be (low, high) with 0 < low <= high, not {value}.": (
        "{name}：scale 必须是满足 0 < 低 <= 高 的 (低, 高)，不能是 {value}。"
    ),
    "RandomCrop: size is (height, width) in whole pixels, not {size}.": (
        "RandomCrop：size 是以整数像素计的 (高, 宽)，不能是 {size}。"
    ),
    "RandomCrop: padding is a number of pixels or (left, top, right, bottom), not {padding}.": (
        "RandomCrop：padding 是像素数或 (左, 上, 右, 下)，不能是 {padding}。"
    ),
    "RandomCrop: a window of {size} does not fit into images of {have} (padding counted in): "
    "choose a smaller size or more padding.": (
        "RandomCrop：{size} 的窗口放不进 {have} 的图像（已计入填充）：请减小 size 或增大 padding。"
    ),
    "{name}: {argument}={value} stands for (-{value}, {value}) and must be from 0 up.": (
        "{name}：{argument}={value} 表示 (-{value}, {value})，必须不小于 0。"
    ),
    "ToTensor takes an image [H, W] or [H, W, C] or a batch [N, H, W, C]; got shape {shape}.": (
        "ToTensor 接受图像 [H, W] 或 [H, W, C]，或批次 [N, H, W, C]；得到的形状是 {shape}。"
    ),
    "ToTensor takes images [N, H, W] or [N, H, W, C] with at most 4 channels last; got shape "
    "{shape}. Use ToFloat() if the channels come first.": (
        "ToTensor 接受图像 [N, H, W] 或 [N, H, W, C]，通道在最后且至多 4 个；得到的形状是 {shape}"
        "。若通道在前，请用 ToFloat()。"
    ),
    "Normalize: mean and std are numbers or one number a channel.": (
        "Normalize：mean 和 std 是一个数，或每个通道一个数。"
    ),
    "Normalize: mean and std must be finite.": "Normalize：mean 和 std 必须是有限的数。",
    "Normalize: std must be above zero, got {std}; write 1 for a channel that never changes.": (
        "Normalize：std 必须大于零，得到 {std}；从不变化的通道请写 1。"
    ),
    "GaussianNoise: mean must be finite and sigma from 0 up; got {mean}, {sigma}.": (
        "GaussianNoise：mean 必须有限，sigma 不小于 0；得到 {mean}、{sigma}。"
    ),
    "Normalize: {name} has {count} values, but the input of shape {shape} has {channels} "
    "channels.": "Normalize：{name} 有 {count} 个值，而形状为 {shape} 的输入有 {channels} 个通道。",
    "batch {n} (samples {samples})": "第 {n} 批（样本 {samples}）",
    "with exit code {code}": "退出码为 {code}",
    "by signal {name}": "被信号 {name} 终止",
    "The dataset, collate_fn or worker_init_fn cannot be sent to a worker process "
    "({reason}): define classes and functions at the top of a module, or use "
    'threads, workers="threads".': (
        "数据集、collate_fn 或 worker_init_fn 无法发送给工作进程（{reason}）：请在模块顶层定义类和函数，"
        '或改用线程 workers="threads"。'
    ),
    "Data worker {number} (process {pid}) ended {how} while it loaded {task}. If it "
    "ran out of memory, use fewer workers or smaller batches; a script that starts "
    'workers needs its own work under `if __name__ == "__main__":`.': (
        "数据工作进程 {number}（进程号 {pid}）在加载{task}时结束（{how}）。若是内存不足，请减少工作进程或"
        '减小批量；启动工作进程的脚本须把自己的工作放在 `if __name__ == "__main__":` 之下。'
    ),
    "Data worker {number} (process {pid}) has not answered for {seconds:g} s; it is "
    "at {task}. If a batch may take that long, give the loader a larger timeout.": (
        "数据工作进程 {number}（进程号 {pid}）已有 {seconds:g} 秒没有回应，正在处理{task}。"
        "若一批确实需要这么久，请给加载器更大的 timeout。"
    ),
    "Data worker {number} could not start: {reason}": "数据工作进程 {number} 无法启动：{reason}",
    "A batch cannot be sent from a worker process: {reason}": "无法从工作进程发送一批数据：{reason}",
    # text and lines
    "{path}: there is no such file; a text is a UTF-8 file, or one of {names}.": (
        "{path}：没有这个文件；文本是 UTF-8 文件，或者 {names} 之一。"
    ),
    "{path} is no file: give a text file in UTF-8.": "{path} 不是文件：请给出 UTF-8 文本文件。",
    "{path} is a binary file (it holds zero bytes): give a text file in UTF-8.": (
        "{path} 是二进制文件（含有零字节）：请给出 UTF-8 文本文件。"
    ),
    "{path} is not UTF-8: line {line} holds the byte 0x{byte:02x}. Save it as UTF-8 first.": (
        "{path} 不是 UTF-8：第 {line} 行含有字节 0x{byte:02x}。请先存为 UTF-8。"
    ),
    "{path} is empty: there is nothing to learn from.": "{path} 是空的：没有可供学习的内容。",
    "Characters takes single characters, at least one, such as 'abc'.": (
        "Characters 需要单个字符，至少一个，例如 'abc'。"
    ),
    "Characters: a character occurs twice.": "Characters：有字符出现了两次。",
    "The character {character!r} (number {place} of line {line}) is not among the {n} known ones: "
    "{some}": "字符 {character!r}（第 {line} 行第 {place} 个）不在已知的 {n} 个字符之中：{some}",
    "The text is too short: {found} characters, but a piece of {length} and the one that follows it "
    "need {least}. Give more text, or a smaller length.": (
        "文本太短：只有 {found} 个字符，而一段 {length} 个加上其后的一个需要 {least} 个。请给出更长的"
        "文本，或更小的长度。"
    ),
    "{source}: the class {name} has {n} lines of {shortest} characters or more; two are the least.": (
        "{source}：类别 {name} 中不少于 {shortest} 个字符的行只有 {n} 行；至少要两行。"
    ),
    "{path} is a file: give a folder with a folder of .txt files for each class.": (
        "{path} 是文件：请给出文件夹，其中每个类别有一个放 .txt 文件的文件夹。"
    ),
    "{path} holds {n} folders with .txt files: each is a class, and two are the least "
    "(CLASS/*.txt).": (
        "{path} 中有 {n} 个含 .txt 文件的文件夹：每个是一个类别，至少要两个（类别/*.txt）。"
    ),
    # mix, whiten
    "{name} takes samples (input, label).": "{name} 需要样本（输入，标签）。",
    "{name} takes {n} integer labels, or shares of shape {shape}; got {dtype} of "
    "shape {got}.": "{name} 需要 {n} 个整数标签，或形状为 {shape} 的份额；得到的是形状 {got} 的 {dtype}。",
    "{name}: a label is {label}, but the classes are 0 to {last}.": (
        "{name}：有一个标签是 {label}，但类别是 0 到 {last}。"
    ),
    "CutMix takes images [N, C, H, W], not a batch of shape {shape}.": (
        "CutMix 需要图像 [N, C, H, W]，而不是形状为 {shape} 的批次。"
    ),
    "Whiten takes samples [N, …] to measure, two or more; got shape {shape}.": (
        "Whiten 需要至少两个样本 [N, …] 来测量；得到的形状是 {shape}。"
    ),
    "Whiten: the samples must be finite.": "Whiten：样本必须是有限的。",
    "Whiten: some directions have no variance: give eps above zero.": (
        "Whiten：有些方向没有方差：请给出大于零的 eps。"
    ),
    "Whiten was made of samples of shape {own}, not {shape}.": (
        "Whiten 是由形状为 {own} 的样本得到的，而不是 {shape}。"
    ),
}
