"""A recurrent network of characters, from a module of its own: parameters, a buffer, a hidden state, sampling.

Written for PyTorch. Numbers that chance would choose are made by formulas, so that they are the same everywhere.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

text = "a rose is a rose is a rose, and a rose by any other name would smell as sweet. "
chars = sorted(set(text))
stoi = {ch: i for i, ch in enumerate(chars)}
itos = dict(enumerate(chars))
data = torch.tensor([stoi[ch] for ch in text * 4], dtype=torch.long)
device = "cuda" if torch.cuda.is_available() else "cpu"


def wave(*shape):
    return torch.sin(torch.arange(math.prod(shape), dtype=torch.float32) * 1.3).view(*shape)


class RNN(nn.Module):
    def __init__(self, vocab_size, num_hiddens):
        super().__init__()
        self.vocab_size, self.num_hiddens = vocab_size, num_hiddens
        self.W_xh = nn.Parameter(wave(vocab_size, num_hiddens) * 0.3)
        self.W_hh = nn.Parameter(wave(num_hiddens, num_hiddens) * 0.2)
        self.b_h = nn.Parameter(torch.zeros(num_hiddens))
        self.heads = nn.ModuleList([Head(num_hiddens, vocab_size) for _ in range(2)])
        self.register_buffer("steps", torch.zeros(1))

    def forward(self, inputs, state=None):
        inputs = F.one_hot(inputs.t(), self.vocab_size).float()  # (T, B, vocab_size)
        if state is None:
            state = inputs.new_zeros(inputs.size(1), self.num_hiddens)
        outputs = []
        for x in inputs:
            state = torch.tanh(torch.mm(x, self.W_xh) + torch.mm(state, self.W_hh) + self.b_h)
            outputs.append(state)
        hidden = torch.stack(outputs, dim=1)  # (B, T, num_hiddens)
        with torch.no_grad():
            self.steps += 1
        return sum(head(hidden) for head in self.heads) / len(self.heads), state


class Head(nn.Module):
    def __init__(self, num_hiddens, vocab_size):
        super().__init__()
        self.W = nn.Parameter(torch.empty(num_hiddens, vocab_size))
        nn.init.constant_(self.W, 0.01)
        with torch.no_grad():
            self.W.add_(wave(num_hiddens, vocab_size), alpha=0.1)

    def forward(self, x):
        return x @ self.W


def get_batch(step, batch_size=4, block_size=8):
    ix = [(step * 13 + 7 * i) % (len(data) - block_size) for i in range(batch_size)]
    x = torch.stack([data[i : i + block_size] for i in ix])
    y = torch.stack([data[i + 1 : i + 1 + block_size] for i in ix])
    return x.to(device), y.to(device)


@torch.no_grad()
def estimate_loss(model):
    model.eval()
    losses = torch.zeros(3)
    for k in range(3):
        X, Y = get_batch(100 + k)
        logits, _ = model(X)
        losses[k] = F.cross_entropy(logits.transpose(1, 2), Y).item()  # (B, C, T), (B, T)
    model.train()
    return losses.mean()


@torch.no_grad()
def generate(model, idx, max_new_tokens, top_k=3):
    for _ in range(max_new_tokens):
        logits, _ = model(idx[:, -16:])
        logits = logits[:, -1, :]
        v, _ = torch.topk(logits, min(top_k, logits.size(-1)))
        logits = logits.masked_fill(logits < v[:, [-1]], -float("Inf"))
        probs = F.softmax(logits, dim=-1)
        idx_next = probs.max(1, keepdim=True)[1] if top_k == 3 else torch.multinomial(probs, num_samples=1)
        idx = torch.cat((idx, idx_next), dim=1)
    return idx


model = RNN(len(chars), 32).to(device)
print(f"parameters {sum(p.numel() for p in model.parameters())}")
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, betas=(0.9, 0.99), weight_decay=0.1)
for step in range(12):
    xb, yb = get_batch(step)
    logits, _ = model(xb)
    B, T, C = logits.shape
    targets = yb.clone()
    targets[:, 0] = -1
    loss = F.cross_entropy(logits.view(B * T, C), targets.view(B * T), ignore_index=-1)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    optimizer.step()
    if step % 4 == 3:
        print(f"step {step} loss {loss.item():.6f} norm {float(norm):.6f} held out {estimate_loss(model):.6f}")
print("steps", int(model.steps.item()), sorted(model.state_dict()))
out = generate(model, torch.zeros((1, 1), dtype=torch.long, device=device), 20)
print("text", repr("".join(itos[i] for i in out[0].tolist())))
print("drawn", tuple(generate(model, torch.ones((2, 1), dtype=torch.long), 5, top_k=2).size()))
