"""Explanations are learnt after the verdict, and the verdict is the same with and without them."""

import csv
import dataclasses
import json

import httpx
import numpy as np
import pyarrow.parquet
import pytest
from simple_task import dataset_of, registry_at

from assay.config import read_settings
from assay.judging.slm import SmallJudge
from assay.models.backbone import find_backbone
from assay.models.tokens import Tokens
from assay.schema.errors import InputError
from assay.schema.label import Label
from assay.server.app import server_app
from assay.server.running import serving_of
from assay.serving.batch import BatchSettings, judge_file
from assay.training.explanations import Explaining, end_token_of, explanation_of
from assay.training.renderings import rendering_for
from assay.training.settings import settings_for
from assay.training.train import TrainingRequest, train

SIGNS = ("buy", "sell", "travel", "mountain")


def with_explanations(rows, share=1.0):
    """Each label explained by the word that decides it."""

    def explained(row):
        (sign,) = [word for word in row.example.output.split() if word in SIGNS]
        (label,) = row.labels
        return dataclasses.replace(row, labels=(dataclasses.replace(label, explanation=f"it says {sign}"),))

    return [explained(row) if place % 10 < 10 * share else row for place, row in enumerate(rows)]


def trained_at(root, backbone, rows, **changes):
    overrides = {"epochs": 8, "batch_size": 8, "max_tokens": 128, "learning_rate": 5e-3, **changes}
    request = TrainingRequest(backbone=str(backbone), method="lora", dtype="float32", overrides=overrides)
    trained = train(dataset_of("binary")[0], rows, registry_at(root), request, runs=root / "runs")
    found = registry_at(root).resolve(trained.id)
    return trained, SmallJudge.load(found.version, found.folder)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    root = tmp_path_factory.mktemp("explained")
    (root / "assay.toml").write_text("[serving]\n")
    return root


@pytest.fixture(scope="module")
def explaining_judge(tiny, workspace):
    rows = with_explanations(dataset_of("binary")[1], share=0.8)
    return trained_at(read_settings(workspace).data, tiny("llama"), rows, explanation_weight=1.0)


def test_it_says_why(explaining_judge):
    trained, judge = explaining_judge
    assert trained.version.modes == ("single-token", "verdict", "reasoning")
    assert trained.fit.explained_rows == 128  # four fifths of 160
    test = [row for row in with_explanations(dataset_of("binary")[1]) if row.split == "test"]
    verdicts = list(judge.judge_many((row.example for row in test), mode="reasoning"))
    assert np.mean([v.label == row.target.value for v, row in zip(verdicts, test, strict=True)]) >= 0.85
    said = [verdict.explanation for verdict in verdicts]
    assert np.mean([text.startswith("it says ") for text in said]) > 0.9  # and it came to an end
    kinds = [{"yes": SIGNS[:2], "no": SIGNS[2:]}[verdict.label] for verdict in verdicts]
    assert np.mean([text.split()[-1] in kind for text, kind in zip(said, kinds, strict=True)]) > 0.8


def test_the_verdict_is_the_same_in_every_mode(explaining_judge):
    _, judge = explaining_judge
    example = dataset_of("binary")[1][0].example
    scores = [judge.judge(example, mode=mode).scores for mode in ("single-token", "verdict", "reasoning")]
    for other in scores[1:]:
        assert all(other[label] == pytest.approx(score, abs=1e-5) for label, score in scores[0].items())


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_it_says_the_same_over_http(explaining_judge, workspace, anyio_backend):
    trained, judge = explaining_judge
    example = dataset_of("binary")[1][0].example
    expected = judge.judge(example, mode="reasoning")
    body = {"judges": [trained.id], "input": example.input, "output": example.output, "mode": "reasoning"}
    with serving_of(read_settings(workspace), open_access=True) as serving:
        transport = httpx.ASGITransport(app=server_app(serving))
        async with serving.at_work(), httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = (await client.post("/v1/judge", json={**body, "deadline_ms": 60_000})).json()
    (verdict,) = answer["verdicts"]
    assert expected.explanation.startswith("it says ")
    assert (verdict["label"], verdict["explanation"]) == (expected.label, expected.explanation)
    assert verdict["explanation_cut"] is False


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_a_judged_file_holds_the_explanations(explaining_judge, tmp_path, suffix):
    _, judge = explaining_judge
    examples = [row.example for row in dataset_of("binary")[1][:3]]
    source, out = tmp_path / "in.jsonl", tmp_path / f"out.{suffix}"
    source.write_text("".join(json.dumps({"input": one.input, "output": one.output}) + "\n" for one in examples))
    judge_file(judge.in_mode("reasoning"), source, out, BatchSettings())
    if suffix == "csv":
        rows = list(csv.DictReader(out.open(newline="")))
    elif suffix == "parquet":
        rows = pyarrow.parquet.read_table(out).to_pylist()
    else:
        verdicts = [json.loads(line)["verdict"] for line in out.open()]
        rows = [{f"verdict_{name}": value for name, value in verdict.items()} for verdict in verdicts]
    expected = [verdict.explanation for verdict in judge.judge_many(examples, mode="reasoning")]
    assert [row["verdict_explanation"] for row in rows] == expected
    assert {row["verdict_explanation_cut"] for row in rows} == {"false" if suffix == "csv" else False}


@pytest.mark.parametrize(("kind", "changes"), [("llama", {"explanation_weight": 0.0}), ("bert", {})])
def test_without_explanations_there_is_no_reasoning(tiny, tmp_path, kind, changes):
    trained, _ = trained_at(tmp_path, tiny(kind), with_explanations(dataset_of("binary")[1]), **changes, epochs=1)
    assert trained.version.modes == ("single-token", "verdict")
    assert trained.fit.explained_rows == 0


def label(value, source, labeller, explanation):
    return Label(
        example_id="e",
        value=value,
        source=source,
        labeller=labeller,
        criterion="binary_task/1",
        explanation=explanation,
    )


def test_which_explanation_is_learnt():
    row = dataset_of("binary")[1][0]
    assert row.target.value == "yes"
    given = (
        label("no", "expert", "a", "against the target"),
        label("yes", "crowd", "a", "of the crowd"),
        label("yes", "expert", "z", "of the second"),
        label("yes", "expert", "b", "of the first"),
        label("yes", "expert", "a", "  "),
    )
    assert explanation_of(dataclasses.replace(row, labels=given)) == "of the first"
    assert explanation_of(dataclasses.replace(row, labels=given[:2])) == "of the crowd"
    assert explanation_of(dataclasses.replace(row, labels=given[:1])) is None
    assert explanation_of(dataclasses.replace(row, labels=())) is None


@pytest.fixture
def llama(tiny):
    found = find_backbone(str(tiny("llama")))
    dataset, rows = dataset_of("binary")
    rendering = rendering_for(dataset.criterion, found, settings_for(found, "lora", {"max_tokens": 128}), {})
    tokenizer = found.load_tokenizer()
    return found, rendering, tokenizer, Tokens(tokenizer, "decoder", dataset.criterion, rendering), rows[:1]


def test_the_tokens_of_an_explanation(llama):
    found, rendering, tokenizer, tokens, (row,) = llama
    text = "<|eot_id|> because"
    row = dataclasses.replace(row, labels=(dataclasses.replace(row.labels[0], explanation=text),))
    token_rows = tokens.rows([row.example])
    end = end_token_of(found, tokenizer)
    assert end == tokenizer.eos_token_id

    def said(**limits):
        made = Explaining(tokens, rendering, end_token=end, **{"max_tokens": 100, "window": 512, **limits})
        return made.continuations([row], token_rows)[0]

    whole = said()
    assert whole.label_token == rendering.label_tokens["yes"]
    assert whole.said[-1] == end
    assert end not in whole.said[:-1]  # content never becomes a special token
    assert tokens.text(whole.said) == text
    assert said(max_tokens=4).said == whole.said[:4]
    length = len(token_rows[0].ids)
    assert said(window=length + 4).said == whole.said[:3]  # label token and three more
    assert said(window=length + 1) is None


def test_a_backbone_without_an_end_token_is_refused(tiny):
    found = find_backbone(str(tiny("llama")))
    found.config.eos_token_id = None
    with pytest.raises(InputError, match=r"no end token.*--explanation-weight 0"):
        end_token_of(found, found.load_tokenizer())
    found.config.eos_token_id = [7, 9]
    assert end_token_of(found, found.load_tokenizer()) == 7
