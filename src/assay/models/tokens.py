"""Tokens: rendered segments → token ids, with content kept apart from special tokens.

Content goes through a copy of the tokenizer that knows no added token at all, so `[SEP]`, `<|eot_id|>` or `</s>`
inside it is spelled out as ordinary text. Where a vocabulary itself would still make a special token of it (Unigram
models can), that piece goes character by character.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from assay.rendering.fitting import fit
from assay.rendering.render import render
from assay.rendering.segments import Segment
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, shown
from assay.schema.example import Example
from assay.schema.judge_version import Family, Rendering

_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON may hold them alone; no tokenizer takes them


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
        self._spelled: dict[int, list[int]] = {}
        self._template: dict[str, list[int]] = {}  # a criterion has few pieces of template, and every row the same
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

    def _ids(self, segment: Segment, encoded: Iterator[list[int]]) -> list[int]:
        if segment.kind == "content":
            return next(encoded)
        if segment.kind == "separator":
            return list(self._separator)
        if segment.text not in self._template:
            self._template[segment.text] = self._ours.encode(segment.text, add_special_tokens=False).ids
        return self._template[segment.text]

    def _row(self, segments: Sequence[Segment], ids: list[list[int]]) -> TokenRow:
        room = self._rendering.max_tokens - len(self._begin) - len(self._end)
        fitted = fit(segments, [len(piece) for piece in ids], room, self._rendering.truncate)
        kept = [piece[first:last] for piece, (first, last) in zip(ids, fitted.ranges, strict=True)]
        row = (*self._begin, *(token for piece in kept for token in piece), *self._end)
        return TokenRow(ids=row, truncated_tokens=fitted.truncated_tokens)

    def _encode_content(self, texts: list[str]) -> list[list[int]]:
        whole = [_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text) for text in texts]
        found = [encoding.ids for encoding in self._content.encode_batch_fast(whole, add_special_tokens=False)]
        return [ids if self._forbidden.isdisjoint(ids) else self._without_special(ids) for ids in found]

    def _without_special(self, ids: list[int]) -> list[int]:
        return [
            spelled for token in ids for spelled in ([token] if token not in self._forbidden else self._spell(token))
        ]

    def _spell(self, token: int) -> list[int]:
        """The characters of a forbidden piece, as the vocabulary has them."""
        if token not in self._spelled:
            model, piece = self._content.model, self._content.id_to_token(token) or ""
            ids = [found.id for char in piece for found in model.tokenize(char)]
            self._spelled[token] = [id_ for id_ in ids if id_ not in self._forbidden]
        return self._spelled[token]


def _without_post_processing(backend: Tokenizer, *, keep_added: bool) -> Tokenizer:
    """A copy that adds, cuts and pads nothing; of the added tokens only white space stays where `keep_added` is
    false.
    """
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


def label_token_ids(tokenizer: Any, labels: Sequence[str], chosen: Mapping[str, str] | None = None) -> dict[str, int]:
    """The token that stands for each label after `Verdict:`, as label → token id.

    `chosen` (label → text) decides where given; otherwise the labels themselves if each is one token, else letters A,
    B, C, … Raises InputError when a text is not one token of the vocabulary, or two labels share one.
    """
    unfit = _forbidden_ids(tokenizer) | {tokenizer.unk_token_id}
    encode = _without_post_processing(tokenizer.backend_tokenizer, keep_added=False).encode
    letters = [chr(ord("A") + place) for place in range(len(labels))]
    choices = [[f" {label}" for label in labels], list(labels), [f" {letter}" for letter in letters], letters]
    if chosen:
        if set(chosen) != set(labels):
            raise InputError(
                "Label tokens must name every label.", required=str(list(labels)), got=shown(sorted(chosen))
            )
        choices = [[chosen[label] for label in labels]]
    pieces: list[list[int]] = []
    for words in choices:
        pieces = [encode(word, add_special_tokens=False).ids for word in words]
        single = {piece[0] for piece in pieces if len(piece) == 1} - unfit
        if len(single) == len(labels):
            return {label: piece[0] for label, piece in zip(labels, pieces, strict=True)}
    raise InputError(
        "The label tokens collide or are not single tokens.",
        required="one token a label, each different",
        got=", ".join(
            f"{shown(label)} → {len(piece)} token(s) {piece[:4]}" for label, piece in zip(labels, pieces, strict=True)
        ),
        next_step="choose others with --label-token LABEL=TEXT",
    )
