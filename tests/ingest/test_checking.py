"""Checking a file without writing."""

import pytest

from assay.ingest.checking import check_file
from assay.ingest.labelled import ImportSettings, Problem
from assay.ingest.mapping import FieldMapping
from assay.schema.errors import ConflictError, InputError


def test_what_is_in_a_file_is_counted(criterion, jsonl, settings, tmp_path):
    raters = [{"rater": "a", "label": "toxic"}, {"rater": "b", "label": "not_toxic"}]
    rows = [
        {"id": "1", "input": "a text", "label": "toxic", "group": "g1"},
        {"id": "2", "input": " A  TEXT ", "label": "toxic", "label_source": "expert", "group": "g1"},
        {"id": "3", "input": "another", "labels_by_rater": raters, "group": "g2"},
        {"id": "4", "input": "no label here"},
        {"id": "1", "input": "a text", "label": "toxic", "labeller": "mia"},
        {"id": "5", "input": "x", "label": "TOXIC"},
    ]
    found = check_file(criterion, jsonl(rows), settings)
    assert (found.rows, found.examples, found.unlabelled, found.groups, found.labellers) == (6, 4, 1, 2, 5)
    assert found.labels == {"crowd": {"toxic": 3, "not_toxic": 1}, "expert": {"toxic": 1}}
    assert found.duplicates == 1
    assert found.length_chars == {"p05": 6, "p50": 7, "p95": 13, "max": 13}
    assert (found.malformed, found.acceptable) == (1, False)
    assert found.unknown_labels == {"TOXIC": 1}
    assert isinstance(found.problems[0], Problem)
    assert list(tmp_path.iterdir()) == [tmp_path / "rows.jsonl"]


def test_a_check_refuses_what_an_import_refuses(criterion, jsonl, settings):
    with pytest.raises(InputError, match="holds no rows"):
        check_file(criterion, jsonl([""]), settings)
    rows = [{"id": "1", "input": "a", "label": "toxic"}, {"id": "1", "input": "b", "label": "toxic"}]
    with pytest.raises(ConflictError, match="stands for two texts"):
        check_file(criterion, jsonl(rows), settings)


def test_real_files(criterion, bench_data, tmp_path):
    mapping = FieldMapping(
        columns={"group": "meta.template_id"}, labels={"pii": "toxic", "no_pii": "not_toxic"}, label_source="author"
    )
    settings = ImportSettings(mapping=mapping, set_aside_dir=tmp_path)
    found = check_file(criterion, bench_data / "pii/presidio_synth_v2.jsonl.gz", settings)
    assert (found.rows, found.examples, found.groups, found.malformed) == (1500, 1500, 209, 0)
    assert found.labels == {"author": {"toxic": 1075, "not_toxic": 425}}
