"""What is said to a vLLM server and read from its answers, and how a judge becomes something that it serves."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax

from assay.inference.vllm.base_model import base_of, weights_digest
from assay.inference.vllm.probes import Probes, drift, read_probes, write_probes
from assay.inference.vllm.served_judge import ServedJudge, served_judge
from assay.inference.vllm.wire import (
    MalformedAnswer,
    ServedModel,
    explanation,
    label_scores,
    scoring,
    served_models,
    shared_tokens,
)
from assay.models.backbone import find_backbone
from assay.schema.errors import IntegrityError, UnsupportedJudgeError
from assay.schema.ids import digest_files


def answer_of(logprobs: dict[int, float]) -> dict:
    return {"choices": [{"logprobs": {"top_logprobs": [{f"token_id:{token}": p for token, p in logprobs.items()}]}}]}


@given(st.lists(st.floats(-50, 0), min_size=2, max_size=6), st.floats(-20, 20))
def test_scores_do_not_depend_on_what_the_server_subtracted(logits, offset):
    tokens = list(range(100, 100 + len(logits)))
    given_ = dict(zip(tokens, [logit - offset for logit in logits], strict=True))
    given_[7] = -0.001  # the sampled token, which is no label
    np.testing.assert_allclose(label_scores(answer_of(given_), tokens), log_softmax(logits), atol=1e-9)


def test_labels_come_in_the_order_of_the_scale():
    scores = label_scores(answer_of({5: -3.0, 9: -1.0}), [9, 5])
    np.testing.assert_allclose(scores, log_softmax([-1.0, -3.0]))


def test_a_label_that_the_model_cannot_say_is_minus_infinity():
    assert label_scores(answer_of({5: -9999.0, 9: -1.0}), [5, 9]).tolist() == [-np.inf, 0.0]


@pytest.mark.parametrize(
    "answer",
    [{}, {"choices": []}, {"choices": [{"logprobs": None}]}, answer_of({5: -1.0}), {"choices": [{"text": "a"}]}],
)
def test_an_answer_without_the_labels_is_malformed(answer):
    with pytest.raises(MalformedAnswer):
        label_scores(answer, [5, 9])
    with pytest.raises(MalformedAnswer):
        explanation(answer)


def test_the_request_leaves_nothing_to_the_defaults_of_a_server():
    body = scoring("m", (1, 2), (5, 9))
    assert body["logprobs"] == len(body["logprob_token_ids"]) == 2
    sampling = {name: body[name] for name in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")}
    assert sampling == {"temperature": 0, "top_p": 1, "top_k": 0, "min_p": 0, "repetition_penalty": 1}


def test_cached_tokens_are_read_where_they_are_told():
    assert shared_tokens({"usage": {"prompt_tokens_details": {"cached_tokens": 128}}}) == 128
    assert shared_tokens({"usage": {"prompt_tokens_details": None}}) == shared_tokens({}) == 0


def test_models_are_listed_with_their_base():
    cards = [
        {"id": "base", "root": "/m", "parent": None, "max_model_len": 512},
        {"id": "a", "root": "/a", "parent": "base", "max_model_len": None},
    ]
    base, adapter = served_models({"data": cards})
    assert (base.max_model_len, adapter.parent) == (512, "base")
    with pytest.raises(MalformedAnswer):
        served_models({"data": [{}]})


@pytest.fixture
def served() -> ServedJudge:
    return ServedJudge(
        id="advice-1",
        base_names=("org/m",),
        weights_digest="0" * 64,
        adapter_name="assay-1",
        adapter_folder="/a",
        label_tokens=(5, 9),
        max_tokens=100,
        probes=None,
    )


def model(id_: str, root: str, window: int = 512) -> ServedModel:
    return ServedModel(id=id_, root=root, parent=None, max_model_len=window)


def test_a_base_model_is_known_by_its_weights_whatever_its_name(tiny, served):
    folder = tiny("llama")
    digest = find_backbone(str(folder)).ref.weights_digest
    assert weights_digest(str(folder)) == digest
    trained_there = dataclasses.replace(served, weights_digest=digest)
    assert base_of(trained_there, [model("any", str(folder))])[1] == "weights"
    with pytest.raises(IntegrityError, match="is not the base model"):
        base_of(served, [model("org/m", str(folder))])


def test_a_base_model_that_is_not_to_be_seen_is_known_by_name(served):
    assert base_of(served, [model("x", "org/x"), model("alias", "org/m")])[1] == "name"
    assert base_of(served, [model("org/m", "/elsewhere")])[1] == "name"
    with pytest.raises(UnsupportedJudgeError, match="does not serve the base model"):
        base_of(served, [model("x", "/elsewhere")])


@pytest.mark.parametrize(("window", "fits"), [(101, True), (100, False)])
def test_the_window_holds_the_row_and_one_token(served, window, fits):
    if fits:
        base_of(served, [model("org/m", "org/m", window)])
        return
    with pytest.raises(UnsupportedJudgeError, match="max-model-len 101"):
        base_of(served, [model("org/m", "org/m", window)])


def test_a_judge_with_weights_of_its_own_is_looked_for_by_them(tiny, make_version, tmp_path):
    weights = tiny("llama") / "model.safetensors"
    plain = make_version()
    version = dataclasses.replace(
        plain,
        family="decoder",
        method="full",
        rendering=dataclasses.replace(plain.rendering, label_tokens={"yes": 5, "no": 9}),
        files=digest_files({"backbone/model.safetensors": weights}),
    )
    judge = served_judge(version, tmp_path)
    assert (judge.adapter_name, judge.base_names) == (None, (version.id,))
    assert base_of(judge, [model("any", str(tiny("llama")))])[1] == "weights"
    assert base_of(judge, [model(version.id, "/elsewhere")])[1] == "name"


def test_probes_come_back_as_they_were_written(tmp_path):
    assert read_probes(tmp_path) is None
    probes = Probes(rows=((1, 2),), scores=((-0.5, -1.0),))
    write_probes(tmp_path, probes)
    assert read_probes(tmp_path) == probes
    assert drift((-0.5, -1.0), np.array([-0.5, np.nan])) == float("inf")
    for damaged in ("{", json.dumps({"rows": [[1]], "scores": []})):
        (tmp_path / "probes.json").write_text(damaged)
        with pytest.raises(IntegrityError):
            read_probes(tmp_path)
