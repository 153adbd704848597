"""The number format of a served model: parameters are rounded, what says where a token stands is not."""

import dataclasses

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from assay.inference.runner import Work
from assay.inference.torch.runner import TorchRunner
from assay.models.backbone import find_backbone
from assay.models.small_judge_model import new_model, save_parts
from assay.models.tokens import label_token_ids


def test_buffers_are_those_of_transformers_in_the_same_number_format(tiny, make_version, tmp_path):
    """A rotary frequency rounded to bfloat16 is off by a radian some thousand tokens on."""
    backbone = find_backbone(str(tiny("llama")))
    tokens = label_token_ids(backbone.load_tokenizer(), ("yes", "no"))
    model = new_model(backbone, "lora", 2, tuple(tokens.values())).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.05, generator=torch.Generator().manual_seed(len(name)))
    save_parts(model, tmp_path, backbone, "lora")
    version = make_version(tmp_path)
    rendering = dataclasses.replace(version.rendering, label_tokens=tokens)
    for dtype in ("bfloat16", "float32"):
        version = dataclasses.replace(
            version, family="decoder", method="lora", backbone=backbone.ref, rendering=rendering, dtype=dtype
        )
        for alone in (False, True):
            runner = TorchRunner(device=torch.device("cpu"), alone=alone)
            runner.load(version, tmp_path)()
            plain = AutoModelForCausalLM.from_pretrained(backbone.folder, dtype=getattr(torch, dtype))
            ours = dict(runner._inner._model.named_buffers())
            for name, buffer in plain.named_buffers():
                assert torch.equal(ours[name], buffer), name
                assert buffer.dtype == torch.float32


def test_label_logits_are_not_rounded(tiny, make_version, tmp_path):
    """With bfloat16 weights, logits between 16 and 32 would come in steps of an eighth."""
    backbone = find_backbone(str(tiny("llama")))
    tokens = label_token_ids(backbone.load_tokenizer(), ("yes", "no"))
    save_parts(new_model(backbone, "lora", 2, tuple(tokens.values())).eval(), tmp_path, backbone, "lora")
    version = make_version(tmp_path)
    version = dataclasses.replace(
        version,
        family="decoder",
        method="lora",
        backbone=backbone.ref,
        rendering=dataclasses.replace(version.rendering, label_tokens=tokens),
        dtype="bfloat16",
    )
    runner = TorchRunner(device=torch.device("cpu"))
    runner.load(version, tmp_path)()
    judge = runner._inner._judges[version.id]
    assert judge.weight.dtype == torch.float32
    rows = [tuple(range(6, 6 + length)) for length in range(3, 40)]
    reads = runner.run([Work(judge=version.id, ids=row, reads="labels") for row in rows])
    gaps = np.array([read.scores[0] - read.scores[1] for read in reads])
    rounded = torch.tensor(gaps).to(torch.bfloat16).double().numpy()
    assert (gaps != rounded).mean() > 0.5
