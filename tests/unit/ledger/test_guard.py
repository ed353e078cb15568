"""What strangers wrote is inert in spreadsheets, wherever these cut a line, and readers have it back."""

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.guard import unguard
from ledger.row import RowEncoder
from tests.support.factories import item

ENCODER = RowEncoder(("ingested_at", "etag", "revision", "title", "exif", "description", "warnings"))
SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"
NASTY = st.text(st.sampled_from("a1,;|\t\"'" + SIGNS + " \xa0\u3000\ufeff\u202e\\{["), max_size=12)
# What a spreadsheet cuts at (Excel: the region's list separator; LibreOffice: what is ticked), and whether it heeds
# quotes at the start of what it takes for a cell. One that cuts at commas heeds them, or it could read no CSV.
CUTS = [(",", True), (";", True), ("\t", True), ("|", True), (",;\t", True), (",;\t|", True)]
CUTS += [(";", False), ("\t", False), ("|", False), (";\t|", False)]


def spreadsheet(line: str, separators: str, quotes: bool) -> list[str]:
    """Cut a line as a spreadsheet does: after a closing quote the rest of the cell is taken as it stands."""
    cells, at = [], 0
    while at <= len(line):
        cell = ""
        if quotes and line[at : at + 1] == '"':
            quoted = re.compile(r'"((?:[^"]|"")*)("|\Z)').match(line, at)
            assert quoted is not None
            cell, at = quoted[1].replace('""', '"'), quoted.end()
        rest = re.compile(f"[^{re.escape(separators)}]*").match(line, at)
        assert rest is not None
        cells.append(cell + rest[0])
        at = rest.end() + 1
    return cells


def is_run(cell: str) -> bool:
    """Say whether a spreadsheet may run a cell, if it skips whatever nobody sees."""
    return cell.strip(" \xa0\u3000\ufeff\u202e\t")[:1] in tuple(SIGNS)


@pytest.mark.parametrize(("separators", "quotes"), CUTS)
@given(title=NASTY, description=NASTY, tag=NASTY, name=NASTY)
def test_no_cell_is_run_wherever_a_spreadsheet_cuts(
    separators: str, quotes: bool, title: str, description: str, tag: str, name: str
) -> None:
    """Texts and JSON alike: a sign that starts a cell, of ours or of the spreadsheet's making, is behind a quote."""
    document = json.dumps({name: tag, "b": [tag, {"c": name}]}, ensure_ascii=False)
    texts = {"title": title, "description": description, "exif": document, "warnings": json.dumps([tag])}
    line = ENCODER.line(item(1, **{column: {"S": text} for column, text in texts.items()})).decode()
    for cell in spreadsheet(line.rstrip("\n"), separators, quotes):
        assert not is_run(cell), (line, cell)


def test_the_model_of_a_spreadsheet_runs_what_nobody_guarded() -> None:
    """Otherwise the rule above would hold for any encoder."""
    for line in ('a,"x;=1+1;y"', 'a,x;""=1', "a,x;\xa0+1", 'a,"{""k"":"";=1""}"'):
        assert any(is_run(cell) for cell in spreadsheet(line, ";", quotes=True)), line
    assert not any(is_run(cell) for cell in spreadsheet('a,"x;=1+1;y"', ",;\t", quotes=True))


@given(NASTY, NASTY)
def test_readers_have_back_what_was_written(text: str, tag: str) -> None:
    """A text without its guard is the text; a JSON column says the same to any reader of JSON."""
    document = {tag: [text, tag]}
    one = item(1, title={"S": text}, exif={"S": json.dumps(document, ensure_ascii=False)})
    (row,) = csv.reader(io.StringIO(ENCODER.line(one).decode(), newline=""), strict=True)
    assert unguard(row[3]) == text
    assert json.loads(row[4]) == document


def test_json_is_escaped_only_where_a_cell_would_be_run() -> None:
    """The JSON columns pass through untouched otherwise."""
    text = json.dumps({"a": "x;=1", "b": "x; -1|\uff0b2", "c": "x;y|z; w", "d": r"\;=1"}, ensure_ascii=False)
    line = ENCODER.line(item(1, exif={"S": text})).decode()
    (row,) = csv.reader(io.StringIO(line, newline=""), strict=True)
    assert row[4] == ('{"a": "x\\u003b=1", "b": "x\\u003b -1\\u007c\uff0b2", "c": "x;y|z; w", "d": "\\\\\\u003b=1"}')


@pytest.mark.parametrize("text", ["'" * 100_000 + "x", ";" * 100_000, (";" + " " * 99) * 1000, '";' * 50_000])
def test_no_text_holds_a_commit_up(text: str) -> None:
    """The rules read a text once, whatever it is (a cell is at most a table item of 400 KB)."""
    one = item(1, title={"S": text}, exif={"S": json.dumps([text])})
    (row,) = csv.reader(io.StringIO(ENCODER.line(one).decode(), newline=""), strict=True)
    assert unguard(row[3]) == text
