"""Tokens: rendered segments → token ids, with content kept apart from special tokens.

Content goes through a copy of the tokenizer that knows no added token at all, so `[SEP]`, `<|eot_id|>` or `</s>`
inside it is spelled out as ordinary text. Where a vocabulary itself would still make a special token of it (Unigram
models can), that piece goes character by character.

WordPiece gives one unknown token for a whole word that is over 100 characters long or holds one character that is not
in the vocabulary (`buy🚀`): enough to hide a word from the judge. A text that came out with unknown tokens is therefore
encoded again, its words cut at every 100th character and around the unknown characters.
"""

import itertools
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
from assay.schema.errors import InputError, IntegrityError, shown
from assay.schema.example import LONG_CHARS, Example
from assay.schema.judge_version import Family, Rendering

_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON may hold them alone; no tokenizer takes them
FEW_TEXTS = 4


@dataclass(frozen=True, kw_only=True)
class TokenRow:
    """One request in tokens: what the model reads, and what truncation left out.

    `adapter_from` is the position of the first token that the adapter is live on: the invocation's for activated LoRA,
    0 for everything else. `ends` are the positions at which the segments that stayed end, ascending, the last one at
    the row's end: where rows may share a beginning.
    """

    ids: tuple[int, ...]
    truncated_tokens: int
    adapter_from: int = 0
    ends: tuple[int, ...] = ()


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
        self._cutting = _without_lost_words(self._content)
        self._unknown = tokenizer.unk_token_id
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
        rendering = self._rendering
        rendered = [
            render(example, self._criterion, rendering.template, rendering.layout, rendering.label_texts)
            for example in examples
        ]
        contents = [segment for segments in rendered for segment in segments if segment.kind == "content"]
        encoded = iter(self._encode_content([segment.text for segment in contents]))
        return [self._row(segments, [self._ids(segment, encoded) for segment in segments]) for segments in rendered]

    def text(self, ids: Sequence[int]) -> str:
        """What token ids spell, special tokens left out: an explanation, which is data like any other text."""
        return str(self._ours.decode(list(ids), skip_special_tokens=True)).strip()

    def explanation(self, text: str) -> list[int]:
        """The tokens of an explanation on a line of its own after the label token; content like any other."""
        return self._encode_content([f"\n{text.strip()}"])[0]

    def ending(self, example: Example) -> tuple[int, ...]:
        """The tokens of the rendering's last segment, the judge's own: the same for every example."""
        rendering = self._rendering
        last = render(example, self._criterion, rendering.template, rendering.layout, rendering.label_texts)[-1]
        return tuple(self._ids(last, iter(())))

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
        kept[0] = [*self._begin, *kept[0]]
        kept[-1] = [*kept[-1], *self._end]
        ends = sorted(set(itertools.accumulate(len(piece) for piece in kept)) - {0})
        return TokenRow(
            ids=tuple(token for piece in kept for token in piece),
            truncated_tokens=fitted.truncated_tokens,
            adapter_from=ends[-1] - len(self._ending(kept[-1])) if self._rendering.invocation_tokens else 0,
            ends=tuple(ends),
        )

    def _ending(self, ids: list[int]) -> list[int]:
        """The last segment, checked: without its invocation a judge with activated LoRA would be the base model."""
        invocation = list(self._rendering.invocation_tokens)
        if ids[: len(invocation)] != invocation:
            raise IntegrityError(
                "The judge's ending does not begin with its invocation.",
                required=f"the tokens {shown(invocation)}",
                got=shown(ids),
                next_step="the tokenizer or the template was changed: train the judge again",
            )
        return ids

    def _encode_content(self, texts: list[str]) -> list[list[int]]:
        whole = [_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text) for text in texts]
        found = _encoded(self._content, whole)
        if self._cutting is not None:
            lost = [place for place, ids in enumerate(found) if self._unknown in ids]
            again = _encoded(self._cutting, [whole[place] for place in lost])
            for place, ids in zip(lost, again, strict=True):
                found[place] = ids
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


def _encoded(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """The ids of texts; a few are encoded one by one, as handing them to the threads of a batch takes longer.

    Not where they are long: only a batch lets other threads go on meanwhile.
    """
    if len(texts) <= FEW_TEXTS and sum(map(len, texts)) <= LONG_CHARS:
        return [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


def _without_post_processing(backend: Tokenizer, *, keep_added: bool) -> Tokenizer:
    """A copy that adds, cuts and pads nothing; of the added tokens only white space stays where `keep_added` is
    false.
    """
    values = json.loads(backend.to_str())
    values["post_processor"] = values["truncation"] = values["padding"] = None
    if not keep_added:
        values["added_tokens"] = [token for token in values["added_tokens"] if token["content"].isspace()]
    return Tokenizer.from_str(json.dumps(values))


def _without_lost_words(backend: Tokenizer) -> Tokenizer | None:
    """A copy of a WordPiece tokenizer that cuts words where WordPiece would lose them; None for other models, which
    lose no more than a character.

    A piece is up to 100 characters that the vocabulary knows at the beginning and inside of words, or a run of others.
    """
    values = json.loads(backend.to_str())
    model = values["model"]
    if model["type"] != "WordPiece":
        return None
    prefix, vocabulary = model["continuing_subword_prefix"], model["vocab"]
    known = sorted(ord(piece) for piece in vocabulary if len(piece) == 1 and prefix + piece in vocabulary)
    if not known:
        return None
    letters = "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in _runs(known))
    longest = model["max_input_chars_per_word"]
    pattern = f"[{letters}]{{1,{longest}}}|[^{letters}]{{1,{longest}}}"
    cut = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    before = [values["pre_tokenizer"]] if values["pre_tokenizer"] else []
    values["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [*before, cut]}
    return Tokenizer.from_str(json.dumps(values))


def _runs(codes: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of neighbouring numbers in an ascending sequence, first and last of each.

    >>> _runs([1, 2, 3, 7])
    [(1, 3), (7, 7)]
    """
    ends = [place for place, code in enumerate(codes) if place + 1 == len(codes) or codes[place + 1] > code + 1]
    starts = [0, *(place + 1 for place in ends)]
    return [(codes[first], codes[last]) for first, last in zip(starts, ends, strict=False)]


def _forbidden_ids(tokenizer: Any) -> frozenset[int]:
    """Ids that content must never become. The unknown token is allowed unless it does another job as well (GPT-2)."""
    added = {token for token, text in tokenizer.added_tokens_decoder.items() if not str(text).isspace()}
    special = [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.sep_token_id]
    special += [tokenizer.cls_token_id, tokenizer.mask_token_id]
    allowed = {tokenizer.unk_token_id} - set(special)
    return frozenset((added | set(tokenizer.all_special_ids)) - allowed)


def label_texts(tokenizer: Any, tokens: Mapping[str, int]) -> dict[str, str]:
    """What stands for each label, as label → text; empty where it is the labels themselves.

    Args:
        tokenizer: a transformers tokenizer with a `tokenizers` backend.
        tokens: label → token id, as `label_token_ids` gives them.

    """
    texts = {label: str(tokenizer.backend_tokenizer.decode([token])).strip() for label, token in tokens.items()}
    return {} if all(label == text for label, text in texts.items()) else texts


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
