"""CASA, the conditional anatomical semantic alignment: tokens that are not hidden complete those that are."""

from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from voxelbench.validation import Strict

_EPSILON = 1e-6  # of the layer normalisations; released


class Alignment(Strict):
    """Size of the layer; `target` is what it reads of the teacher."""

    heads: int = Field(gt=0)
    hidden: int = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    target: Literal["decoder", "encoder"]


class CrossAttention(nn.Module):
    """One decoder layer of Vaswani et al. 2017 with cross-attention alone, normalised after each addition.

    a = LN(q + W_o MHA(q, kv, kv)), out = LN(a + W_2 relu(W_1 a)). The projections of the attention have no bias.
    """

    def __init__(self, channels: int, config: Alignment) -> None:
        super().__init__()
        self.n_heads = config.heads
        self.query, self.key, self.value, self.out = (nn.Linear(channels, channels, bias=False) for _ in range(4))
        self.attention_norm = nn.LayerNorm(channels, eps=_EPSILON)
        self.expand, self.reduce = nn.Linear(channels, config.hidden), nn.Linear(config.hidden, channels)
        self.output_norm = nn.LayerNorm(channels, eps=_EPSILON)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, queries: Tensor, context: Tensor) -> Tensor:
        """Map queries (B, T, C) to the same shape, each informed by the tokens (B, S, C) of `context`, in any order."""
        attended = self.attention_norm(queries + self.dropout(self.out(self._attend(queries, context))))
        return self.output_norm(attended + self.dropout(self.reduce(functional.relu(self.expand(attended)))))

    def _attend(self, queries: Tensor, context: Tensor) -> Tensor:
        projected = self.query(queries), self.key(context), self.value(context)
        heads = (tokens.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for tokens in projected)
        dropout = self.dropout.p if self.training else 0.0
        return functional.scaled_dot_product_attention(*heads, dropout_p=dropout).transpose(1, 2).flatten(2)
