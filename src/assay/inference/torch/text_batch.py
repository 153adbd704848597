"""TextBatch: attention of whole texts, of which every token sees every other, for several texts at once.

    parts = text_batches(lengths)      # for texts laid end to end in this order

A text alone is too small for these products: at 64 tokens and 12 heads of 32, attention took 105 us for one text and
52 us for each of eight together. So texts of like length are padded to the longest of them for the attention alone;
everything else in a layer still sees them packed, without padding.
"""

from collections.abc import Sequence
from itertools import accumulate

import torch

from assay.inference.torch.attention import Attention, QueryKeyValue, fused, written_out

_MOST_TOKENS = 1024  # of a batch, padding counted: its scores stay in cache
_LEAST_SHARE = 0.8  # of the longest, that a text has to be long
_SLACK_TOKENS = 8  # that it may be shorter in any case


class TextBatch:
    """Some texts of a pass. It belongs to that pass, and keeps its masks for the next layer.

    Args:
        starts: the first row of each text.
        lengths: their tokens.

    """

    def __init__(self, starts: Sequence[int], lengths: Sequence[int]) -> None:
        self._longest = max(lengths)
        self._alone = slice(starts[0], starts[0] + lengths[0]) if len(starts) == 1 else None
        self._masks: dict[int | None, torch.Tensor | None] = {}
        self._lengths = torch.tensor(lengths)[:, None]  # (texts, 1)
        if self._alone is not None:
            return
        places = torch.arange(self._longest)[None]
        # (texts, longest); fillers repeat the last token of their text
        rows = torch.tensor(starts)[:, None] + torch.minimum(places, self._lengths - 1)
        self._rows = rows.view(-1)
        self._real = (places < self._lengths).view(-1).nonzero().view(-1)  # (tokens,) places in the padded batch
        self._own_rows = self._rows[self._real]

    def attend(self, layer: object, states: QueryKeyValue, output: torch.Tensor, how: Attention) -> None:
        """See `attention.Part`."""
        del layer
        queries, keys, values = (self._padded(part) for part in (states.query, states.key, states.value))
        mask = self._mask(how.window, queries)
        if queries.is_cuda and how.softcap is None:
            attended = fused(queries, keys, values, mask, how)
        else:
            attended = _as_one_product(queries, keys, values, mask, how)
        by_token = attended.transpose(1, 2)  # (texts, longest, heads, width)
        if self._alone is not None:
            output[self._alone] = by_token[0]
            return
        flat = by_token.reshape(-1, *by_token.shape[2:])
        output.index_copy_(0, self._own_rows.to(flat.device), flat.index_select(0, self._real.to(flat.device)))

    def _padded(self, states: torch.Tensor) -> torch.Tensor:
        """(1, heads, tokens, width) → (texts, heads, longest, width)."""
        if self._alone is not None:
            return states[:, :, self._alone]
        by_token = states[0].transpose(0, 1)
        found = by_token.index_select(0, self._rows.to(states.device))
        return found.view(-1, self._longest, *by_token.shape[1:]).transpose(1, 2)

    def _mask(self, window: int | None, like: torch.Tensor) -> torch.Tensor | None:
        """What to add to the scores, (texts, 1, 1 or longest, longest): 0 or -inf; None where all see all."""
        if self._alone is not None and (window is None or window >= self._longest):
            return None
        if window not in self._masks:
            places = torch.arange(self._longest)
            seen = (places < self._lengths)[:, None, None]
            if window is not None and window < self._longest:
                seen = seen & ((places[:, None] - places).abs() < window)
            mask = torch.zeros(seen.shape, dtype=like.dtype).masked_fill_(~seen, float("-inf"))
            self._masks[window] = None if bool(seen.all()) else mask.to(like.device)
        return self._masks[window]


def text_batches(lengths: Sequence[int]) -> list[TextBatch]:
    """Texts laid end to end, those of like length together."""
    starts = list(accumulate(lengths, initial=0))
    groups: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        longest = lengths[groups[-1][0]] if groups else 0
        like = lengths[place] >= min(longest * _LEAST_SHARE, longest - _SLACK_TOKENS)
        if groups and like and (len(groups[-1]) + 1) * longest <= _MOST_TOKENS:
            groups[-1].append(place)
        else:
            groups.append([place])
    return [TextBatch([starts[place] for place in group], [lengths[place] for place in group]) for group in groups]


def _as_one_product(
    queries: torch.Tensor,  # (texts, heads, longest, width)
    keys: torch.Tensor,  # (texts, key heads, longest, width)
    values: torch.Tensor,  # (texts, key heads, longest, width)
    mask: torch.Tensor | None,  # (texts, 1, 1 or longest, longest)
    how: Attention,
) -> torch.Tensor:  # (texts, heads, longest, width)
    """The heads of all texts as the heads of one."""
    if mask is not None:
        mask = mask.expand(-1, keys.shape[1], -1, -1).flatten(0, 1)
        if mask.shape[1] > 1:
            mask = mask.repeat(1, queries.shape[1] // keys.shape[1], 1)
    seen = written_out(queries.flatten(0, 1), keys.flatten(0, 1), values.flatten(0, 1), mask, how)
    return seen.view(*queries.shape[:3], -1)
