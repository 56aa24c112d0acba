"""Chinese texts of the files room."""

TEXT = {
    # writing
    "{name!r} is {kind}, which a file cannot hold: give tensors or arrays of one of {known}.": (
        "{name!r} 是 {kind}，文件无法存放：请给出类型为 {known} 之一的张量或数组。"
    ),
    "Metadata maps strings to strings, not {key!r} to {value!r}.": (
        "元数据只能从字符串映射到字符串，不能从 {key!r} 到 {value!r}。"
    ),
    "A tensor cannot have the name {name!r} in a file.": "文件中的张量不能用名称 {name!r}。",
    "A name or a metadata text is no valid Unicode text: {error}": (
        "某个名称或元数据文本不是有效的 Unicode 文本：{error}"
    ),
    "The header would have {n} bytes; the format allows {most}. Save fewer tensors or less "
    "metadata in one file.": (
        "文件头将有 {n} 字节，而格式最多允许 {most} 字节。请在一个文件中保存更少的张量或元数据。"
    ),
    # reading
    "{path} is no intact safetensors file: {error}. It was cut off, damaged or is of another "
    "kind: copy it again, or save it anew.": (
        "{path} 不是完好的 safetensors 文件：{error}。文件被截断、损坏或属于其他类型：请重新复制或"
        "重新保存。"
    ),
    "it has only {n} bytes": "它只有 {n} 字节",
    "it says that its header has {n} bytes, but the file has {size} in all, and a header at most "
    "{most}": "它声明文件头有 {n} 字节，但文件总共只有 {size} 字节，且文件头最多 {most} 字节",
    "it became shorter while it was read": "读取过程中文件变短了",
    "the header is not JSON: {error}": "文件头不是 JSON：{error}",
    "the header is not a JSON object": "文件头不是 JSON 对象",
    "the header has {text}, which is not JSON": "文件头含有 {text}，这不是 JSON",
    "the header has the name {name!r:.99} twice": "文件头中名称 {name!r:.99} 出现了两次",
    "the metadata does not map strings to strings": "元数据不是从字符串到字符串的映射",
    "the header describes {wanted} bytes, the file has {found}": (
        "文件头描述了 {wanted} 字节，而文件有 {found} 字节"
    ),
    "tensor {name!r:.99} begins at byte {begin} of the data, but the one before ends at {end}": (
        "张量 {name!r:.99} 从数据的第 {begin} 字节开始，而前一个张量结束于 {end}"
    ),
    "tensor {name!r:.99} is not described by dtype, shape and data_offsets": (
        "张量 {name!r:.99} 的描述不是 dtype、shape 和 data_offsets"
    ),
    "tensor {name!r:.99} has dtype {code!r:.99}, which is none of {known}": (
        "张量 {name!r:.99} 的 dtype 是 {code!r:.99}，不属于 {known}"
    ),
    "tensor {name!r:.99} has no valid shape: {shape!r:.99}": (
        "张量 {name!r:.99} 的形状无效：{shape!r:.99}"
    ),
    "tensor {name!r:.99} has no valid data_offsets: {offsets!r:.99}": (
        "张量 {name!r:.99} 的 data_offsets 无效：{offsets!r:.99}"
    ),
    "tensor {name!r:.99} of shape {shape} and dtype {code} needs {wanted} bytes, but has {found}": (
        "形状为 {shape}、dtype 为 {code} 的张量 {name!r:.99} 需要 {wanted} 字节，却有 {found} 字节"
    ),
    "tensor {name!r:.99} does not fit into memory: {error}": (
        "张量 {name!r:.99} 放不进内存：{error}"
    ),
    "tensor {name!r:.99} has truth values other than 0 and 1": (
        "张量 {name!r:.99} 含有 0 和 1 以外的布尔值"
    ),
    # checkpoints
    "The checkpoint {path} is damaged: {why}. Go on from an earlier checkpoint, or copy this one "
    "again.": "检查点 {path} 已损坏：{why}。请从更早的检查点继续，或重新复制此文件。",
    "its SHA-256 does not fit its content": "它的 SHA-256 与内容不符",
    "{path} is a safetensors file, but no checkpoint of this version (its format is "
    "{found!r:.99}): read its tensors with load_file(path).": (
        "{path} 是 safetensors 文件，但不是此版本的检查点（其格式为 {found!r:.99}）：请用 "
        "load_file(path) 读取其中的张量。"
    ),
    "A state is nested more than {n} deep at {path}: does it contain itself?": (
        "状态在 {path} 处嵌套超过 {n} 层：它是否包含自身？"
    ),
    "{path} is {kind}, which a checkpoint cannot hold: it holds tensors, arrays, numbers, texts, "
    "None, True, False, and lists, tuples and dicts of them.": (
        "{path} 是 {kind}，检查点无法存放：它可以存放张量、数组、数字、文本、None、True、False，以"
        "及由它们组成的列表、元组和字典。"
    ),
    "{path} has the key {key!r}: the keys of a checkpoint are texts or numbers.": (
        "{path} 含有键 {key!r}：检查点的键只能是文本或数字。"
    ),
    "its description does not make sense: {error!r:.200}": "其描述没有意义：{error!r:.200}",
    "its tensors {names:.200} belong nowhere": "其中的张量 {names:.200} 没有归属",
    "it uses {tag!r}, which this version does not know": "它使用了此版本不认识的 {tag!r}",
    # files of torch.save
    "{path} cannot be read as a PyTorch file: {error}.": (
        "{path} 无法作为 PyTorch 文件读取：{error}。"
    ),
    "it was written on a big-endian machine: save it anew on a little-endian one": (
        "它是在大端机器上写的：请在小端机器上重新保存"
    ),
    "storage {key!r:.99} needs {wanted} bytes or elements, but has {found}": (
        "存储区 {key!r:.99} 需要 {wanted} 个字节或元素，却有 {found} 个"
    ),
    "it has the tar format of PyTorch before 0.2: save it anew with a later version": (
        "它是 PyTorch 0.2 之前的 tar 格式：请用更新的版本重新保存"
    ),
    "it does not begin as the files of torch.save do": "它的开头与 torch.save 的文件不同",
    "it has a version that is not known": "它的版本未知",
    "its list of storages is none": "它的存储区列表不是列表",
    "it has tensors of {code:.99}, which is no dtype here": (
        "它含有 {code:.99} 类型的张量，这里没有这种 dtype"
    ),
    "its archive is damaged: {error!r:.200}": "它的压缩包已损坏：{error!r:.200}",
    "its archive has two members of one name": "它的压缩包中有两个同名成员",
    "its archive has no data.pkl in its one folder": ("它的压缩包唯一的文件夹中没有 data.pkl"),
    "{name!r:.99} has {n} bytes, more than {most}": "{name!r:.99} 有 {n} 字节，超过 {most}",
    "its archive lacks {name!r:.99}": "它的压缩包缺少 {name!r:.99}",
    "{name!r:.99} is compressed, as by no PyTorch": ("{name!r:.99} 是压缩的，而 PyTorch 从不压缩"),
    "{name!r:.99} begins outside the file": "{name!r:.99} 的开头在文件之外",
    "its members have more bytes than the file": "它的成员的字节数超过文件本身",
    "storage {key!r:.99} is missing": "缺少存储区 {key!r:.99}",
    "storage {key!r:.99} has two kinds": "存储区 {key!r:.99} 有两种类型",
    "storage {key!r:.99} belongs to no tensor": "存储区 {key!r:.99} 不属于任何张量",
    "storage {key!r:.99} has {wanted} bytes, of which the file holds {found}": (
        "存储区 {key!r:.99} 有 {wanted} 字节，而文件中只有 {found} 字节"
    ),
    "storage {key!r:.99} has truth values other than 0 and 1": (
        "存储区 {key!r:.99} 含有 0 和 1 以外的布尔值"
    ),
    "a tensor of shape {shape} reaches element {reach} of storage {key!r:.99}, which has {count}": (
        "形状为 {shape} 的张量伸到存储区 {key!r:.99} 的第 {reach} 个元素，而它只有 {count} 个"
    ),
    "a tensor of {dtype} asks for gradients": "{dtype} 类型的张量要求梯度",
    "no tensor can have the shape {shape}": "没有张量能有形状 {shape}",
    "it asks for {name!r:.199}, which is not read, because it could run anything: tensors, "
    "numbers, texts, lists, tuples and dicts are (in PyTorch save model.state_dict(), not the "
    "model)": (
        "它要求 {name!r:.199}，因其可能运行任意代码而不被读取；能读取的是张量、数字、文本、列表、"
        "元组和字典（在 PyTorch 中请保存 model.state_dict()，而不是模型本身）"
    ),
    "its pickle uses the instruction {name}, which no state dict needs": (
        "它的 pickle 使用了指令 {name}，而状态字典从不需要它"
    ),
    "its pickle is damaged: {error:.200}": "它的 pickle 已损坏：{error:.200}",
    "an instruction finds nothing to work on": "某条指令没有可操作的对象",
    "it appends to {kind}": "它向 {kind} 追加元素",
    "it sets items of {kind}": "它设置 {kind} 的元素",
    "a name is no text": "某个名称不是文本",
    "it calls {kind}": "它调用 {kind}",
    "{name} has {n} arguments": "{name} 有 {n} 个参数",
    "it gives attributes to {kind}": "它给 {kind} 设置属性",
    "an OrderedDict in it has the attributes {names:.99}: only _metadata is known": (
        "其中的 OrderedDict 有属性 {names:.99}：只认识 _metadata"
    ),
    "it refers to {what!r:.99} outside the pickle, not to a storage": (
        "它引用了 pickle 之外的 {what!r:.99}，而不是存储区"
    ),
    "a storage is not described": "某个存储区没有描述",
    "a part of a storage is not described": "存储区的某个部分没有描述",
    "an OrderedDict is not described": "某个 OrderedDict 没有描述",
    "a tensor has no storage with a kind of element": "某个张量没有元素类型确定的存储区",
    "a tensor is not described by storage, offset, shape and strides": (
        "某个张量没有用存储区、偏移、形状和步长描述"
    ),
    "a tensor in it has hooks or flags, which are not read": (
        "其中某个张量带有钩子或标志，这些不被读取"
    ),
    "a parameter is not described by a tensor": "某个参数没有用张量描述",
    "sizes are no natural numbers, at most 64": "大小不是自然数，或多于 64 个",
    "its pickle copies more than it describes": "它的 pickle 复制的内容多于它描述的内容",
    "the key of a dict is {kind}": "字典的键是 {kind}",
    "it holds {name!r:.99} by itself, which is no value": (
        "它单独存放了 {name!r:.99}，这不是一个值"
    ),
    "it contains itself, or is nested more than {n} deep": "它包含自身，或嵌套超过 {n} 层",
}
