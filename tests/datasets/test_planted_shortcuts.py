"""The benchmark of shortcuts counts a finding only where it names what was planted, not another of its kind."""

import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def says_planted(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from truth_sets import says_planted  # noqa: PLC0415

    return says_planted


def test_another_phrase_or_source_is_not_what_was_planted(says_planted):
    kind_regards = "The words “kind regards” alone tell whether it is “toxic”"
    assert says_planted(kind_regards, "phrase", "kind regards")
    assert not says_planted(kind_regards, "phrase", "see attached")
    assert says_planted("The words “as mentioned” alone tell", "phrase", "as mentioned above")
    assert not says_planted("The words “phon” alone tell", "phrase", "sent from my phone")
    assert not says_planted("Where a text comes from tells by itself (meta.shop)", "source", "meta.tag")


def test_the_stored_result_holds_by_that_count(says_planted):
    phrases = {"surge_toxicity": "as mentioned above", "deepset_prompt_injections": "kind regards"}
    phrases |= {"diasafety": "sent from my phone", "openai_moderation": "see attached"}
    planted = {"length": "How long a text is", "source": "meta.tag"}
    stored = json.loads((BENCHMARKS / "results" / "truth.json").read_text("utf-8"))["parts"]["shortcuts"]["planted"]
    assert len(stored) == 10
    for one in stored:
        what = planted.get(one["first"], phrases.get(one["set"].partition(",")[0], ""))
        assert says_planted(one["title"], one["first"], what) == one["found"], one
