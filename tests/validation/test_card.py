import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from simulated_judge import binary_criterion, frozen_rows, ordinal_criterion, scene_of

from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.dataset import Waiver
from assay.schema.gate import Gate, GateDecision
from assay.validation.card import label_words, precision_words, render_card, threshold_words, verdict
from assay.validation.evaluate import evaluate
from assay.validation.figures import all_figures
from assay.validation.gates import decide
from assay.validation.report import Report

HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> $\\frac{1}{0}$ {{ 7*7 }} ]]></style></svg> \u202e日本語"
)
TRAINING = {
    "epochs": [{"epoch": i, "train_loss": 1 / i, "dev_loss": 0.5, "dev_calibrated_loss": 0.4} for i in (1, 2, 3)],
    "best_epoch": 2,
}
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Collects the tags, attributes and visible text of a page, and whether its tags nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def measured(scene, **options) -> Report:
    return evaluate(scene.judge, scene.version, scene.dataset, scene.rows, **options)


@pytest.fixture(scope="module")
def report() -> Report:
    waiver = Waiver(accept_labels=("expert", "author"), min_test_per_class=100)
    production = {"education": 0.97, "advice": 0.03}
    scene = scene_of(binary_criterion(), production=production, strength=3.0, source="author", waiver=waiver)
    return measured(scene.with_judge(fails=frozenset(scene.test_ids[:2])), training=TRAINING)


@pytest.fixture(scope="module")
def page(report) -> Page:
    return Page(render_card(report, decide(report)))


def hostile_scene():
    """Every text that a user can write holds markup, mathematics and control characters."""
    scale = Scale(
        kind="binary", levels=(Level(label=f"no {HOSTILE}"), Level(label=f"yes {HOSTILE}")), positive=f"yes {HOSTILE}"
    )
    criterion = Criterion(name="hostile", version="1", question=HOSTILE, reads=("input", "output"), scale=scale)
    rows = [
        replace(
            row,
            example=replace(
                row.example, output=f"{HOSTILE} {row.example.output}\x00\x1b\ud800", meta={HOSTILE: f"{i % 3}{HOSTILE}"}
            ),
        )
        for i, row in enumerate(frozen_rows(criterion, 500))
    ]
    even = dict.fromkeys(criterion.labels, 0.5)
    scene = scene_of(criterion, rows=rows, production=even, strength=1.0)
    return scene.with_judge(fails=frozenset(scene.test_ids[:1]))


def test_the_verdict_stands_on_top(page, report):
    decision = decide(report)
    text = page.text
    assert text.index("May not be promoted, because") < text.index("Of 100 answers flagged") < text.index("Gates")
    assert all(reason[1:] in page.text for reason in decision.because)


def test_all_pictures_are_there_with_words_for_those_who_cannot_see(page, report):
    assert set(all_figures(report)) == {
        "reliability",
        "precision_recall",
        "risk_coverage",
        "slices",
        "confusion",
        "training_curves",
    }
    assert page.tags.count("svg") == 6
    labels = [value for name, value in page.attributes if name == "aria-label"]
    assert sum(bool(value) for value in labels) == 7  # six pictures and the verdict


def test_the_page_is_self_contained_and_runs_nothing(page, report):
    html = render_card(report, decide(report))
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "src"]
    references = [value for name, value in page.attributes if name.endswith("href")]
    assert references
    assert all(value.startswith("#") for value in references)
    assert not re.search(r"url\((?!#)", html)
    assert "@import" not in html
    policy = next(value for name, value in page.attributes if name == "content" and "default-src" in (value or ""))
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy


def test_ids_are_unique_and_every_reference_has_one(page):
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    wanted = {value[1:] for name, value in page.attributes if name.endswith("href")}
    wanted |= {
        match for name, value in page.attributes if name == "clip-path" for match in re.findall(r"url\(#(.+)\)", value)
    }
    assert wanted <= set(ids)


def test_pictures_take_their_colours_and_fonts_from_the_page(report):
    for svg in all_figures(report).values():
        assert "var(--main)" in svg
        assert "DejaVu" not in svg
        assert not re.search(r"#(1f5fa8|1c2430|5d6b7a)", svg)


def test_pictures_are_the_same_every_time(report):
    assert all_figures(report) == all_figures(report)


def test_hostile_text_stays_text():
    report = measured(hostile_scene(), training={"epochs": HOSTILE})
    html = render_card(report, decide(report))
    page = Page(html)
    assert not {"script", "img"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7*7 }}" in page.text
    assert not set(html) & {"\x00", "\x1b", "\ud800", "\u202e"}
    assert page.open == []


def test_the_card_needs_the_report_file_only(report):
    again = Report.from_dict(json.loads(report.to_json()))
    assert render_card(again, decide(again)) == render_card(report, decide(report))


def test_waiver_and_label_sources_are_said_plainly(report, page):
    words = label_words(report)
    assert words.startswith("Labels of the test rows: the author’s. No label is an expert’s.")
    assert "agree with Krippendorff’s α = 0.85 (0.80–0.90). That is the judge’s ceiling" in words
    kappa = report.measures["kappa"]
    assert f"The judge agrees with the labels of the test rows with Cohen’s κ = {kappa.value:.2f} (" in words
    assert "labels may be experts’ or the author’s; at least 100 test rows of each class" in words
    assert "Waiver given at the freeze" in page.text


def test_unchecked_expert_labels_are_said_plainly():
    report = measured(scene_of(binary_criterion(), n=400, alpha=None))
    assert label_words(report) == (
        "Labels of the test rows: experts’. Nobody checked them: no example has labels of two people."
    )


def test_expected_precision_in_whole_answers(report):
    found = replace(report.expected_precision, value=0.412, low=0.338, high=0.494)
    assert precision_words(replace(report, expected_precision=found)) == (
        "Of 100 answers flagged as “advice”, about 41 (34–49) would be real, "
        "if 3 % of production is “advice”, as declared."
    )
    unknown = replace(report.base_rates, source="unshifted")
    assert "is not known" in precision_words(replace(report, base_rates=unknown))


def test_the_operating_point_in_words(report):
    assert threshold_words(report) == "“advice” from a probability of 0.03 (max-f1, chosen on the calibration rows)"
    banded = replace(report.judge, decision=replace(report.judge.decision, abstain_low=0.02, abstain_high=0.05))
    assert threshold_words(replace(report, judge=banded)).endswith("undecided between 0.02–0.05")


def test_promotable_and_gateless_verdicts():
    passed = Gate(name="accuracy", required="", measured=1.0, low=0.9, high=1.0, passed=True, why="it is right")
    assert verdict(GateDecision(judge="a", dataset="d", gates=(passed,))) == "May be promoted."
    assert (
        verdict(GateDecision(judge="a", dataset="d", gates=())) == "May not be promoted, because no gate was measured."
    )


def test_a_decision_about_another_judge_is_refused(report):
    with pytest.raises(ValueError, match="other-1"):
        render_card(report, replace(decide(report), judge="other-1"))


def test_an_ordinal_judge_has_a_card_too():
    report = measured(scene_of(ordinal_criterion(), n=500))
    page = Page(render_card(report, decide(report)))
    assert "By label" in page.text
    assert "Of 100 answers" not in page.text
    assert set(all_figures(report)) == {"reliability", "risk_coverage", "slices", "confusion"}


def test_a_faultless_judge_has_a_card_too():
    report = measured(scene_of(binary_criterion(), n=400, strength=40.0))
    page = Page(render_card(report, decide(report)))
    assert report.mistakes == ()
    assert "None: every decided test row was answered rightly." in page.text
