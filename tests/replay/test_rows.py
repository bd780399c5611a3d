import gzip
import json
from pathlib import Path

import pytest

from service.replay import rows
from service.replay.errors import ReplayUsageError, UnreadableLogError
from service.replay.rows import BrokenRow, Row, check_columns, read_rows, value_at


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def values_in(path: Path) -> list[object]:
    return [row.values if isinstance(row, Row) else row.reason for row in read_rows(path)]


def test_quoted_fields_may_hold_lines_and_commas(tmp_path: Path) -> None:
    log = written(tmp_path / "log.csv", 'a,b\r\n"one\n\ntwo, ""x""",2\r\n')
    assert values_in(log) == [{"a": 'one\n\ntwo, "x"', "b": "2"}]


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz", "LOG.CSV"])
def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path, name: str) -> None:
    content = "\ufeffa,b\n1,2\n".encode()
    log = written(tmp_path / name, gzip.compress(content) if "gz" in name else content)
    assert values_in(log) == [{"a": "1", "b": "2"}]


def test_an_answer_may_be_longer_than_the_default_of_the_csv_module(tmp_path: Path) -> None:
    log = written(tmp_path / "log.csv", f"a\n{'x' * 200_000}\n")
    assert values_in(log) == [{"a": "x" * 200_000}]


def test_a_row_with_another_number_of_cells_is_broken_alone(tmp_path: Path) -> None:
    log = written(tmp_path / "log.csv", "a,b\n1,2\n1\n\n1,2,3\n3,4\n")
    reason = "another number of columns than the header"
    assert values_in(log) == [{"a": "1", "b": "2"}, reason, reason, {"a": "3", "b": "4"}]
    assert [row.number for row in read_rows(log)] == [0, 1, 2, 3]


@pytest.mark.parametrize("packed", [False, True])
def test_broken_json_lines_are_broken_alone(tmp_path: Path, packed: bool) -> None:
    deep = b"[" * 200_000
    content = b'\xef\xbb\xbf{"a": 1}\n\n{"a": \n[1]\n"x"\r\n' + deep + b'\n{"a": 2}'
    name = "log.jsonl.gz" if packed else "log.ndjson"
    log = written(tmp_path / name, gzip.compress(content) if packed else content)
    broken = ["broken JSON", "not a JSON object", "not a JSON object", "broken JSON"]
    assert values_in(log) == [{"a": 1}, *broken, {"a": 2}]


def test_a_line_without_end_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "LINE_CHARACTERS", 20)
    lines = json.dumps({"a": "x" * 100}) + "\n" + json.dumps({"a": "y"}) + "\n"
    log = written(tmp_path / "log.jsonl", lines)
    assert list(read_rows(log)) == [BrokenRow(0, "line too long"), Row(1, {"a": "y"})]


def test_a_field_without_end_costs_its_own_row_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "LINE_CHARACTERS", 20)
    log = written(tmp_path / "log.csv", f"a,b\n1,{'x' * 30}\n3,4\n")
    assert values_in(log) == ["not readable as CSV", {"a": "3", "b": "4"}]


def test_bytes_that_are_not_utf_8_reach_the_mapping_as_surrogates(tmp_path: Path) -> None:
    assert values_in(written(tmp_path / "log.csv", b"a\n\xff\n")) == [{"a": "\udcff"}]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("log.csv.gz", gzip.compress(b"a\n" * 5000, mtime=0)[:-9], "damaged"),
        ("log.csv", b"\x1f\x8bnot gzip", "damaged"),
        ("log.csv", "a\n1\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_a_log_that_cannot_be_read_says_why(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    with pytest.raises(UnreadableLogError, match=words):
        list(read_rows(written(tmp_path / name, content)))


def test_a_missing_log_and_an_unknown_kind_say_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableLogError, match="No such file"):
        list(read_rows(tmp_path / "absent.csv"))
    with pytest.raises(ReplayUsageError, match="neither CSV nor JSON lines"):
        list(read_rows(tmp_path / "log.parquet"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.b", "exactly"),
        ("c.d", 1),
        ("c.e.0.f", "deep"),
        ("c.e.7.f", rows.MISSING),
        ("c.x", rows.MISSING),
        ("n", None),
        ("n.x", rows.MISSING),
    ],
)
def test_dotted_paths_reach_into_nested_json(path: str, expected: object) -> None:
    row = {"a.b": "exactly", "a": {"b": 0}, "c": {"d": 1, "e": [{"f": "deep"}]}, "n": None}
    assert value_at(row, path) == expected


def test_an_unknown_column_is_named_with_the_closest_one(tmp_path: Path) -> None:
    log = written(tmp_path / "log.csv", "model,query\n")
    check_columns(log, {"model"})
    with pytest.raises(ReplayUsageError, match=r"'modle'\. Did you mean 'model'.*'query'"):
        check_columns(log, {"modle"})


def test_a_column_that_is_used_must_be_there_once(tmp_path: Path) -> None:
    log = written(tmp_path / "log.csv", "model,query,query\n")
    check_columns(log, {"model"})
    with pytest.raises(ReplayUsageError, match="2 times"):
        check_columns(log, {"query"})


def test_a_rare_key_of_json_lines_is_known_and_an_absent_one_is_not(tmp_path: Path) -> None:
    lines = ['{"response": {"text": "x"}}'] * 500 + ["{", '{"error": "late"}']
    log = written(tmp_path / "log.jsonl", "\n".join(lines))
    check_columns(log, {"response.text", "error"})
    with pytest.raises(ReplayUsageError, match=r"Did you mean 'response\.text'"):
        check_columns(log, {"response.txt"})
