"""Drawing: outputs at random whose chance belongs to each of them, and not to its neighbours.

The chance of an output is a function of its own key, of the place and of the token, so the same
source draws the same output whoever shares its batch, on a CPU and on a GPU. Adding Gumbel noise
to logits and taking the largest draws exactly from their softmax (Gumbel 1954; Maddison et al.
2014, arXiv 1411.0030).

Shapes: B outputs, V words of the vocabulary, of which the k likeliest are looked at.
"""

import hashlib

import torch
from transformers import LogitsProcessor

# The constants of SplitMix64 (Steele et al. 2014), as signed numbers; torch has no unsigned shifts.
GOLDEN, FIRST, SECOND = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15
PLACES = 0x2545F4914F6CDD1D


def key_of(*words: object) -> int:
    """Return a number for words: the same on every machine.

    >>> key_of(0, "wo", "Na nga def?", 1) == key_of(0, "wo", "Na nga def?", 1)
    True
    """
    told = hashlib.sha256("\0".join(map(str, words)).encode("utf-8", "replace")).digest()
    return int.from_bytes(told[:8], "big", signed=True)


def chances(keys: torch.Tensor) -> torch.Tensor:
    """Return a number between 0 and 1 for each key (int64), evenly spread whatever the keys.

    >>> found = chances(torch.arange(10_000))
    >>> bool(0 < found.min() and found.max() < 1), round(float(found.mean()), 2)
    (True, 0.5)
    """
    mixed = keys * GOLDEN
    mixed = (mixed ^ _shifted(mixed, 30)) * FIRST
    mixed = (mixed ^ _shifted(mixed, 27)) * SECOND
    mixed = mixed ^ _shifted(mixed, 31)
    return (_shifted(mixed, 11).double() + 0.5) / float(1 << 53)


def _shifted(numbers: torch.Tensor, by: int) -> torch.Tensor:
    """Shift to the right, noughts coming in on the left."""
    return (numbers >> by) & ((1 << (64 - by)) - 1)


class Draw(LogitsProcessor):
    """Leaves of each row's tokens the one that is drawn; whoever takes the likeliest takes it.

    ``keys`` (B) are the rows' own, ``begun`` how many tokens stood there before the first draw.
    """

    def __init__(
        self, keys: torch.Tensor, *, begun: int, temperature: float, likeliest: int, share: float
    ) -> None:
        self.keys = keys
        self.begun = begun
        self.temperature = temperature
        self.likeliest = likeliest
        self.share = share

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Draw of the likeliest tokens, no more of them than make up the share: B x V to B x V."""
        values, tokens = scores.float().topk(min(self.likeliest, scores.shape[1]), dim=1)
        values = values / self.temperature
        chance = values.softmax(dim=1)
        values = values.masked_fill(chance.cumsum(dim=1) - chance >= self.share, -torch.inf)
        place = input_ids.shape[1] - self.begun
        keys = (self.keys + torch.full_like(self.keys, place) * PLACES).unsqueeze(1)
        # Once mixed before tokens are told apart, or places and tokens could stand for each other.
        noise = chances((chances(keys) * (1 << 53)).long() ^ (tokens * FIRST))
        drawn = tokens.gather(1, (values - (-noise.log()).log()).argmax(dim=1, keepdim=True))
        return torch.full_like(scores, -torch.inf).scatter_(1, drawn, 0.0)
