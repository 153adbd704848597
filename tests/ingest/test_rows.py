"""Reading rows of JSONL, CSV and Parquet."""

import datetime
import decimal
import gzip
import io
import json
import sys

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.ingest.jsonl import read_jsonl
from assay.ingest.row import MAX_LINE_BYTES, MalformedRow, Row
from assay.ingest.rows import read_rows, row_count
from assay.schema.errors import InputError, IntegrityError, NotFoundError


def values(rows):
    return [row.values for row in rows]


def reasons(rows):
    return {row.number: row.reason for row in rows if isinstance(row, MalformedRow)}


def test_jsonl_rows_carry_their_line_numbers(jsonl):
    path = jsonl([{"a": 1}, "", {"a": "é"}])
    assert list(read_rows(path)) == [Row(number=1, values={"a": 1}), Row(number=3, values={"a": "é"})]
    assert row_count(path) == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{not json", "not valid JSON: Expecting property name"),
        ("[1, 2]", "not a JSON object but [1, 2]"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": -Infinity}', "-Infinity is not a JSON number"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ("[" * 200_000, "nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "not valid JSON: Exceeds the limit"),
    ],
)
def test_a_malformed_line_does_not_touch_its_neighbours(jsonl, line, reason):
    rows = list(read_rows(jsonl([{"a": 1}, line, {"a": 3}])))
    assert values([rows[0], rows[2]]) == [{"a": 1}, {"a": 3}]
    assert reason in reasons(rows)[2]
    assert rows[1].raw == (line + "\n")[:2000]


def test_invalid_utf8_is_named_by_its_byte():
    (row,) = read_jsonl(io.BytesIO(b'{"a": "caf\xe9"}\n'))
    assert (row.reason, row.raw) == ("not valid UTF-8 (byte 11 of the line)", '{"a": "caf\\xe9"}\n')


def test_a_byte_order_mark_is_no_part_of_the_first_line():
    assert values(read_jsonl(io.BytesIO(b'\xef\xbb\xbf{"a": 1}\n'))) == [{"a": 1}]


def test_an_over_long_line_is_set_aside_unread():
    long = b'{"a": "' + b"x" * MAX_LINE_BYTES + b'"}\n'
    rows = list(read_jsonl(io.BytesIO(b'{"a": 1}\n' + long + b'{"a": 3}')))
    assert [row.number for row in rows] == [1, 2, 3]
    assert reasons(rows) == {2: "the line is longer than 33,554,432 bytes"}
    assert len(rows[1].raw) == 2000


def test_a_megabyte_of_text_is_fine(jsonl):
    (row,) = read_rows(jsonl([{"input": "y" * 1_000_000}]))
    assert len(row.values["input"]) == 1_000_000


@given(
    st.lists(
        st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text(), max_size=4),
        max_size=8,
    )
)
def test_every_json_object_comes_back(objects):
    data = "".join(json.dumps(item) + "\n" for item in objects).encode()
    assert values(read_jsonl(io.BytesIO(data))) == objects


@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.ndjson", "ROWS.JSONL"])
def test_the_suffix_tells_the_format(jsonl, name):
    path = jsonl([{"a": 1}], name)
    assert values(read_rows(path)) == [{"a": 1}]
    assert row_count(path) == 1


def test_a_gzipped_file_is_read_whatever_its_name(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(gzip.compress(b'{"a": 1}\n'))
    assert values(read_rows(path)) == [{"a": 1}]


@pytest.mark.parametrize("name", ["rows.json", "rows", "rows.parquet.gz", "rows.gz", "rows.tsv"])
def test_an_unknown_suffix_is_refused_at_once(tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match=r"does not tell a known format.*--format"):
        read_rows(tmp_path / name)


def test_an_unknown_format_is_refused_at_once(tmp_path):
    with pytest.raises(InputError, match="An unknown format"):
        read_rows(tmp_path / "rows.jsonl", "xml")


def test_a_missing_file_and_a_folder_are_refused_at_once(tmp_path):
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(NotFoundError, match=r"There is no file"):
        read_rows(tmp_path / "gone.jsonl")
    with pytest.raises(InputError, match=r"Got: the folder"):
        read_rows(tmp_path / "folder.jsonl")


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("a.jsonl", '{"a": 1}'.encode("utf-16"), "UTF-16"),
        ("a.jsonl.gz", b'{"a": 1}', "not gzipped"),
        ("a.parquet", b"PAR1 and nothing else", "cannot be read as Parquet"),
        ("a.csv", b"", "names its columns"),
        ("a.csv", b"id,id\n1,2\n", "names its columns"),
        ("a.csv", b"id;input;label\n", "separated by semicolons"),
        ("a.csv", b"id\tinput\n", "separated by tabs"),
    ],
)
def test_a_file_of_another_kind_is_refused_at_once(tmp_path, name, data, problem):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=problem):
        read_rows(tmp_path / name)


def test_a_truncated_gzip_file_is_damaged(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(b'{"a": %d}\n' % n for n in range(5000)))[:-2000])
    with pytest.raises(IntegrityError, match="is damaged"):
        list(read_rows(path))
    with pytest.raises(IntegrityError, match="is damaged"):
        row_count(path)


def test_standard_input_needs_a_format(monkeypatch):
    with pytest.raises(InputError, match="--format jsonl"):
        read_rows(None)
    with pytest.raises(InputError, match="Parquet cannot be streamed"):
        read_rows(None, "parquet")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a,b\n1,2\n")))
    assert row_count(None, "csv") is None
    assert values(read_rows(None, "csv")) == [{"a": "1", "b": "2"}]


def test_csv_cells_may_hold_lines_quotes_and_nothing(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbfid,input,label\r\n1,"two\nlines, ""quoted""",\r\n\r\n2,plain,toxic\r\n')
    assert list(read_rows(path)) == [
        Row(number=2, values={"id": "1", "input": 'two\nlines, "quoted"'}),
        Row(number=5, values={"id": "2", "input": "plain", "label": "toxic"}),
    ]
    assert row_count(path) == 2


def test_csv_rows_of_another_width_or_encoding_are_malformed(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'id,input\n1\n2,a,b\n3,caf\xe9\n4,"a"b\n5,fine\n')
    rows = list(read_rows(path))
    assert values(rows[-1:]) == [{"id": "5", "input": "fine"}]
    assert reasons(rows) == {
        2: "1 cells where the header has 2 columns",
        3: "3 cells where the header has 2 columns",
        4: "not valid UTF-8",
        5: "not valid CSV (line 5): ',' expected after '\"'",
    }
    assert rows[2].raw == "3,caf\\xe9"


def test_a_csv_cell_of_a_megabyte_is_fine_and_an_over_long_one_is_not(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"id,input\n1,{'x' * 1_000_000}\n2,{'y' * MAX_LINE_BYTES}\n3,fine\n")
    first, second, third = read_rows(path)
    assert (len(first.values["input"]), third.values["input"]) == (1_000_000, "fine")
    assert (second.number, second.reason) == (3, "a line is longer than 33,554,432 characters")


def test_a_csv_quote_that_is_never_closed_refuses_the_file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,input\n1,fine\n2,"open\n3,swallowed\n4,swallowed\n')
    with pytest.raises(InputError, match=r"Line 3: a quote is opened and never closed"):
        list(read_rows(path))


def test_parquet_values_become_plain_ones(tmp_path):
    path = tmp_path / "a.parquet"
    when = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    columns = {
        "id": [1, 2],
        "input": ["a", None],
        "meta": [{"n": decimal.Decimal("2.50"), "day": when.date()}, None],
        "turns": [[{"role": "user", "content": "hi"}], []],
        "at": [when, None],
        "raw": [b"\x00\x01", None],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    assert row_count(path) == 2
    assert values(read_rows(path)) == [
        {
            "id": 1,
            "input": "a",
            "meta": {"n": 2.5, "day": "2026-01-02"},
            "turns": [{"role": "user", "content": "hi"}],
            "at": "2026-01-02T03:04:05+00:00",
            "raw": "AAE=",
        },
        {"id": 2, "input": None, "meta": None, "turns": [], "at": None, "raw": None},
    ]


def test_parquet_text_that_is_not_utf8_is_malformed(tmp_path):
    path = tmp_path / "a.parquet"
    text = pyarrow.array([b"fine", b"caf\xe9"], pyarrow.binary()).view(pyarrow.string())
    pyarrow.parquet.write_table(pyarrow.table({"input": text}), path)
    rows = list(read_rows(path))
    assert (values(rows[:1]), reasons(rows)) == ([{"input": "fine"}], {2: "not valid UTF-8"})


def test_a_damaged_parquet_page_is_refused_while_reading(tmp_path):
    path = tmp_path / "a.parquet"
    table = pyarrow.table({"input": [f"text {n}" for n in range(2000)]})
    pyarrow.parquet.write_table(table, path, use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[4:1500] = bytes(1496)
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged after row 0"):
        list(read_rows(path))


@pytest.mark.parametrize("count", [0, 1, 300])
def test_parquet_of_any_length(tmp_path, count):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"n": pyarrow.array(range(count), pyarrow.int64())}), path)
    assert [row.values["n"] for row in read_rows(path)] == list(range(count))
