"""A transformer that writes, character by character: causal mask, AdamW, cosine schedule."""

from real_data import text

import chainrule as torch
import chainrule.nn as nn
import chainrule.nn.functional as F

BLOCK, BATCH, WIDTH = 48, 24, 64


class CharTransformer(nn.Module):
    def __init__(self, vocab_size, nhead=4, nlayers=2):
        super().__init__()
        self.token = nn.Embedding(vocab_size, WIDTH)
        self.position = nn.Parameter(torch.zeros(1, BLOCK, WIDTH))
        layer = nn.TransformerEncoderLayer(
            WIDTH, nhead, dim_feedforward=4 * WIDTH, dropout=0.0, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, nlayers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, vocab_size, bias=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(BLOCK))
        self.apply(self._init_weights)

    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            torch.nn.init.normal_(module.weight, mean=0.0, std=0.05)

    def forward(self, idx, targets=None):
        T = idx.size(1)
        x = self.token(idx) + self.position[:, :T]
        x = self.encoder(x, mask=self.mask[:T, :T], is_causal=True)
        logits = self.head(self.norm(x))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))

    @torch.no_grad()
    def generate(self, idx, count, temperature=0.8):
        for _ in range(count):
            logits, _ = self(idx[:, -BLOCK:])
            probs = F.softmax(logits[:, -1, :] / temperature, dim=-1)
            idx = torch.cat((idx, torch.multinomial(probs, num_samples=1)), dim=1)
        return idx


def get_batch(data):
    ix = torch.randint(len(data) - BLOCK - 1, (BATCH,))
    x = torch.stack([data[i : i + BLOCK] for i in ix])
    y = torch.stack([data[i + 1 : i + BLOCK + 1] for i in ix])
    return x, y


def main(steps=800):
    torch.manual_seed(1337)
    corpus = text()
    chars = sorted(set(corpus))
    stoi = {ch: i for i, ch in enumerate(chars)}
    data = torch.tensor([stoi[ch] for ch in corpus], dtype=torch.long)
    n = int(0.9 * len(data))
    train_data, val_data = data[:n], data[n:]

    model = CharTransformer(len(chars))
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(chars)} characters")
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    for step in range(steps):
        model.train()
        xb, yb = get_batch(train_data)
        _, loss = model(xb, yb)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        if step % 200 == 0:
            print(f"step {step}  loss {loss.item():.3f}")

    model.eval()
    with torch.no_grad():
        losses = torch.tensor([model(*get_batch(val_data))[1].item() for _ in range(20)])
    print(f"held-out loss {losses.mean().item():.3f}, perplexity {losses.mean().exp().item():.2f}")
    start = torch.tensor([[stoi[ch] for ch in "The "]], dtype=torch.long)
    print("".join(chars[i] for i in model.generate(start, 80)[0].tolist()))
    return losses.mean().item()


if __name__ == "__main__":
    assert main() < 2.1
