"""Chinese texts of sequences: recurrent layers, packed batches, embedding, attention."""

TEXT = {
    # packed and padded batches
    "PackedSequence: batch_sizes must hold at least one number, none below 1 and none greater "
    "than the one before, got {sizes}.": (
        "PackedSequence：batch_sizes 至少要有一个数，都不小于 1，且不大于前一个，得到 {sizes}。"
    ),
    "PackedSequence: batch_sizes add up to {total}, data has shape {shape}.": (
        "PackedSequence：batch_sizes 之和为 {total}，而 data 的形状是 {shape}。"
    ),
    "{owner} takes a padded batch (time, batch, …), got shape {shape}.": (
        "{owner} 需要填充后的批 (时间, 批, …)，得到形状 {shape}。"
    ),
    "{owner}: lengths must not increase, got {lengths}: write enforce_sorted=False to have the "
    "sequences put in order.": (
        "{owner}：lengths 不能递增，得到 {lengths}：请写 enforce_sorted=False，由它来排序。"
    ),
    "pad_packed_sequence: total_length {total} is less than the longest sequence, {longest}.": (
        "pad_packed_sequence：total_length {total} 小于最长序列的长度 {longest}。"
    ),
    "{owner} takes sequences (time, …), at least one and alike but for their lengths, got shapes "
    "{shapes}.": "{owner} 需要至少一个序列 (时间, …)，除长度外形状相同，得到的形状是 {shapes}。",
    "{owner}: lengths must be {batch} numbers up to {steps}, for a padded batch of {batch} "
    "sequences and {steps} time steps, got {lengths}.": (
        "{owner}：填充后的批有 {batch} 个序列、{steps} 个时间步，lengths 应为 {batch} 个不超过 {steps} "
        "的数，得到 {lengths}。"
    ),
    "{owner}: every length must be at least 1, and there must be one, got {lengths}.": (
        "{owner}：至少要有一个长度，且每个不小于 1，得到 {lengths}。"
    ),
    "{owner}: {name} must be a list of integers, got {dtype} of shape {shape}.": (
        "{owner}：{name} 应为整数列表，得到形状 {shape} 的 {dtype}。"
    ),
    "{owner}: a packed batch has as many elements as its lengths add up to, which a compiled "
    "program cannot know beforehand. Keep the batch padded and write layer(x, lengths=lengths): "
    "it computes the same, and compiles.": (
        "{owner}：打包后的元素个数是各长度之和，编译的程序无法事先知道。请保留填充后的批，写 "
        "layer(x, lengths=lengths)：结果相同，且可以编译。"
    ),
    "{module}: a packed batch knows its lengths: leave lengths out.": (
        "{module}：打包的批自带长度：请不要给出 lengths。"
    ),
    "{module} takes packed sequences of vectors, (T, K) each: their data must have 2 dimensions, "
    "not shape {shape}.": (
        "{module} 需要由向量组成的打包序列，每个形状 (T, K)：其 data 应有 2 维，而不是形状 {shape}。"
    ),
    # embedding
    "{name}: padding_idx {index} is outside the table of {rows} rows.": (
        "{name}：padding_idx {index} 超出了 {rows} 行的表。"
    ),
    "{name}.from_pretrained takes a table of shape (rows, dim), got {shape}.": (
        "{name}.from_pretrained 接受形状为 (行数, 维数) 的表，得到的形状是 {shape}。"
    ),
    "embedding_bag takes input (bags, indices) without offsets, or input (indices,) with offsets "
    "(bags,), got shapes {input} and {offsets}.": (
        "embedding_bag 的输入应为 (袋, 索引) 而不带 offsets，或 (索引,) 并带 offsets (袋,)，得到形状 "
        "{input} 和 {offsets}。"
    ),
    "embedding_bag: per_sample_weights go with mode='sum' and have the shape of input, {input}; "
    "mode is {mode!r}, their shape {weights}.": (
        "embedding_bag：per_sample_weights 只用于 mode='sum'，形状与输入 {input} 相同；这里 mode 是 "
        "{mode!r}，其形状是 {weights}。"
    ),
    "embedding_bag: scale_grad_by_freq does not go with mode='max'.": (
        "embedding_bag：scale_grad_by_freq 不能与 mode='max' 同用。"
    ),
    "embedding_bag: mode='max' does not support sparse weights: write sparse=False.": (
        "embedding_bag：mode='max' 不支持稀疏的权重：请写 sparse=False。"
    ),
    "embedding_bag: include_last_offset=True needs offsets, at least one number.": (
        "embedding_bag：include_last_offset=True 需要 offsets，至少一个数。"
    ),
    "embedding_bag: offsets must start at 0, never decrease, and end at most at {n}, the number of "
    "indices, got {offsets}.": (
        "embedding_bag：offsets 须从 0 开始、不递减、最后不超过索引个数 {n}，得到 {offsets}。"
    ),
    # perplexity
    "Perplexity takes scores [N, classes, ...] and targets [N, ...]; got {score} and {target}.": (
        "困惑度需要得分 [N, 类数, ...] 和目标 [N, ...]；得到 {score} 和 {target}。"
    ),
    "perplexity: the targets go from {low} to {high}, the {classes} classes are numbered 0 to "
    "{last}.": "perplexity：目标从 {low} 到 {high}，而 {classes} 个类的编号是 0 到 {last}。",
    # attention
    "Attention takes query (…, L, E), key (…, S, E) and value (…, S, V), got {q}, {k} and {v}.": (
        "注意力需要 query (…, L, E)、key (…, S, E) 和 value (…, S, V)，得到 {q}、{k} 和 {v}。"
    ),
    "Attention: a mask has shape {mask}, which does not broadcast to the scores of every query and "
    "key, {scores}.": "注意力：掩码的形状是 {mask}，不能广播到每个查询与键的得分 {scores}。",
    "scaled_dot_product_attention: is_causal=True is a mask of its own: leave attn_mask out, or "
    "put both into it.": (
        "scaled_dot_product_attention：is_causal=True 本身就是掩码：请不要给出 attn_mask，或把两者合并到其中。"
    ),
    "scaled_dot_product_attention: the heads of query (axis −3 of {query}) must be a multiple of "
    "those of key and value, {x}.": (
        "scaled_dot_product_attention：query 的头数（{query} 的轴 −3）必须是 key 和 value 的头数的倍数，"
        "后者的形状是 {x}。"
    ),
    "{owner}: is_causal=True is a hint about attn_mask, so give attn_mask as well.": (
        "{owner}：is_causal=True 是对 attn_mask 的提示，因此也要给出 attn_mask。"
    ),
    "{owner} takes query (L, N, E), key and value (S, N, …), all without N or none, got shapes "
    "{q}, {k} and {v}.": (
        "{owner} 需要 query (L, N, E)、key 和 value (S, N, …)，要么都没有 N，要么都有，得到形状 "
        "{q}、{k} 和 {v}。"
    ),
    "{owner}: query has {size} features; they must be embed_dim {embed_dim}, and a multiple of the "
    "{heads} heads.": (
        "{owner}：query 有 {size} 个特征；应等于 embed_dim {embed_dim}，且是头数 {heads} 的倍数。"
    ),
    " or ": " 或 ",
    "{owner}: {name} must have shape {wanted}, got {got}.": (
        "{owner}：{name} 的形状应为 {wanted}，得到 {got}。"
    ),
    "{owner}: {name} must be boolean or floating, not {dtype}.": (
        "{owner}：{name} 应为布尔或浮点类型，而不是 {dtype}。"
    ),
    "{name}: embed_dim {size} must be a multiple of num_heads {heads}.": (
        "{name}：embed_dim {size} 必须是 num_heads {heads} 的倍数。"
    ),
    "{name}: activation must be 'relu', 'gelu' or a function, got {given!r}.": (
        "{name}：activation 应为 'relu'、'gelu' 或函数，得到 {given!r}。"
    ),
    "Transformer takes src and tgt of the same number of axes and sequences, with d_model {size} "
    "features, got shapes {src} and {tgt}.": (
        "Transformer 的 src 和 tgt 轴数相同、序列数相同、特征数为 d_model {size}，得到形状 {src} 和 {tgt}。"
    ),
}
