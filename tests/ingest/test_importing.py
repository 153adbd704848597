"""Importing files into a real store: all of it or nothing."""

import gzip
import json
from dataclasses import replace

import pyarrow
import pyarrow.parquet
import pytest

from assay.ingest.importing import import_file
from assay.ingest.labelled import ImportSettings
from assay.ingest.mapping import FieldMapping
from assay.schema.errors import ConflictError, InputError, NotFoundError, RefusedError
from assay.store import examples, imports


def row(number, label="toxic", **more):
    return {"id": f"e{number:03}", "input": f"text {number}", "label": label, **more}


def stored(database, key="toxicity/1"):
    with database.read() as connection:
        return {example.id: labels for example, labels in examples.iter_labelled(connection, key)}


def logged(database):
    with database.read() as connection:
        return imports.every(connection)


def set_aside_rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_the_rows_do_not_say_of_their_origin_is_counted(database, criterion, jsonl, settings):
    rows = [row(1), row(2, source="synthetic"), row(3, labelled_at="2026-01-02"), row(4, "off the scale")]
    result = import_file(database, criterion, jsonl(rows), replace(settings, max_malformed_share=0.5))
    assert (result.unsourced_rows, result.undated_labels) == (2, 2)


def test_an_import_is_logged_and_the_same_file_again_changes_nothing(database, criterion, jsonl, settings):
    raters = [{"rater": "a", "label": "toxic"}, {"rater": "b", "label": "not_toxic"}]
    path = jsonl([row(1), row(2, "not_toxic"), row(3, labels_by_rater=raters)])
    first = import_file(database, criterion, path, settings)
    assert (first.rows, first.new_examples, first.new_labels, first.malformed) == (3, 3, 4, 0)
    assert not first.nothing_new
    assert first.set_aside is None
    assert [label.value for label in stored(database)["e003"]] == ["toxic", "not_toxic"]
    again = import_file(database, criterion, path, settings)
    assert (again.new_examples, again.known_examples, again.new_labels, again.known_labels) == (0, 3, 0, 4)
    assert again.nothing_new
    (record,) = logged(database)
    assert (record.id, record.file_name, record.criterion_key) == (first.import_id, "rows.jsonl", "toxicity/1")
    assert record.counts["new_labels"] == 4


def test_the_same_id_with_two_texts_against_the_store(database, criterion, jsonl, settings):
    import_file(database, criterion, jsonl([row(1)]), settings)
    path = jsonl([row(5), row(1, input="another text")], "more.jsonl")
    with pytest.raises(ConflictError, match=r"'e001'.*line 2 of more.jsonl against what was imported before"):
        import_file(database, criterion, path, settings)
    assert set(stored(database)) == {"e001"}


def test_the_same_id_with_two_texts_in_one_file(sqlite, criterion, jsonl, settings):
    path = jsonl([row(1), row(2), "{broken", row(1, input="another text")])
    with pytest.raises(ConflictError, match=r"'e001' stands for two texts.*lines 1 and 4 of rows.jsonl"):
        import_file(sqlite, criterion, path, settings)
    assert stored(sqlite) == {}
    assert list(settings.set_aside_dir.iterdir()) == []


def test_five_percent_malformed_rows_are_set_aside_counted_and_named(sqlite, criterion, jsonl, settings):
    rows = [row(number) for number in range(95)]
    bad = ["{broken", row(200, "Toxic"), row(201, input=""), row(202, imput="x"), row(203, input="nul \x00")]
    result = import_file(sqlite, criterion, jsonl([*rows, *bad]), settings)
    assert (result.rows, result.new_examples, result.malformed) == (100, 95, 5)
    assert [problem.line for problem in result.problems] == [96, 97, 98, 99, 100]
    assert result.problems[1].reason.startswith("The label 'Toxic' is not on the scale")
    assert result.problems[3].reason == "The field 'imput' is unknown; required: did you mean 'input'?"
    kept = set_aside_rows(result.set_aside)
    assert [item["line"] for item in kept] == [96, 97, 98, 99, 100]
    assert (kept[0]["row"], kept[1]["row"]) == ("{broken\n", bad[1])
    assert logged(sqlite)[0].set_aside == result.set_aside.name
    again = import_file(sqlite, criterion, jsonl([*rows, *bad]), settings)
    assert again.set_aside == result.set_aside
    assert list(settings.set_aside_dir.iterdir()) == [result.set_aside]


def test_over_the_share_nothing_is_imported_and_the_rows_are_still_set_aside(sqlite, criterion, jsonl, settings):
    rows = [*(row(number) for number in range(94)), *(row(number, "Toxic") for number in range(94, 100))]
    with pytest.raises(RefusedError) as refusal:
        import_file(sqlite, criterion, jsonl(rows), settings)
    (kept,) = settings.set_aside_dir.iterdir()
    assert "6 of 100 rows of rows.jsonl are malformed; nothing was imported" in refusal.value.problem
    assert refusal.value.required == "at most 5.0% malformed rows"
    assert "line 95: The label 'Toxic'" in refusal.value.got
    assert "--map-label 'Toxic=toxic' (6 rows)" in refusal.value.next_step
    assert str(kept) in refusal.value.next_step
    assert len(set_aside_rows(kept)) == 6
    assert (stored(sqlite), logged(sqlite)) == ({}, ())


def test_the_share_is_declared(sqlite, criterion, jsonl, crowd, tmp_path):
    path = jsonl([row(1), row(2, "?")])
    half = ImportSettings(mapping=crowd, set_aside_dir=tmp_path / "aside", max_malformed_share=0.5)
    assert import_file(sqlite, criterion, path, half).malformed == 1
    none = ImportSettings(mapping=crowd, set_aside_dir=tmp_path / "aside", max_malformed_share=0.0)
    with pytest.raises(RefusedError, match=r"at most 0.0% malformed"):
        import_file(sqlite, criterion, path, none)
    with pytest.raises(InputError, match="out of range"):
        ImportSettings(mapping=crowd, set_aside_dir=tmp_path, max_malformed_share=1.0)


def test_a_labeller_who_answers_twice_without_dates_is_set_aside(sqlite, criterion, jsonl, crowd, tmp_path):
    half = ImportSettings(mapping=crowd, set_aside_dir=tmp_path / "aside", max_malformed_share=0.5)
    path = jsonl([{"input": "one text", "label": "toxic"}, {"input": "one text", "label": "not_toxic"}])
    result = import_file(sqlite, criterion, path, half)
    assert (result.new_examples, result.malformed) == (1, 1)
    assert "another label before" in result.problems[0].reason
    dated = [row(1, labelled_at="2026-01-01"), row(1, "not_toxic", labelled_at="2026-01-02")]
    assert import_file(sqlite, criterion, jsonl(dated), half).malformed == 0
    assert [label.value for label in stored(sqlite)["e001"]] == ["not_toxic"]


def test_a_mapped_column_that_no_row_has_is_refused(sqlite, criterion, jsonl, tmp_path):
    mapping = FieldMapping(columns={"group": "meta.tempalte_id"}, label_source="crowd")
    settings = ImportSettings(mapping=mapping, set_aside_dir=tmp_path / "aside")
    with pytest.raises(InputError, match=r"No row of rows.jsonl has the column 'meta.tempalte_id'"):
        import_file(sqlite, criterion, jsonl([row(1, meta={"template_id": 3})]), settings)
    assert stored(sqlite) == {}


def test_an_empty_file_and_a_missing_one_are_refused(sqlite, criterion, jsonl, settings, tmp_path):
    with pytest.raises(InputError, match="holds no rows"):
        import_file(sqlite, criterion, jsonl([""]), settings)
    with pytest.raises(NotFoundError, match="There is no file"):
        import_file(sqlite, criterion, tmp_path / "gone.jsonl", settings)


def test_without_a_label_source_the_refusal_says_what_to_give(sqlite, criterion, jsonl, tmp_path):
    settings = ImportSettings(mapping=FieldMapping(), set_aside_dir=tmp_path / "aside")
    with pytest.raises(RefusedError, match="A label needs its source"):
        import_file(sqlite, criterion, jsonl([row(1)]), settings)


def test_an_interrupted_import_leaves_nothing(sqlite, criterion, jsonl, settings):
    def interrupt(rows):
        raise KeyboardInterrupt

    path = jsonl(["{broken", *(row(number) for number in range(600))])
    with pytest.raises(KeyboardInterrupt):
        import_file(sqlite, criterion, path, settings, progress=interrupt)
    assert stored(sqlite) == {}
    assert list(settings.set_aside_dir.iterdir()) == []
    assert import_file(sqlite, criterion, path, settings).new_examples == 600


def test_progress_counts_the_rows_read(sqlite, criterion, jsonl, settings):
    seen = []
    import_file(sqlite, criterion, jsonl([row(number) for number in range(1100)]), settings, progress=seen.append)
    assert seen == [500, 1000, 1100]


def test_the_same_rows_from_csv_and_parquet(sqlite, criterion, jsonl, settings, tmp_path):
    import_file(sqlite, criterion, jsonl([row(1), row(2, "not_toxic")]), settings)
    csv = tmp_path / "rows.csv"
    csv.write_text("id,input,label\ne001,text 1,toxic\ne002,text 2,not_toxic\n")
    parquet = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row(1), row(2, "not_toxic")]), parquet)
    assert import_file(sqlite, criterion, csv, settings).nothing_new
    assert import_file(sqlite, criterion, parquet, settings).nothing_new


def test_openai_rows_with_labels(sqlite, reply_criterion, jsonl, settings):
    messages = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    result = import_file(sqlite, reply_criterion, jsonl([{"messages": messages, "label": "yes"}]), settings)
    assert (result.new_examples, result.new_labels) == (1, 1)
    (labels,) = stored(sqlite, "advice/1").values()
    assert labels[0].value == "yes"


def test_a_megabyte_and_special_tokens_come_through(sqlite, criterion, jsonl, settings):
    rows = [row(1, input="word " * 200_000), row(2, input="<|eot_id|>[/INST]\x07\x1b")]
    assert import_file(sqlite, criterion, jsonl(rows), settings).new_examples == 2


@pytest.mark.parametrize("first", [0, 7, 19])
def test_a_real_file_with_broken_rows(sqlite, criterion, bench_data, settings, jsonl, first):
    lines = gzip.decompress((bench_data / "toxicity_safety/surge_toxicity.jsonl.gz").read_bytes()).decode().splitlines()
    broken = range(first, 1000, 20)  # 5 %, which is still accepted
    for index in broken:
        lines[index] = lines[index][: len(lines[index]) // 2]
    result = import_file(sqlite, criterion, jsonl(lines), settings)
    assert (result.rows, result.new_examples, result.malformed) == (1000, 950, 50)
    assert [item["line"] for item in set_aside_rows(result.set_aside)] == [index + 1 for index in broken]


def test_the_set_aside_file_keeps_what_json_cannot(sqlite, criterion, jsonl, settings):
    rows = [*(row(number) for number in range(30)), row(99, input="\ud800")]
    result = import_file(sqlite, criterion, jsonl(rows), settings)
    assert set_aside_rows(result.set_aside)[0]["row"]["input"] == "\ud800"
    assert list(settings.set_aside_dir.iterdir()) == [result.set_aside]
