"""Tokens: rendered segments → token ids, with content kept apart from special tokens.

Content goes through a copy of the tokenizer that knows no added token at all, so `[SEP]`, `<|eot_id|>` or `</s>` inside it is
spelled out as ordinary text. Where a vocabulary itself would still spell a special token as one piece (Unigram models
can), that word goes character by character.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from assay.rendering.fitting import fit
from assay.rendering.render import render
from assay.rendering.segments import Segment
from assay.schema.criterion import Criterion
from assay.schema.errors import IntegrityError
from assay.schema.example import Example
from assay.schema.judge_version import Family, Rendering


@dataclass(frozen=True, kw_only=True)
class TokenRow:
    """One request in tokens: what the model reads, and what truncation left out."""

    ids: tuple[int, ...]
    truncated_tokens: int


class Tokens:
    """Turns examples into token rows, as a judge version's `rendering` says.

    Args:
        tokenizer: a transformers tokenizer with a `tokenizers` backend.
        family: encoders get begin and end tokens around the row, decoders the begin token where they have one.
    """

    def __init__(self, tokenizer: Any, family: Family, criterion: Criterion, rendering: Rendering) -> None:
        self._criterion = criterion
        self._rendering = rendering
        self._ours: Tokenizer = _without_post_processing(tokenizer.backend_tokenizer, keep_added=True)
        self._content: Tokenizer = _without_post_processing(tokenizer.backend_tokenizer, keep_added=False)
        self._forbidden = _forbidden_ids(tokenizer)
        begin, end = tokenizer.cls_token_id, tokenizer.sep_token_id
        if family == "decoder":
            begin, end = tokenizer.bos_token_id, None
        self._begin = () if begin is None else (begin,)
        self._end = () if end is None else (end,)
        self._separator = tuple(self._ours.encode("\n", add_special_tokens=False).ids) if end is None else (end,)

    def rows(self, examples: Sequence[Example]) -> list[TokenRow]:
        """One token row an example. Raises InputError for an example without text."""
        rendered = [
            render(example, self._criterion, self._rendering.template, self._rendering.layout) for example in examples
        ]
        contents = [segment for segments in rendered for segment in segments if segment.kind == "content"]
        encoded = iter(self._encode_content([segment.text for segment in contents]))
        return [self._row(segments, [self._ids(segment, encoded) for segment in segments]) for segments in rendered]

    def _ids(self, segment: Segment, encoded: Any) -> list[int]:
        if segment.kind == "content":
            ids: list[int] = next(encoded)
            return ids
        if segment.kind == "separator":
            return list(self._separator)
        return list(self._ours.encode(segment.text, add_special_tokens=False).ids)

    def _row(self, segments: Sequence[Segment], ids: list[list[int]]) -> TokenRow:
        room = self._rendering.max_tokens - len(self._begin) - len(self._end)
        fitted = fit(segments, [len(piece) for piece in ids], room, self._rendering.truncate)
        kept = [piece[first:last] for piece, (first, last) in zip(ids, fitted.ranges, strict=True)]
        row = (*self._begin, *(token for piece in kept for token in piece), *self._end)
        return TokenRow(ids=row, truncated_tokens=fitted.truncated_tokens)

    def _encode_content(self, texts: list[str]) -> list[list[int]]:
        encodings = self._content.encode_batch_fast(texts, add_special_tokens=False)
        return [
            encoding.ids if self._forbidden.isdisjoint(encoding.ids) else self._spelled_out(text)
            for text, encoding in zip(texts, encodings, strict=True)
        ]

    def _spelled_out(self, text: str) -> list[int]:
        """Encode word by word; a word that still gives a special token goes character by character."""
        ids: list[int] = []
        for word in text.split(" "):
            piece = self._content.encode(word, add_special_tokens=False).ids
            if not self._forbidden.isdisjoint(piece):
                piece = [token for char in word for token in self._content.encode(char, add_special_tokens=False).ids]
            ids += [token for token in piece if token not in self._forbidden]
        return ids


def _without_post_processing(backend: Tokenizer, *, keep_added: bool) -> Tokenizer:
    """A copy that adds, cuts and pads nothing; of the added tokens only white space stays where `keep_added` is false."""
    values = json.loads(backend.to_str())
    values["post_processor"] = values["truncation"] = values["padding"] = None
    if not keep_added:
        values["added_tokens"] = [token for token in values["added_tokens"] if token["content"].isspace()]
    return Tokenizer.from_str(json.dumps(values))


def _forbidden_ids(tokenizer: Any) -> frozenset[int]:
    """Ids that content must never become. The unknown token is allowed unless it does another job as well (GPT-2)."""
    added = {token for token, text in tokenizer.added_tokens_decoder.items() if not str(text).isspace()}
    special = [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.sep_token_id]
    special += [tokenizer.cls_token_id, tokenizer.mask_token_id]
    allowed = {tokenizer.unk_token_id} - set(special)
    return frozenset((added | set(tokenizer.all_special_ids)) - allowed)


def label_token_ids(tokenizer: Any, labels: Sequence[str]) -> dict[str, int]:
    """The token that stands for each label after `Verdict:`: the label itself, else a letter.

    Raises IntegrityError when neither gives one distinct token a label.
    """
    encode = _without_post_processing(tokenizer.backend_tokenizer, keep_added=False).encode
    letters = [chr(ord("A") + place) for place in range(len(labels))]
    for words in ([f" {label}" for label in labels], list(labels), [f" {letter}" for letter in letters], letters):
        pieces = [encode(word, add_special_tokens=False).ids for word in words]
        ids = [piece[0] for piece in pieces if len(piece) == 1]
        if len(ids) == len(labels) == len(set(ids)):
            return dict(zip(labels, ids, strict=True))
    raise IntegrityError(
        "No tokens can stand for the labels.",
        required="one distinct token a label",
        got=f"{len(labels)} labels with this tokenizer",
        next_step="name them with --label-token LABEL=TEXT",
    )
