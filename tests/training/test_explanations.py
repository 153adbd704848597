"""Explanations are learnt after the verdict, and the verdict is the same with and without them."""

import dataclasses

import numpy as np
import pytest
from simple_task import dataset_of, registry_at

from assay.judging.slm import SmallJudge
from assay.models.backbone import find_backbone
from assay.models.tokens import Tokens
from assay.schema.errors import InputError
from assay.schema.label import Label
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
def explaining_judge(tiny, tmp_path_factory):
    rows = with_explanations(dataset_of("binary")[1], share=0.8)
    return trained_at(tmp_path_factory.mktemp("explained"), tiny("llama"), rows, explanation_weight=1.0)


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
