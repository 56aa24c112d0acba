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
}
