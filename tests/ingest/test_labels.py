"""A row's values as labels."""

from dataclasses import replace

import pytest

from assay.ingest.labelled import labelled_of
from assay.ingest.labels import UnknownLabelError, labels_of
from assay.ingest.mapping import FieldMapping
from assay.ingest.row import Row
from assay.schema.criterion import Scale
from assay.schema.errors import InputError
from assay.schema.label import Label


def given(values, mapping, criterion):
    return [(label.labeller, label.value, label.source) for label in labels_of({**values}, mapping, criterion, "e1")]


def test_one_label_with_all_that_is_known_of_it(criterion, crowd):
    values = {
        "label": "toxic",
        "labeller": "mia",
        "label_source": "expert",
        "labelled_at": "2026-02-03",
        "explanation": "an insult",
    }
    assert labels_of(values, crowd, criterion, "e1") == (
        Label(
            example_id="e1",
            value="toxic",
            labeller="mia",
            source="expert",
            criterion="toxicity/1",
            created_at="2026-02-03",
            explanation="an insult",
        ),
    )


def test_the_options_hold_where_the_row_says_nothing(criterion):
    mapping = FieldMapping(labeller="ann", label_source="author", labelled_at="2026-01-01T10:00:00+00:00")
    (label,) = labels_of({"label": "toxic"}, mapping, criterion, "e1")
    assert (label.labeller, label.source, label.created_at) == ("ann", "author", "2026-01-01T10:00:00+00:00")


def test_a_nameless_labeller_is_called_by_the_source(criterion, crowd):
    assert given({"label": "toxic"}, crowd, criterion) == [("crowd", "toxic", "crowd")]


def test_raters_keep_their_names_and_nameless_ones_are_numbered(criterion, crowd):
    raters = [
        {"rater": None, "label": "toxic"},
        {"rater": "r7", "label": "not_toxic"},
        {"rater": None, "label": "toxic"},
    ]
    assert given({"label": "toxic", "labels_by_rater": raters}, crowd, criterion) == [
        ("rater-1", "toxic", "crowd"),
        ("r7", "not_toxic", "crowd"),
        ("rater-3", "toxic", "crowd"),
    ]


def test_a_list_of_labels_in_our_own_words(criterion, crowd):
    labels = [
        {"value": "toxic", "labeller": "mia", "source": "expert", "date": "2026-01-02", "explanation": "x"},
        {"label": "not_toxic", "rater": 9},
    ]
    assert given({"labels": labels}, crowd, criterion) == [("mia", "toxic", "expert"), ("9", "not_toxic", "crowd")]


def test_a_set_of_labels_is_refused_with_a_sentence(criterion, crowd):
    with pytest.raises(InputError, match="sets of labels are not read yet"):
        labels_of({"label": ["toxic", "not_toxic"]}, crowd, criterion, "e1")


def test_nameless_labels_on_a_multi_label_scale_are_not_taken_for_raters_who_disagree(criterion, crowd):
    several = replace(criterion, scale=Scale(kind="multi-label", levels=criterion.scale.levels))
    row = {"labels": [{"value": "toxic"}, {"value": "not_toxic"}]}
    with pytest.raises(InputError, match="sets of labels are not read yet"):
        labels_of(row, crowd, several, "e1")
    assert given({"labels": [{"value": "toxic"}, {"value": "toxic"}]}, crowd, several)
    assert [name for name, *_ in given(row, crowd, criterion)] == ["rater-1", "rater-2"]  # one answer each


def test_the_free_text_of_meta_is_never_a_source(criterion, crowd):
    values = {"label": "toxic", "meta": {"label_source": "expert"}}
    assert given(values, crowd, criterion) == [("crowd", "toxic", "crowd")]


def test_a_summary_that_differs_from_the_raters_is_kept_in_meta(criterion, crowd):
    raters = [{"rater": "a", "label": "toxic"}, {"rater": "b", "label": "toxic"}, {"rater": "c", "label": "not_toxic"}]

    def meta(label):
        values = {"input": "x", "label": label, "labels_by_rater": raters, "meta": {"k": 1}}
        return labelled_of(Row(number=1, values=values), crowd, criterion).example.meta

    assert meta("toxic") == {"k": 1}
    assert meta("not_toxic") == {"k": 1, "label_given": "not_toxic"}
    assert meta("tie") == {"k": 1, "label_given": "tie"}


def test_an_empty_list_of_raters_leaves_the_label(criterion, crowd):
    assert given({"label": "toxic", "labels_by_rater": []}, crowd, criterion) == [("crowd", "toxic", "crowd")]


@pytest.mark.parametrize("values", [{}, {"label": None}, {"label": ""}, {"labels": None}])
def test_a_row_may_have_no_label(criterion, crowd, values):
    assert labels_of(values, crowd, criterion, "e1") == ()


def test_labels_are_mapped_or_left_out(criterion):
    mapping = FieldMapping(label_source="crowd", labels={"1": "toxic", "true": "toxic", "unsure": None})
    raters = [{"rater": "a", "label": 1}, {"rater": "b", "label": "unsure"}, {"rater": "c", "label": True}]
    assert given({"labels_by_rater": raters}, mapping, criterion) == [("a", "toxic", "crowd"), ("c", "toxic", "crowd")]


def test_a_label_may_only_be_mapped_onto_the_scale(criterion):
    with pytest.raises(InputError, match="not on the scale"):
        FieldMapping(labels={"1": "poisonous"}).check_labels(criterion)


def test_a_label_off_the_scale_is_named(criterion, crowd):
    with pytest.raises(
        UnknownLabelError, match=r"'Toxic' is not on the scale.*'toxic', 'not_toxic'.*--map-label"
    ) as off:
        labels_of({"label": "Toxic"}, crowd, criterion, "e1")
    assert off.value.label == "Toxic"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"label": ["toxic"]}, "label is not a label"),
        ({"label": 0.5}, "label is not a label"),
        ({"label": "toxic", "label_source": "oracle"}, r"source of a label is unknown.*Got: 'oracle'"),
        ({"label": "toxic", "labelled_at": "yesterday"}, "labelled_at is not a date"),
        ({"labels_by_rater": "many"}, "labels_by_rater is not valid JSON"),
        ({"labels_by_rater": {"a": "toxic"}}, "labels_by_rater is not a list"),
        ({"labels": ["toxic"]}, "labels.0 is not an object"),
        ({"labels": [{"labeller": "a"}]}, "labels.0 has no label"),
        ({"labels": [{"valeu": "toxic"}]}, "did you mean 'value'"),
        ({"labels": [{"value": v, "labeller": "a"} for v in ("toxic", "not_toxic")]}, "gives one row two labels"),
    ],
)
def test_a_wrong_label_is_named(criterion, crowd, values, problem):
    with pytest.raises(InputError, match=problem):
        labels_of(values, crowd, criterion, "e1")


def test_a_label_needs_a_source(criterion):
    with pytest.raises(InputError, match=r"needs its source.*--label-source"):
        labels_of({"label": "toxic"}, FieldMapping(), criterion, "e1")
