"""The audit: planted faults are found and ranked, permuted labels raise no alarm, the page is safe."""

import random
from dataclasses import replace

import numpy as np
import pytest

from assay.datasets.audit.audit import AuditSettings, audit
from assay.datasets.audit.finding import SHORTCUTS, ranked
from assay.datasets.audit.folds import fold_of
from assay.datasets.audit.noise import held_out_rounds, suspicions
from assay.datasets.audit.page import About, render_page, shown_text
from assay.datasets.audit.shortcuts import cross_fitted
from assay.datasets.audit.suspects import suspects
from assay.datasets.audit.table import AuditTable
from assay.metrics.clustered_auroc import clustered_auroc
from assay.schema.errors import InputError
from assay.schema.example import Example
from assay.schema.trace import Turn

WORDS = (
    *("river", "stone", "garden", "window", "paper", "music", "travel", "health"),
    *("school", "letter", "bread", "silver", "winter", "answer", "market"),
)
SIGNS = {"yes": ("buy", "sell", "invest"), "no": ("read", "sing", "walk")}


@pytest.fixture
def build(criterion, make_label):
    """A table of texts whose label hangs on one of several words, and on whatever `change` plants."""

    def make(n=240, change=None, sign=0.6, seed=0, **example):
        numbers = random.Random(seed)
        rows = []
        for place in range(n):
            value = ("yes", "no")[place % 2]
            words = numbers.choices(WORDS, k=numbers.randint(8, 14))
            if numbers.random() < sign:
                words.insert(numbers.randint(0, len(words)), numbers.choice(SIGNS[value]))
            values = {"id": f"e{place:04}", "output": " ".join(words), **example}
            if change is not None:
                values |= change(value, values, numbers)
            rows.append((Example(**values), (make_label(value, example_id=values["id"]),)))
        return AuditTable.of_labelled(rows, criterion)

    return make


def longer(value, values, numbers):
    return {"output": values["output"] + " " + " ".join(numbers.choices(WORDS, k=20 if value == "yes" else 2))}


def tagged(value, values, numbers):
    return {"meta": {"tag": "web" if (value == "yes") == (numbers.random() < 0.9) else "app"}}


def signed(value, values, numbers):
    words = values["output"].split()
    if (value == "yes") == (numbers.random() < 0.95):
        words.insert(numbers.randint(2, len(words) - 3), "kind regards")
    return {"output": " ".join(words)}


@pytest.mark.parametrize(("change", "kind"), [(longer, "length"), (tagged, "source"), (signed, "phrase")])
def test_a_planted_shortcut_is_found_and_ranked_first(build, change, kind):
    found = audit(build(change=change))
    assert found.findings[0].kind == kind
    assert found.findings[0].weight == "grave"
    assert found.findings[0].estimate.low > 0.6
    assert found.findings[0].command.startswith("assay ")


@pytest.mark.parametrize("seed", range(3))
def test_permuted_labels_raise_no_alarm(build, seed):
    table = build(change=longer, seed=seed)
    clean = replace(table, codes=np.random.default_rng(seed).permutation(table.codes))
    kinds = {one.kind for one in audit(clean).findings}
    assert not kinds & {*SHORTCUTS, "features-model", "label-noise"}


def test_flipped_labels_are_the_most_suspicious(build):
    table = build(n=400, sign=1.0)
    flipped = np.random.default_rng(0).permutation(400)[:40]
    given = table.codes.copy()
    given[flipped] ^= 1
    suspicion, _ = suspicions(held_out_rounds(table.texts, given, table.group, 2)[1], given)
    worst = np.argsort(-suspicion)[:40]
    assert len(set(worst) & set(flipped)) >= 30
    found = audit(replace(table, codes=given))
    (noise,) = [one for one in found.findings if one.kind == "label-noise"]
    assert noise.estimate.low <= 0.1
    rows = suspects(replace(table, codes=given), found)
    assert len(rows) == 40
    assert {"id", "score", "hint", "label", "likely"} == set(rows[0])
    assert {row["id"] for row in rows} == {table.ids[place] for place in np.argsort(-found.parts.noise.suspicion)[:40]}


def test_copies_leaks_and_contradictions_are_counted(criterion, make_label, build):
    rows = [
        (
            Example(id=f"e{place:03}", output=text, meta={"split": "train" if place < 60 else "test"}),
            (make_label(("yes", "no")[place % 2], example_id=f"e{place:03}"),),
        )
        for place, text in enumerate(build(n=100).texts)
    ]
    copy = Example(id="copy", output=rows[0][0].output.upper(), meta={"split": "test"})
    against = Example(id="against", output=rows[2][0].output, meta={"split": "train"})
    rows += [(copy, (make_label("yes", example_id="copy"),)), (against, (make_label("no", example_id="against"),))]
    found = audit(AuditTable.of_labelled(rows, criterion))
    copies = found.parts.copies
    assert copies.exact_rows == 2
    assert copies.contradicting == (("e002", "against"),)
    assert copies.leaked_ids == ("copy",)
    assert copies.leaked.value == pytest.approx(1 / 41)
    assert {"leakage", "contradiction"} <= {one.kind for one in found.findings}


def test_what_is_missing_is_said(criterion, make_label, build):
    rows = [
        (Example(id=f"e{place}", output=text, input=" "), (make_label("yes", source="crowd", example_id=f"e{place}"),))
        for place, text in enumerate(build(n=50).texts)
    ]
    found = audit(AuditTable.of_labelled(rows, criterion))
    titles = " ".join(one.title for one in found.findings if one.kind == "missing")
    assert "No row has the label “no”" in titles
    assert "Experts decided 0 of the 50 rows" in titles
    assert "two people agree" in titles


def test_personal_data_is_named_and_rows_too_few_are_refused(build):
    table = build(
        change=lambda value, values, numbers: {"output": values["output"] + f" ann{values['id']}@example.org"}
    )
    (finding,) = [one for one in audit(table).findings if one.kind == "personal-data"]
    assert finding.rows == 240
    with pytest.raises(InputError, match="too few rows"):
        audit(build(n=10))


def test_the_page_holds_no_script_and_escapes_what_rows_say(build):
    table = build(change=tagged, meta={})
    table.meta["<script>alert(1)</script>"] = table.meta.pop("tag")
    page = render_page(audit(table, AuditSettings(name="advice")), About(name="<b>advice</b>", audited_at="2026-01-01"))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<b>advice" not in page
    assert "http" not in page.split("<main>")[1]
    assert shown_text("a\u202eb\x00") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"


def test_cross_fitting_cannot_be_fooled_by_many_values():
    random_side = np.random.default_rng(0).random(2000) < 0.5
    codes = np.random.default_rng(1).integers(0, 50, 2000)
    folds = fold_of(np.arange(2000))
    assert 0.45 < clustered_auroc(random_side, cross_fitted(codes, random_side, folds)).auroc.value < 0.55


def test_findings_are_ranked_by_harm(build):
    found = audit(build(change=tagged)).findings
    assert list(found) == ranked(list(found))
    assert [one.harm for one in found] == sorted((one.harm for one in found), reverse=True)


def every_command(build):
    """Findings of tables that are made to have every kind."""
    plants = {
        "length": longer,
        "source": tagged,
        "phrase": signed,
        "punctuation": lambda value, values, numbers: {"output": values["output"] + ("!" if value == "yes" else ".")},
        "position": lambda value, values, numbers: {
            "turns": (Turn(role="user", content="hello"),) * (3 if value == "yes" else 1)
        },
    }
    return {kind: audit(build(change=change), AuditSettings(name="advice")).findings for kind, change in plants.items()}


def test_a_shortcut_is_mended_by_labels_from_both_sides_of_it(build):
    found = every_command(build)
    commands = {kind: next(one.command for one in found[kind] if one.kind == kind) for kind in found}
    draw = "assay data next --criterion advice --budget 200 --by coverage --slice"
    assert commands == {
        "length": f"{draw} length",
        "source": f"{draw} tag",
        "phrase": "assay probe advice@candidate --remove 'kind regards'",
        "punctuation": "assay probe advice@candidate --rows 500",
        "position": f"{draw} turns",
    }


@pytest.mark.parametrize(("lacking", "weight"), [(100, "serious"), (200, "minor"), (240, "grave")])
def test_a_field_that_most_rows_lack_may_be_absent_and_one_that_all_lack_was_forgotten(build, lacking, weight):
    table = replace(build(n=240), blank={"input": lacking})
    (finding,) = [one for one in audit(table, AuditSettings(name="advice")).findings if "no input" in one.title]
    assert finding.weight == weight
    assert finding.command == "assay data import FILE --criterion advice --field input=COLUMN"
