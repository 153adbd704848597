"""Tiny backbones for tests: real architectures and real tokenizers, small enough to train in a second, made offline.

    folder = tiny_backbone("llama", tmp_path / "llama")
    train(dataset, rows, registry, TrainingRequest(backbone=str(folder)), runs=tmp_path / "runs")

Weights are random (by seed) and the tokenizers know little more than the alphabet. Each family's special tokens are the
real ones, so that what a backbone's content must never become can be tested. Nothing is downloaded.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from assay.schema.errors import InputError, shown

VOCABULARY = 600
_TEXT = (
    "the judge reads a question and an answer, then it says yes or no",
    "Verdict: yes. Verdict: no. Output: Input: Context: Question: Answer with one of: good, fair, poor, low, high.",
    "you should buy these shares now, they will surely rise; sell the bonds and wait",
    "a bond is a loan to a company or a state; its price falls when rates rise",
    "user: hello there assistant: how can I help you today? system: be brief tool: result 0123456789",
    "weather sport money music travel health food work home school garden river mountain city night day",
)
_LETTERS = "".join(chr(code) for code in range(33, 127))


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """How one tiny backbone is made. `roles` names the special tokens, `ordinary` are added but not special."""

    tokenizer: Callable[[list[str]], Tokenizer]
    model_type: str
    causal: bool
    roles: Mapping[str, str]
    others: tuple[str, ...] = ()
    ordinary: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)


def tiny_backbone(kind: str, folder: Path, *, seed: int = 0, **config: Any) -> Path:
    """Write a tiny backbone (two layers, 64 wide) of a kind in `TINY_BACKBONES` into a folder, and return the folder.

    `config` changes fields of the model's configuration, such as `tie_word_embeddings=True`. Raises InputError.
    """
    if kind not in _KINDS:
        raise InputError(f"There is no tiny backbone {shown(kind)}.", required=f"one of {list(TINY_BACKBONES)}")
    made = _KINDS[kind]
    tokenizer = _tokenizer(made)
    ids = {f"{role}_token_id": tokenizer.convert_tokens_to_ids(token) for role, token in made.roles.items()}
    roles: dict[str, Any] = {
        name: ids[name] for name in ("pad_token_id", "bos_token_id", "eos_token_id") if name in ids
    }
    values: dict[str, Any] = {**_SHAPE, **roles, **made.config, **config, "vocab_size": len(tokenizer)}
    torch.manual_seed(seed)
    auto = AutoModelForCausalLM if made.causal else AutoModel
    model = auto.from_config(AutoConfig.for_model(made.model_type, **values))  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(made: _Kind) -> Any:
    special = list(dict.fromkeys([*made.roles.values(), *made.others]))
    tokenizer = made.tokenizer(special)
    tokenizer.add_special_tokens(special)
    tokenizer.add_tokens(list(made.ordinary))
    begin, end = (made.roles.get(role) for role in (("bos", "") if made.causal else ("cls", "sep")))
    around = [token for token in (begin, "$A", end) if token]
    ids = [(token, tokenizer.token_to_id(token)) for token in (begin, end) if token]
    tokenizer.post_processor = processors.TemplateProcessing(single=" ".join(around), special_tokens=ids)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        additional_special_tokens=list(made.others),
        clean_up_tokenization_spaces=False,
        **{f"{role}_token": token for role, token in made.roles.items()},
    )


def _word_piece(special: list[str]) -> Tokenizer:
    """Letters and the words of the text. Not trained: the trainer breaks ties differently in every process."""
    words = sorted({word for line in _TEXT for word in line.lower().split() if word.isalnum()})
    letters = sorted(set("".join(_LETTERS).lower()))
    pieces = dict.fromkeys([*special, *letters, *(f"##{letter}" for letter in letters), *words])
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a token of a vocabulary
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(special)
    return tokenizer


def _byte_level(special: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_TEXT, trainer)
    return tokenizer


def _unigram(special: list[str]) -> Tokenizer:
    """Letters, and the words of the text with the space before them. Not trained: the trainer breaks ties differently
    in every process.
    """
    words = sorted({f"▁{word}" for line in _TEXT for word in line.split() if word.isalnum()})
    # the likelier the special tokens, the harder the test that content must not become one
    scores = {**dict.fromkeys(special, 0.0), **dict.fromkeys(["▁", *_LETTERS], -10.0), **dict.fromkeys(words, -5.0)}
    unknown = list(scores).index("[UNK]")
    tokenizer = Tokenizer(models.Unigram(list(scores.items()), unk_id=unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def _byte_fallback(special: list[str]) -> Tokenizer:
    """As Gemma's: spaces become ▁, unknown characters become bytes."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))  # noqa: S106 - as above
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    octets = [f"<0x{octet:02X}>" for octet in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[*special, *octets], initial_alphabet=list(_LETTERS), show_progress=False
    )
    tokenizer.train_from_iterator(_TEXT, trainer)
    values = json.loads(tokenizer.to_str())
    values["added_tokens"] = [token for token in values["added_tokens"] if token["content"] in special]
    return Tokenizer.from_str(json.dumps(values))


_SHAPE: Mapping[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 128,
    "max_position_embeddings": 512,
    "initializer_range": 0.1,
}
_BERT_ROLES = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
_ROBERTA_ROLES = {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "mask": "<mask>"}
_LLAMA = _Kind(
    tokenizer=_byte_level,
    model_type="llama",
    causal=True,
    roles={"bos": "<|begin_of_text|>", "eos": "<|eot_id|>"},
    others=("<|start_header_id|>", "<|end_header_id|>", "<|end_of_text|>"),
)
_KINDS: Mapping[str, _Kind] = {
    "bert": _Kind(tokenizer=_word_piece, model_type="bert", causal=False, roles=_BERT_ROLES),
    "roberta": _Kind(
        tokenizer=_byte_level,
        model_type="roberta",
        causal=False,
        roles={**_ROBERTA_ROLES, "cls": "<s>", "sep": "</s>"},
        config={"max_position_embeddings": 514},  # its positions begin at 2
    ),
    "deberta": _Kind(
        tokenizer=_unigram,
        model_type="deberta-v2",
        causal=False,
        roles=_BERT_ROLES,
        config={
            "relative_attention": True,
            "position_buckets": 32,
            "pos_att_type": ["p2c", "c2p"],
            "share_att_key": True,
        },
    ),
    "llama": _LLAMA,
    "qwen3": _Kind(
        tokenizer=_byte_level,
        model_type="qwen3",
        causal=True,
        roles={"pad": "<|endoftext|>", "eos": "<|im_end|>"},
        others=("<|im_start|>",),
        ordinary=("<think>", "</think>", "<tool_call>", "</tool_call>"),
    ),
    "gemma2": _Kind(
        tokenizer=_byte_fallback,
        model_type="gemma2",
        causal=True,
        roles={"pad": "<pad>", "eos": "<eos>", "bos": "<bos>", "unk": "<unk>"},
        others=("<start_of_turn>", "<end_of_turn>"),
        config={"final_logit_softcapping": 2.0, "attn_logit_softcapping": 5.0, "sliding_window": 16},
    ),
    "gemma3": _Kind(
        tokenizer=_byte_fallback,
        model_type="gemma3_text",
        causal=True,
        roles={"pad": "<pad>", "eos": "<eos>", "bos": "<bos>", "unk": "<unk>"},
        others=("<start_of_turn>", "<end_of_turn>"),
        config={"sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]},
    ),
    "mistral": _Kind(
        tokenizer=_byte_fallback,
        model_type="mistral",
        causal=True,
        roles={"eos": "</s>", "bos": "<s>", "unk": "<unk>"},
        others=("[INST]", "[/INST]"),
        config={"sliding_window": 16},
    ),
    "phi3": _Kind(
        tokenizer=_byte_level,
        model_type="phi3",
        causal=True,
        roles={"pad": "<|endoftext|>", "eos": "<|end|>"},
        others=("<|user|>", "<|assistant|>"),
        config={  # two rope regimes: rows above 64 tokens, and the others
            "original_max_position_embeddings": 64,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 10000.0,
                "factor": 8.0,
                "short_factor": [1.0] * 8,
                "long_factor": [4.0] * 8,
            },
        },
    ),
    "modernbert": _Kind(
        tokenizer=_word_piece,
        model_type="modernbert",
        causal=False,
        roles=_BERT_ROLES,
        config={
            "local_attention": 32,
            "global_attn_every_n_layers": 2,
            "bos_token_id": 2,  # the places of [CLS] and [SEP] among _BERT_ROLES
            "cls_token_id": 2,
            "eos_token_id": 3,
            "sep_token_id": 3,
        },
    ),
    "granite": _Kind(
        tokenizer=_byte_level, model_type="granite", causal=True, roles=_LLAMA.roles, config={"logits_scaling": 8.0}
    ),
}
TINY_BACKBONES = tuple(_KINDS)
