"""Judging files: order, carried columns, formats, rows set aside, refusals."""

import datetime
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_judge import ROWS, PlainJudge

from assay.ingest.mapping import FieldMapping
from assay.schema.errors import AssayError, ConflictError, InputError, NotFoundError, RefusedError
from assay.serving.batch import BatchProgress, BatchSettings, judge_file

# of the first byte of SHA-256 of "Answer N, ünïcode", N = 0 … 9: yes from 128 on, as sha256sum gives it
LABELS = ["yes", "no", "no", "no", "yes", "yes", "yes", "yes", "yes", "yes"]
FORMATS = ["x.jsonl", "x.jsonl.gz", "x.csv", "x.csv.gz", "x.parquet"]
Write = Callable[..., Path]
Read = Callable[[Path], list[dict[str, Any]]]


def test_each_row_gets_its_verdict_in_order_and_keeps_all_it_had(write: Write, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    result = judge_file(PlainJudge(), write(ROWS), out, BatchSettings(window_rows=3))
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    verdicts = [row.pop("verdict") for row in rows]
    assert rows == ROWS
    assert [verdict["label"] for verdict in verdicts] == LABELS
    assert {verdict["judge"] for verdict in verdicts} == {"plain-00000001"}
    assert (result.rows, result.decided, result.abstained, result.failed, result.set_aside) == (10, 10, 0, 0, 0)
    assert result.by_label == {"yes": LABELS.count("yes"), "no": LABELS.count("no")}
    assert result.rejected is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


@pytest.mark.parametrize("name_in", FORMATS)
@pytest.mark.parametrize("name_out", FORMATS)
def test_any_format_in_and_any_format_out(
    name_in: str, name_out: str, write: Write, read: Read, tmp_path: Path
) -> None:
    out = tmp_path / f"out-{name_out}"
    judge_file(PlainJudge(), write(ROWS, name_in), out, BatchSettings(window_rows=4))
    rows = read(out)
    assert [{name: row[name] for name in ROWS[0]} for row in rows] == ROWS
    assert [row["verdict_label"] for row in rows] == LABELS
    assert {row["verdict_kind"] for row in rows} == {"decided"}
    assert {int(row["verdict_truncated_tokens"]) for row in rows} == {0}
    assert all(0.5 <= float(row["verdict_probability"]) <= 1 for row in rows)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8), max_size=12),
    window_rows=st.integers(1, 5),
    suffix=st.sampled_from([".jsonl", ".csv", ".parquet"]),
)
def test_every_row_is_judged_or_set_aside_exactly_once(
    texts: list[str], window_rows: int, suffix: str, read: Read, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    source, out = folder / "in.jsonl", folder / f"out{suffix}"
    kept = [{"id": "first", "output": "always there"}, *({"id": str(n), "output": t} for n, t in enumerate(texts))]
    source.write_text("".join(json.dumps(row) + "\n" for row in kept))
    result = judge_file(PlainJudge(), source, out, BatchSettings(window_rows=window_rows))
    judged = [(row["id"], row["output"]) for row in read(out)]
    aside = [] if result.rejected is None else [json.loads(line)["row"] for line in result.rejected.open()]
    rejected = [(row["id"], row["output"]) for row in aside]
    assert sorted(judged + rejected) == sorted((row["id"], row["output"]) for row in kept)
    assert judged == [(row["id"], row["output"]) for row in kept if (row["id"], row["output"]) not in rejected]
    assert (result.rows, result.set_aside) == (len(kept), len(rejected))


def test_what_cannot_be_judged_is_set_aside_with_line_and_reason(write: Write, read: Read, tmp_path: Path) -> None:
    rows = [ROWS[0], "{broken", {"id": "empty", "label": "yes"}, {"output": " \u200b"}, ROWS[1], '{"a": 1, "a": 2}']
    out = tmp_path / "out.csv"
    result = judge_file(PlainJudge(), write(rows), out, BatchSettings())
    assert [row["id"] for row in read(out)] == ["r0", "r1"]
    assert (result.rows, result.decided, result.set_aside) == (6, 2, 4)
    assert result.rejected == tmp_path / "out.csv.rejected.jsonl"
    aside = [json.loads(line) for line in result.rejected.read_text().splitlines()]
    assert [row["line"] for row in aside] == [2, 3, 4, 6]
    assert "not valid JSON" in aside[0]["reason"]
    assert aside[0]["row"] == "{broken\n"
    assert "Nothing to judge" in aside[1]["reason"]
    assert aside[1]["row"] == {"id": "empty", "label": "yes"}
    assert "twice" in aside[3]["reason"]


def test_failed_and_abstained_verdicts_are_rows_of_the_output(write: Write, read: Read, tmp_path: Path) -> None:
    rows = [{"output": "fail"}, {"output": "unsure"}, {"output": "a long one"}]
    for name in ("out.jsonl", "out.csv", "out.parquet"):
        result = judge_file(PlainJudge(), write(rows), tmp_path / name, BatchSettings())
        failed, unsure, _ = read(tmp_path / name)
        assert (failed["verdict_kind"], failed["verdict_action"]) == ("failed", "allow-and-flag")
        assert "verdict_label" not in failed
        assert (unsure["verdict_kind"], unsure["verdict_reason"]) == ("abstained", "unsure")
        assert (result.failed, result.abstained, result.decided, result.truncated_rows) == (1, 1, 1, 1)


def test_only_judged_fields_are_looked_at(write: Write, read: Read, tmp_path: Path) -> None:
    row = {"reply": "text", "source": "the web", "weight": -1, "id": [1], "label": {"x": 1}, "context": {"y": 2}}
    mapped = BatchSettings(mapping=FieldMapping(columns={"output": "reply"}))
    judge_file(PlainJudge(), write([row]), tmp_path / "out.jsonl", mapped)
    (judged,) = read(tmp_path / "out.jsonl")
    assert {name: judged[name] for name in row} == row
    assert judged["verdict_kind"] == "decided"


def test_messages_rows_are_judged(write: Write, read: Read, tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Answer 0, ünïcode"}]}
    judge_file(PlainJudge(), write([row]), tmp_path / "out.jsonl", BatchSettings())
    assert read(tmp_path / "out.jsonl")[0]["verdict_label"] == LABELS[0]


def test_csv_keeps_blank_columns_and_awkward_cells(tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(b'note,output,blank\r\n"a ""quoted"", cell","two\r\nlines",\r\n"bare \r return",x,\r\n')
    judge_file(PlainJudge(), source, out, BatchSettings())
    assert out.read_bytes().startswith(b"note,output,blank,verdict_kind,")
    again = tmp_path / "again.csv"
    judge_file(PlainJudge(), out, again, BatchSettings(verdict_field="second"))
    assert again.read_bytes().split(b",verdict_kind")[0] == b"note,output,blank"
    assert b'"a ""quoted"", cell","two\r\nlines",,decided' in again.read_bytes()
    assert b'"bare \r return",x,,decided' in again.read_bytes()


def test_parquet_columns_come_through_as_they_were(tmp_path: Path) -> None:
    table = pyarrow.table(
        {
            "output": ["a", "", "c"],
            "at": pyarrow.array([datetime.datetime(2024, 5, 1, 12)] * 3, pyarrow.timestamp("us", "UTC")),
            "tags": [["x"], [], None],
            "score": [1.5, float("nan"), 2.5],
            "raw": [b"\xff", b"", b"\x00"],
        }
    ).replace_schema_metadata({"made": "by us"})
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet")
    result = judge_file(PlainJudge(), tmp_path / "in.parquet", tmp_path / "out.parquet", BatchSettings())
    judged = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert judged.select(table.column_names).equals(table.take([0, 2]), check_metadata=False)
    assert judged.schema.metadata[b"made"] == b"by us"
    assert result.set_aside == 1


def test_parquet_out_of_jsonl_has_the_types_of_the_values(write: Write, tmp_path: Path) -> None:
    rows = [
        {"output": "a", "whole": 1, "mixed": 1, "flag": True, "nested": {"k": [1]}, "either": 5},
        {"output": "b", "whole": 2**60, "mixed": 0.5, "flag": False, "nested": None, "either": "text"},
    ]
    judge_file(PlainJudge(), write(rows), tmp_path / "out.parquet", BatchSettings())
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert table.select(list(rows[0])).to_pylist() == [
        {"output": "a", "whole": 1, "mixed": 1.0, "flag": True, "nested": '{"k":[1]}', "either": "5"},
        {"output": "b", "whole": 2**60, "mixed": 0.5, "flag": False, "nested": None, "either": "text"},
    ]
    assert table.schema.field("verdict_probability").type == pyarrow.float64()


def test_carry_chooses_the_columns(write: Write, read: Read, tmp_path: Path) -> None:
    for name in FORMATS:
        out = tmp_path / f"out-{name}"
        judge_file(PlainJudge(), write(ROWS, name), out, BatchSettings(carry=("id",)))
        assert [name for name in read(out)[0] if not name.startswith("verdict")] == ["id"]
    with pytest.raises(InputError, match="no column 'ids'"):
        judge_file(PlainJudge(), write(ROWS, "y.csv"), tmp_path / "out.csv", BatchSettings(carry=("ids",)))


def test_an_empty_file_gives_an_empty_output(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("")
    result = judge_file(PlainJudge(), tmp_path / "in.jsonl", tmp_path / "out.jsonl", BatchSettings())
    assert (result.rows, (tmp_path / "out.jsonl").read_bytes()) == (0, b"")
    (tmp_path / "in.csv").write_text("output\n")
    judge_file(PlainJudge(), tmp_path / "in.csv", tmp_path / "out.csv", BatchSettings())
    assert (tmp_path / "out.csv").read_text().startswith("output,verdict_kind")


def test_a_verdict_takes_no_column_of_the_input(write: Write, read: Read, tmp_path: Path) -> None:
    twice = tmp_path / "twice.jsonl"
    judge_file(PlainJudge(), write(ROWS), tmp_path / "once.jsonl", BatchSettings())
    with pytest.raises(InputError, match="--verdict-field"):
        judge_file(PlainJudge(), tmp_path / "once.jsonl", twice, BatchSettings())
    judge_file(PlainJudge(), tmp_path / "once.jsonl", twice, BatchSettings(verdict_field="second"))
    first = json.loads(twice.read_text().splitlines()[0])
    assert first["verdict"]["label"] == first["second"]["label"] == LABELS[0]
    with pytest.raises(InputError, match="verdict_label"):
        judge_file(
            PlainJudge(), write([{"output": "a", "verdict_label": "b"}], "in.csv"), tmp_path / "o.csv", BatchSettings()
        )
    later = [ROWS[0], {"output": "a", "verdict": "mine"}]
    result = judge_file(PlainJudge(), write(later), tmp_path / "later.jsonl", BatchSettings())
    assert (result.decided, result.set_aside) == (1, 1)


def test_numbers_that_json_cannot_hold(write: Write, tmp_path: Path) -> None:
    rows = [
        '{"output": "a", "n": 1e999}',
        '{"output": "b", "s": "\\ud800"}',
        '{"output": "c", "n": 123456789012345678901}',
    ]
    result = judge_file(PlainJudge(), write(rows), tmp_path / "out.jsonl", BatchSettings())
    assert result.set_aside == 2
    assert json.loads((tmp_path / "out.jsonl").read_text())["n"] == 123456789012345678901
    reasons = [json.loads(line)["reason"] for line in (tmp_path / "out.jsonl.rejected.jsonl").open()]
    assert "infinite" in reasons[0]
    assert "surrogate" in reasons[1]


def test_nothing_judgeable_is_a_refusal_that_leaves_nothing(write: Write, tmp_path: Path) -> None:
    source = write([{"reply": "a"}, {"reply": "b"}])
    with pytest.raises(RefusedError, match=r"None of the 2 rows.*line 1: Nothing to judge.*--field"):
        judge_file(PlainJudge(), source, tmp_path / "out.jsonl", BatchSettings())
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_over_the_accepted_share_the_work_is_kept_but_not_delivered(write: Write, tmp_path: Path) -> None:
    source, out = write([ROWS[0], {"output": "fail"}, {}, ROWS[1]]), tmp_path / "out.jsonl"
    with pytest.raises(RefusedError, match="1 of 4 rows were set aside and 1 failed"):
        judge_file(PlainJudge(), source, out, BatchSettings(max_failed_share=0.4))
    assert not out.exists()
    result = judge_file(PlainJudge(), source, out, BatchSettings(max_failed_share=0.5))
    assert (result.resumed_from, result.rows, result.decided) == (4, 4, 2)
    assert len(out.read_text().splitlines()) == 3


def test_an_output_that_is_there_stays_unless_overwrite(write: Write, tmp_path: Path) -> None:
    source, out = write([ROWS[0], "{"]), tmp_path / "out.jsonl"
    judge_file(PlainJudge(), source, out, BatchSettings())
    before = out.read_bytes()
    with pytest.raises(ConflictError, match="--overwrite"):
        judge_file(PlainJudge(id="plain-00000002"), source, out, BatchSettings())
    assert out.read_bytes() == before
    judge_file(PlainJudge(id="plain-00000002"), write(ROWS, "other.jsonl"), out, BatchSettings(overwrite=True))
    assert len(out.read_text().splitlines()) == 10
    assert not (tmp_path / "out.jsonl.rejected.jsonl").exists()  # it was of the output before


@pytest.mark.parametrize(
    ("names", "given", "kind", "says"),
    [
        (("no.jsonl", "out.jsonl"), {}, NotFoundError, "no file"),
        (("in.jsonl", "no/out.jsonl"), {}, NotFoundError, "no folder"),
        (("in.jsonl", "in.jsonl"), {}, InputError, "input itself"),
        (("in.jsonl", "out.txt"), {}, InputError, "--out-format"),
        (("in.jsonl", "out.jsonl"), {"format_in": "xml"}, InputError, "unknown format"),
        (("in.jsonl", "out.jsonl"), {"format_in": "parquet"}, InputError, "Parquet"),
        (("in.jsonl", "."), {"format_out": "jsonl"}, InputError, "one file"),
    ],
)
def test_refusals_write_nothing(
    names: tuple[str, str], given: dict[str, Any], kind: type[AssayError], says: str, write: Write, tmp_path: Path
) -> None:
    write(ROWS)
    with pytest.raises(kind, match=says):
        judge_file(PlainJudge(), tmp_path / names[0], tmp_path / names[1], BatchSettings(**given))
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize(
    "given",
    [
        {"mapping": FieldMapping(columns={"label": "verdict"})},
        {"verdict_field": "a b"},
        {"window_rows": 0},
        {"max_failed_share": 1.5},
    ],
)
def test_settings_are_checked(given: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        BatchSettings(**given)


def test_damaged_gzip_is_said_and_leaves_no_output(tmp_path: Path) -> None:
    whole = gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS * 50).encode())
    (tmp_path / "in.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AssayError, match="damaged"):
        judge_file(PlainJudge(), tmp_path / "in.jsonl.gz", tmp_path / "out.jsonl", BatchSettings())
    assert not (tmp_path / "out.jsonl").exists()


def test_progress_tells_rows_total_and_time_left(write: Write, tmp_path: Path) -> None:
    heard: list[BatchProgress] = []
    judge_file(PlainJudge(), write(ROWS), tmp_path / "out.jsonl", BatchSettings(window_rows=4), heard.append)
    assert [(moment.rows_done, moment.rows_total) for moment in heard] == [(4, 10), (8, 10), (10, 10)]
    assert all(moment.rows_per_s > 0 for moment in heard)
    assert heard[-1].left_s == 0
