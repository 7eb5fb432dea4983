"""CapDec: learn to caption images without one, from noisy embeddings of captions.

Paper:    Nukrai, Mokady & Globerson, "Text-Only Training for Image Captioning using
          Noise-Injected CLIP", Findings of EMNLP 2022, arXiv 2211.00575
Differs:  1. CLIP stays outside: pairs of (text embedding, tokens) come in, and image
             embeddings at the end
          2. `CaptionDecoder` is a GPT-2 of any size with a token table of its own; the
             paper fine-tunes the pretrained one
          3. logits are computed where a token is predicted, not on the prefix
          4. `estimate_epsilon` takes any two sets of embeddings, row by row; the paper
             compares captions of the same image, since it has no images
          5. captions are decoded greedily; upstream also has beam search
          6. attention has no padding mask: pads come last and causal attention never
             looks ahead, so that they touch no scored position
Checked:  DavidHuji/CapDec@4451bfd: noise to 1e-5, both mappers, the loss and GPT-2's
          logits to 1e-4; epsilon against two computations of the formula

Shapes:   B captions, D embedding of CLIP, P prefix length, L clip length, E decoder
          width, T tokens, V vocabulary, h heads, N positions
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls.vit import Mlp

Kind = Literal["mlp", "transformer"]


@dataclass(frozen=True)
class Config:
    """The official defaults: CLIP RN50x4 and GPT-2."""

    clip_dim: int = 640            # D
    kind: Kind = "transformer"     # of mapper
    prefix_length: int = 40        # P
    clip_length: int = 40          # L
    mapper_layers: int = 8
    mapper_heads: int = 8
    variance: float = 0.016        # epsilon^2: 0.126 along every coordinate
    vocab: int = 50257             # V
    width: int = 768               # E
    depth: int = 12
    heads: int = 12
    max_length: int = 1024         # positions, those of the prefix too
    pad_id: int = 0
    lr: float = 2e-5               # AdamW, linear warm-up
    warmup_steps: int = 5000
    epochs: int = 10
    batch: int = 34


TINY = Config(
    clip_dim=16, kind="mlp", prefix_length=2, clip_length=2, mapper_layers=2,
    mapper_heads=4, vocab=24, width=32, depth=2, heads=4, max_length=16, lr=3e-3,
    warmup_steps=10, batch=64,
)


# The noise (Sec. 3.2)


def inject_noise(
    z: Tensor,
    variance: float,
    noise: Tensor | None = None,
    uniform: bool = False,
    normalize_first: bool = True,
    modality_offset: Tensor | None = None,
    *,
    u: Tensor | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Unit embeddings moved at random and brought back to unit length, (B, D).

    variance: of every coordinate; 0 returns z untouched. noise: (B, D) standard normal.
    uniform: in a ball of radius sqrt(variance) instead, with u (B,) uniform in [0, 1).
    modality_offset: (D,), from text to image embeddings where it is known.
    """
    if variance < 0:
        raise ValueError(f"variance {variance} is negative; give epsilon squared")
    if variance == 0:
        return z
    B, D = z.shape
    if noise is None:
        noise = standard_normal((B, D), z, generator)
    if normalize_first:
        z = F.normalize(z, dim=1)                               # -- z
    epsilon = variance**0.5
    if uniform:
        if u is None:
            u = torch.rand(B, generator=generator, dtype=z.dtype).to(z.device)
        noise = F.normalize(noise, dim=1) * u[:, None] ** (1 / D)  # -- in a ball
    z = z + epsilon * noise                                     # -- z + n
    if modality_offset is not None:
        z = z + modality_offset
    return F.normalize(z, dim=1)                                # -- back to the sphere


def standard_normal(
    shape: tuple[int, ...], like: Tensor, generator: Generator | None
) -> Tensor:
    if generator is None:
        return torch.randn(shape, dtype=like.dtype, device=like.device)
    numbers = torch.randn(shape, generator=generator, device=generator.device)
    return numbers.to(like)


def estimate_epsilon(image_emb: Tensor, text_emb: Tensor) -> Tensor:
    """How far apart two embeddings of one thing are in their worst coordinate.

    Both (N, D), whatever they embed; the paper compares captions of 15 images. Returns
    a scalar: the noise's standard deviation.
    """
    if image_emb.shape != text_emb.shape:
        raise ValueError(
            f"{tuple(image_emb.shape)} and {tuple(text_emb.shape)} differ; row i of "
            "both must be one thing"
        )
    gap = F.normalize(image_emb, dim=1) - F.normalize(text_emb, dim=1)  # (N, D)
    return gap.abs().amax(dim=1).mean()                         # ()  -- epsilon


# From an embedding to the decoder's first words (Sec. 3.1)


class MapperAttention(nn.Module):
    """Attention as the official mapper names it; queries, keys, values have no bias."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.to_queries = nn.Linear(dim, dim, bias=False)
        self.to_keys_values = nn.Linear(dim, 2 * dim, bias=False)
        self.project = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L+P, E) to the same."""
        B, N, E = x.shape
        q = self.to_queries(x).view(B, N, self.heads, -1).transpose(1, 2)
        kv = self.to_keys_values(x).view(B, N, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, kv[0], kv[1])  # (B, h, N, E/h)
        return self.project(mixed.transpose(1, 2).reshape(B, N, E))


class MapperMlp(nn.Module):
    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x).relu())


class MapperLayer(nn.Module):
    def __init__(self, dim: int, heads: int, mlp_ratio: float):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = MapperAttention(dim, heads)
        self.mlp = MapperMlp(dim, int(dim * mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PrefixMapper(nn.Module):
    """F: one embedding (B, D) to P vectors that the decoder reads like words.

    `mlp`: two layers at once. `transformer`: the embedding as L tokens beside P learned
    ones, and what becomes of the latter.
    """

    def __init__(
        self,
        kind: Kind,
        clip_dim: int,
        emb_dim: int,
        prefix_length: int,
        clip_length: int = 40,
        num_layers: int = 8,
        heads: int = 8,
        mlp_ratio: float = 2.0,
    ):
        super().__init__()
        P, E = prefix_length, emb_dim
        self.prefix_length = P
        if kind == "mlp":
            hidden = E * P // 2
            self.model = nn.Sequential(
                nn.Linear(clip_dim, hidden), nn.Tanh(), nn.Linear(hidden, E * P)
            )
        elif kind == "transformer":
            self.linear = nn.Linear(clip_dim, clip_length * E)
            self.prefix_const = nn.Parameter(torch.randn(P, E))
            self.transformer = nn.ModuleDict({"layers": nn.ModuleList(
                MapperLayer(E, heads, mlp_ratio) for _ in range(num_layers)
            )})
        else:
            raise ValueError(f"kind {kind!r}; choose 'mlp' or 'transformer'")
        self.kind, self.clip_length = kind, clip_length

    def forward(self, z: Tensor) -> Tensor:
        """(B, D) to (B, P, E)."""
        if self.kind == "mlp":
            return self.model(z).view(len(z), self.prefix_length, -1)  # -- F (mlp)
        tokens = self.linear(z).view(len(z), self.clip_length, -1)     # (B, L, E)
        const = self.prefix_const.expand(len(z), -1, -1)               # (B, P, E)
        x = torch.cat([tokens, const], dim=1)                          # (B, L+P, E)
        for layer in self.transformer["layers"].children():
            x = layer(x)
        return x[:, self.clip_length:]                 # (B, P, E)  -- F (transformer)


# The decoder: a small GPT-2


class CausalBlock(nn.Module):
    """Pre-norm block of GPT-2: no position sees what comes after it."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = Mlp(dim, 4 * dim, gelu="tanh")

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, E) to the same."""
        B, N, E = x.shape
        qkv = self.qkv(self.norm1(x)).view(B, N, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)                    # each (B, h, N, E/h)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # -- causal
        x = x + self.proj(mixed.transpose(1, 2).reshape(B, N, E))
        return x + self.mlp(self.norm2(x))


class CaptionDecoder(nn.Module):
    """Vectors in, hidden states out; words and logits share one table."""

    def __init__(self, vocab: int, width: int, depth: int, heads: int, max_length: int):
        super().__init__()
        self.wte = nn.Embedding(vocab, width)
        self.wpe = nn.Embedding(max_length, width)
        self.blocks = nn.ModuleList(CausalBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Prefix and word vectors (B, N, E) to hidden states (B, N, E)."""
        N, longest = x.shape[1], len(self.wpe.weight)
        if longest < N:
            raise ValueError(f"{N} positions; prefix and caption may have {longest}")
        x = x + self.wpe.weight[:N]                             # -- positions
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """(B, N, E) to (B, N, V)."""
        return F.linear(hidden, self.wte.weight)                # -- tied


class CapDec(nn.Module):
    """Mapper and decoder. CLIP's two encoders are the caller's."""

    def __init__(
        self,
        mapper: PrefixMapper,
        decoder: CaptionDecoder,
        variance: float = 0.016,
        pad_id: int = 0,
    ):
        super().__init__()
        self.mapper, self.decoder = mapper, decoder
        self.variance, self.pad_id = variance, pad_id

    def forward(self, z: Tensor, tokens: Tensor) -> Tensor:
        """Embeddings (B, D) and captions (B, T) to the tokens' logits (B, T, V)."""
        prefix = self.mapper(z)                                 # (B, P, E)  -- p
        P = prefix.shape[1]
        words = self.decoder.wte(tokens)                        # (B, T, E)
        hidden = self.decoder(torch.cat([prefix, words], dim=1))  # (B, P+T, E)
        return self.decoder.logits(hidden[:, P - 1:-1])         # (B, T, V)  -- shifted


# The loss (Eq. 1)


def caption_loss(logits: Tensor, tokens: Tensor, pad_id: int = 0) -> Tensor:
    """Cross-entropy of every token that is no pad. (B, T, V) and (B, T) to a scalar."""
    if logits.shape[:2] != tokens.shape:
        raise ValueError(
            f"logits {tuple(logits.shape)} for tokens {tuple(tokens.shape)}; one row "
            "a token is needed (prefix_caption_loss cuts the prefix off)"
        )
    return F.cross_entropy(
        logits.flatten(0, 1), tokens.flatten(), ignore_index=pad_id
    )                                                           # ()  -- L


def prefix_caption_loss(
    logits: Tensor, tokens: Tensor, prefix_length: int, pad_id: int = 0
) -> Tensor:
    """The same from a language model's logits over prefix and caption, (B, P+T, V).

    Position P-1 predicts the first token, the last position nothing. A real token whose
    number is pad_id is ignored too: GPT-2's 0 is "!".
    """
    return caption_loss(logits[:, prefix_length - 1:-1], tokens, pad_id)  # -- shift


# Training on text, then captions for images


def build(config: Config = TINY) -> CapDec:
    """The model that a Config describes, untrained."""
    mapper = PrefixMapper(
        config.kind, config.clip_dim, config.width, config.prefix_length,
        config.clip_length, config.mapper_layers, config.mapper_heads,
    )
    decoder = CaptionDecoder(
        config.vocab, config.width, config.depth, config.heads, config.max_length
    )
    return CapDec(mapper, decoder, config.variance, config.pad_id)


def training_step(
    model: CapDec, batch: tuple[Tensor, Tensor], step: int = 0, steps: int = 1
) -> tuple[Tensor, dict[str, float]]:
    """Loss of captions (B, T) given their own noisy embeddings (B, D)."""
    z, tokens = batch
    logits = model(inject_noise(z, model.variance), tokens)     # -- text only
    loss = caption_loss(logits, tokens, model.pad_id)
    real = tokens != model.pad_id
    right = (logits.argmax(dim=-1) == tokens)[real].float().mean()
    return loss, {"loss": loss.item(), "accuracy": right.item()}


@torch.no_grad()
def generate(
    model: CapDec, z: Tensor, length: int, stop_id: int | None = None
) -> Tensor:
    """The likeliest token each time, no noise: embeddings (B, D) to tokens (B, <= T).

    z: image embeddings. What follows a `stop_id` is padded.
    """
    x = model.mapper(F.normalize(z, dim=1))                     # (B, P, E)  -- image in
    tokens = torch.empty(len(z), 0, dtype=torch.long, device=z.device)
    done = torch.zeros(len(z), dtype=torch.bool, device=z.device)
    for _ in range(length):
        last = model.decoder(x)[:, -1]                          # (B, E)
        word = model.decoder.logits(last).argmax(dim=-1)        # (B,)  -- greedy
        word = word.masked_fill(done, model.pad_id)
        tokens = torch.cat([tokens, word[:, None]], dim=1)
        done = done | (word == stop_id) if stop_id is not None else done
        if done.all():
            break
        x = torch.cat([x, model.decoder.wte(word)[:, None]], dim=1)
    return tokens
