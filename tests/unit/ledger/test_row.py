"""Table item to line: one line, RFC 4180, typed, guarded."""

import csv
import io
import json
import random
import re
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.change import changes_of
from ledger.columns import COLUMNS, NAMES
from ledger.errors import BadEvent
from ledger.event import read_event
from ledger.guard import unescape, unguard
from ledger.row import ETAG, RowEncoder, header, item_key, key_of, revision_of
from tests.support.factories import Item, insert, item

ENCODER = RowEncoder(NAMES)
TEXTS = [column.name for column in COLUMNS if column.type == "text" and column.name != "etag"]
# Characters that are special to CSV, to spreadsheets or to readers, and any other.
NASTY = st.text(
    st.sampled_from("\u241bnr0ea1,\"'=+-@\t\r\n\0 ;|é測😀\x85\u2028\uff1d\uff0b\uff0d\uff20\u3000\ufeff")
    | st.characters(exclude_categories=["Cs"])
)


def cells(one: Item, encoder: RowEncoder = ENCODER) -> dict[str, str]:
    """Read a line back with a CSV reader of its own."""
    text = encoder.line(one).decode()
    (row,) = csv.reader(io.StringIO(text, newline=""), strict=True)
    return dict(zip(encoder.columns, row, strict=True))


def cleaned(text: str) -> str:
    """What the docs promise of a text cell: no NUL, a space for each line break."""
    return re.sub("\r\n|\r|\n", " ", text.replace("\0", ""))


def meant(name: str, cell: str) -> str:
    """What a cell says: without its guard, and the key with its line breaks."""
    return unescape(unguard(cell)) if name == "key" else unguard(cell)


@given(st.dictionaries(st.sampled_from(TEXTS), NASTY))
@example({"key": "a\nb\u241bn", "title": "a\nb"})
def test_every_text_comes_back_from_one_line(texts: dict[str, str]) -> None:
    """RFC 4180: whatever the texts, one item is one line, and a CSV reader gets every text back."""
    one = item(1, **{name: {"S": text} for name, text in texts.items()})
    line = ENCODER.line(one)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert b"\r" not in line
    assert b"\0" not in line
    read = cells(one)
    assert {name: meant(name, read[name]) for name in texts} == {
        name: text if name == "key" else cleaned(text) for name, text in texts.items()
    }


@given(st.text(st.sampled_from("a'\"=+-@;|\uff1d\uff20\t\r\n\0 \xa0"), max_size=8))
def test_no_text_cell_is_a_formula_and_the_guard_comes_off(text: str) -> None:
    """C5: a cell never starts (after blanks) as a formula, and taking the guard off gives the text back."""
    cell = cells(item(1, description={"S": text}))["description"]
    assert not re.match(r"\s*[=+\-@\uff1d\uff20]|\t|\r", cell)
    assert unguard(cell) == cleaned(text)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+31 20", "'+31 20"),
        ("-", "'-"),
        ("@x", "'@x"),
        ("\t=1", "'\t'=1"),
        ("\tx", "'\tx"),
        ('=HYPERLINK("http://x")', '\'=HYPERLINK("http://x")'),
        ("'=1", "''=1"),
        ("'quoted'", "'quoted'"),
        ("\0=1+1", "'=1+1"),
        ("\r\n=1+1", "' =1+1"),
        (" -5 °C", "' -5 °C"),
        ("x;=1+1;y", "x;'=1+1;y"),
        ("x; \xa0+1", "x;' \xa0+1"),
        ("x\t-1|@y", "x\t'-1|'@y"),
        ('x;"=1', "x;'\"=1"),
        ("x|=1", "x|'=1"),
        ("x;'=1", "x;''=1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("x;\uff20y", "x;'\uff20y"),
        ("\ufeff\u3000\uff0d1", "'\ufeff\u3000\uff0d1"),
        ("a=b; c - d", "a=b; c - d"),
        ("Brücke 測量 😀", "Brücke 測量 😀"),
        ("", ""),
    ],
)
def test_a_text_that_a_spreadsheet_would_run_is_guarded(text: str, cell: str) -> None:
    """C5, C6: a quote goes before what would run, also where it is bared by what the encoder itself takes away."""
    assert cells(item(1, description={"S": text}))["description"] == cell


@pytest.mark.parametrize(
    ("key", "cell"),
    [
        ("a/b 100%.jpg", "a/b 100%.jpg"),
        (r"a\n", r"a\n"),
        ("a\nb", "a\u241bnb"),
        ("a b", "a b"),
        ("a\r\nb", "a\u241br\u241bnb"),
        ("\0\n=1", "\u241b0\u241bn=1"),
        ("a\u241b", "a\u241be"),
        ("\u241bn", "\u241ben"),
        ("=\n", "'=\u241bn"),
    ],
)
def test_a_key_is_told_from_every_other_key(key: str, cell: str) -> None:
    """S3b: what other texts fold to a blank or lose is escaped; a usual key stays as it is."""
    assert cells(item(1, key={"S": key}))["key"] == cell
    assert meant("key", cell) == key


def test_numbers_are_never_guarded() -> None:
    """C5: longitude -74.04 and gimbal pitch -44.50 stay numbers."""
    read = cells(item(1, gps_longitude_deg={"N": "-74.04"}, gimbal_pitch_deg={"N": "-44.50"}))
    assert (read["gps_longitude_deg"], read["gimbal_pitch_deg"]) == ("-74.04", "-44.50")


@pytest.mark.parametrize(
    ("column", "stored", "cell"),
    [
        ("size_bytes", "3804086584686624768", "3804086584686624768"),
        ("f_number", "0.1234567890123456789012345678901234567", "0.1234567890123456789012345678901234567"),
        ("f_number", "1E+100", "1" + "0" * 100 + ".0"),
        ("size_bytes", "1.2E+3", "1200"),
        ("size_bytes", str(2**63 - 1), str(2**63 - 1)),
        ("rating", str(-(2**63)), str(-(2**63))),
        ("f_number", "2.5E-7", "0.00000025"),
        ("size_bytes", "-0", "0"),
        ("f_number", "-0", "0.0"),
        ("f_number", "-0.00", "0.00"),
        ("f_number", "1.10", "1.10"),
        ("f_number", "8", "8.0"),
        ("f_number", "-8", "-8.0"),
        ("size_bytes", "0", "0"),
        ("f_number", "9.9E+125", "99" + "0" * 124 + ".0"),
    ],
)
def test_a_number_keeps_its_digits(column: str, stored: str, cell: str) -> None:
    """X8, C2: digits as stored, exponents expanded, no minus zero; decimals always with a point, integers without."""
    assert cells(item(1, **{column: {"N": stored}}))[column] == cell


@pytest.mark.parametrize(
    "attributes",
    [
        {"revision": {"N": "1.0"}},
        {"revision": {"N": "-1"}},
        {"revision": {"N": "²"}},
        {"revision": {"S": "1"}},
        {"revision": {}},
        {"revision": {"N": "9" * 129}},
        {"revision": {"N": str(2**63)}},
        {"ingested_at": {"S": "2026-02-31T03:09:00.123456Z"}},
        {"ingested_at": {"S": "2026-11-25T24:00:00.000000Z"}},
        {"ingested_at": {"S": "1677-12-31T23:59:59.999999Z"}},
        {"ingested_at": {"S": "2262-01-01T00:00:00.000000Z"}},
        {"ingested_at": {"S": "2026-11-25T03:09:00Z"}},
        {"ingested_at": {"S": "2026-11-25T03:09:00.123456+"}},
        {"ingested_at": {"S": "٢٠٢٦-11-25T03:09:00.123456Z"}},
        {"ingested_at": {"N": "1"}},
        {"etag": {"S": ""}},
        {"etag": {"S": '"quoted"'}},
        {"etag": {"S": "a,b"}},
        {"etag": {"S": "a\n"}},
        {"etag": {"S": "=1"}},
        {"etag": {"S": "é"}},
        {"etag": {"S": "a" * 257}},
    ],
)
def test_an_item_without_key_or_revision_is_a_bad_event(attributes: dict[str, dict[str, Any]]) -> None:
    """It has no place among the rows, and says why."""
    with pytest.raises(BadEvent, match=r"\w"):
        ENCODER.line(item(1) | attributes)


def deep(levels: int) -> str:
    return '{"a":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


UNUSABLE: list[tuple[str, Any, str]] = [
    ("f_number", {"S": "2.8"}, "of type S, not decimal"),
    ("size_bytes", {"S": "1"}, "of type S, not integer"),
    ("make", {"N": "7"}, "of type N, not text"),
    ("make", {"BOOL": True}, "of type BOOL, not text"),
    ("make", {"B": "AA=="}, "of type B, not text"),
    ("key", {"SS": ["a"]}, "of type SS, not text"),
    ("exif", {"M": {}}, "of type M, not json"),
    ("keywords", {"L": []}, "of type L, not json"),
    ("last_modified", {"N": "1700000000"}, "of type N, not timestamp"),
    ("make", {"X\x1b[1m": "=1"}, "of type unknown, not text"),
    ("make", {"S": 5}, "of type S, not text"),
    ("iso", {"N": 3}, "of type N, not integer"),
    ("make", "DJI", "not an attribute of DynamoDB"),
    ("iso", {"N": "1.5"}, "not a whole number"),
    ("iso", {"N": "1E-1"}, "not a whole number"),
    ("iso", {"N": "many"}, "not a number"),
    ("iso", {"N": ""}, "not a number"),
    ("iso", {"N": "٣"}, "not a number"),
    ("iso", {"N": "1_000"}, "not a number"),
    ("iso", {"N": "1.2.3"}, "not a number"),
    ("size_bytes", {"N": str(2**63)}, "more than 64 bits"),
    ("size_bytes", {"N": str(-(2**63) - 1)}, "more than 64 bits"),
    ("rating", {"N": "1E+125"}, "more than 64 bits"),
    ("rating", {"N": "9" * 400_000}, "not a number that DynamoDB keeps"),
    ("f_number", {"N": "1.0,2.0"}, "not a number"),
    ("f_number", {"N": "NaN"}, "not a number"),
    ("f_number", {"N": "Infinity"}, "not a number"),
    ("f_number", {"N": "1E+126"}, "not a number that DynamoDB keeps"),
    ("f_number", {"N": "1" * 127}, "not a number that DynamoDB keeps"),
    ("f_number", {"N": "1" * 127 + ".5"}, "not a number that DynamoDB keeps"),
    ("f_number", {"N": "0." + "1" * 169}, "not a number that DynamoDB keeps"),
    ("f_number", {"N": "1E-131"}, "not a number that DynamoDB keeps"),
    ("f_number", {"N": "1E+999999999"}, "not a number that DynamoDB keeps"),
    ("captured_at", {"S": "yesterday"}, "not a time"),
    ("captured_at", {"S": "=2024-01-01T00:00:00"}, "not a time"),
    ("captured_at", {"S": "2023-02-29T00:00:00"}, "not a time"),
    ("captured_at", {"S": "2024-01-01T24:00:00"}, "not a time"),
    ("captured_at", {"S": "2024-01-01T00:00:60"}, "not a time"),
    ("captured_at", {"S": "2024-01-01T00:00:00+15:00"}, "not a time"),
    ("captured_at", {"S": "2024-01-01T00:00:00.1234567"}, "not a time"),
    ("captured_at", {"S": "2024-01-01T00:00:00,2024-01-01T00:00:00"}, "not a time"),
    ("captured_at", {"S": "1677-12-31T00:00:00"}, "not a time"),
    ("captured_at", {"S": "2262-01-01T00:00:00"}, "not a time"),
    ("last_modified", {"S": "2026-11-25T07:59:59+01:00"}, "not a time in UTC"),
    ("gps_datetime", {"S": "2026-11-25T07:59:59"}, "not a time in UTC"),
    ("make", {"S": "\ud800"}, "not valid Unicode"),
    ("key", {"S": "\udfff"}, "not valid Unicode"),
    ("exif", {"S": '{"a":"\udfff"}'}, "not JSON"),
    ("exif", {"S": r'{"a":"\ud800"}'}, "not JSON"),
    ("exif", {"S": '{"a":"\0"}'}, "not JSON"),
    ("exif", {"S": '{"a":NaN}'}, "not JSON"),
    ("exif", {"S": '{"a":1e999}'}, "not JSON"),
    ("exif", {"S": "=1+1"}, "not JSON"),
    ("exif", {"S": "{}{}"}, "not JSON"),
    ("exif", {"S": '["a"]'}, "not a JSON object"),
    ("xmp", {"S": deep(501)}, "JSON of more than 500 levels"),
    ("keywords", {"S": '{"a":1}'}, "not a JSON array of text"),
    ("keywords", {"S": '["a",1]'}, "not a JSON array of text"),
    ("warnings", {"S": "oh"}, "not JSON"),
    ("warnings", {"S": '"oh"'}, "not a JSON array of text"),
]


@pytest.mark.parametrize(("name", "value", "reason"), UNUSABLE)
def test_a_value_of_another_kind_costs_its_cell_and_the_warnings_say_why(name: str, value: Any, reason: str) -> None:
    """X6b: never the row, and never a cell that looks right; beside a plain neighbour of its type and alone."""
    neighbours = {"exposure_time_s": {"N": "1.5"}, "copies": {"N": "1"}, "model": {"S": "M3E"}, "xmp": {"S": "{}"}}
    for beside in ({}, neighbours):
        encoder = RowEncoder(NAMES)
        read = cells(item(1) | beside | {name: value}, encoder)
        assert json.loads(read["warnings"]) == [f"{name}: {reason}"]
        whole = cells(item(1) | beside | {name: {"NULL": True}})
        assert {**read, "warnings": ""} == whole
        assert encoder.unusable == {name: 1}


def test_what_the_item_says_stands_before_what_is_left_out_in_the_order_of_the_columns() -> None:
    """Whatever the order of the attributes; a ledger without the column `warnings` has just the empty cells."""
    said = {
        "warnings": {"S": '["iso: too large", "\\u003b=1"]'},
        "rating": {"S": "5"},
        "make": {"L": []},
        "iso": {"B": ""},
    }
    reasons = ["make: of type L, not text", "iso: of type B, not integer", "rating: of type S, not integer"]
    one = item(1) | said
    assert json.loads(cells(one)["warnings"]) == ["iso: too large", ";=1", *reasons]
    assert ENCODER.line(dict(reversed(one.items()))) == ENCODER.line(one)
    without = RowEncoder([name for name in NAMES if name != "warnings"])
    assert without.line(one) == without.line({name: value for name, value in one.items() if name not in said})
    assert cells(item(1, exif={"S": deep(500)}))["warnings"] == ""


def test_absent_null_and_empty_are_empty_cells_and_zero_is_zero() -> None:
    """Empty means unknown; zero means zero."""
    read = cells(item(1, make={"NULL": True}, model={"S": ""}, exif={"S": ""}, iso={"N": "0"}))
    assert (read["make"], read["model"], read["exif"], read["f_number"], read["iso"]) == ("", "", "", "", "0")


def test_attributes_that_are_no_columns_are_ignored() -> None:
    """An item may carry internal attributes, of any type."""
    with_internal = item(1, newest_object={"S": "photos/x"}, lists={"L": [{"S": "a"}]}, old_flag={"BOOL": False})
    assert ENCODER.line(with_internal) == ENCODER.line(item(1))


def test_json_columns_pass_through_untouched() -> None:
    """A JSON document keeps every character but line breaks between its tokens, and its value whatever it holds."""
    document = {"a": 'say "x", y', "b": "line\nbreak", "c": [1.10, None], "=d": "=1+1"}
    text = json.dumps(document, indent=2)
    cell = cells(item(1, exif={"S": text}))["exif"]
    assert cell == text.replace("\n", " ")
    assert json.loads(cell) == document


@given(st.randoms(use_true_random=False), st.booleans())
def test_neither_attribute_order_nor_white_space_changes_a_line(chance: random.Random, indent: bool) -> None:
    """One encoder for live path, replay and backfill: an event's line depends on its values alone."""
    one = insert(7, make={"S": "DJI"}, f_number={"N": "2.8"}, exif={"S": '{"Make":"DJI"}'}, internal={"N": "1"})
    image = list(one["dynamodb"]["NewImage"].items())
    chance.shuffle(image)
    shuffled = one | {"dynamodb": one["dynamodb"] | {"NewImage": dict(image)}}
    text = json.dumps(shuffled, indent=4 if indent else None)
    assert changes_of(read_event(orjson.loads(text)), ENCODER) == changes_of(read_event(one), ENCODER)


@given(st.integers(0, 10**6), st.integers(0, 2**63 - 1), st.from_regex(ETAG, fullmatch=True))
@example(0, 2**63 - 1, "a")
def test_key_and_revision_are_read_from_a_line_without_parsing_it(number: int, revision: int, etag: str) -> None:
    """The first three fields are never quoted and say where the row stands."""
    one = item(number, revision, etag={"S": etag}, description={"S": ',"1"'})
    line = ENCODER.line(one)
    assert key_of(line) == item_key(one) == f"{one['ingested_at']['S']},{etag}".encode()
    assert revision_of(line) == revision


@given(st.lists(st.tuples(st.integers(0, 3), st.text("09Aaz-./:;=_", max_size=3).map("a".__add__)), unique=True))
def test_lines_sort_as_their_keys_do(keys: list[tuple[int, str]]) -> None:
    """No ETag has a character before the comma: so a line can be compared with a key as it stands."""
    items = [item(number, etag={"S": etag}) for number, etag in keys]
    by_key = [ENCODER.line(one) for one in sorted(items, key=item_key)]
    assert by_key == sorted(ENCODER.line(one) for one in items)


def test_the_header_is_quoted_and_every_row_is_as_wide() -> None:
    """X5, C2: one fixed schema; the header's quotes tell readers that sniff of quotes at once."""
    first_line = header(NAMES).decode()
    assert first_line == ",".join(f'"{name}"' for name in NAMES) + "\n"
    assert len(cells(item(1))) == len(NAMES)
    assert list(NAMES[:3]) == ["ingested_at", "etag", "revision"]


def test_a_list_of_columns_from_another_time_is_honoured() -> None:
    """A name that this code does not know is written by the type that the item gives it; one that it lacks is left."""
    encoder = RowEncoder(("ingested_at", "etag", "revision", "make", "from_the_future", "also_new"))
    read = cells(item(1, make={"S": "DJI"}, from_the_future={"N": "-0.50"}, also_new={"S": "=x"}), encoder)
    assert read["from_the_future"] == "-0.50"
    assert read["also_new"] == "'=x"
    assert list(read) == list(encoder.columns)
    assert cells(item(1, also_new={"L": []}), encoder)["also_new"] == ""


def test_a_name_of_a_column_stays_one_name() -> None:
    """The manifest may name what no code of ours does: quotes in it are doubled, as in any cell."""
    names = ("ingested_at", "etag", "revision", 'a","b', "c\nd")
    (read,) = csv.reader(io.StringIO(header(names).decode(), newline=""), strict=True)
    assert tuple(read) == names


def test_columns_without_the_key_in_front_are_refused() -> None:
    """The merge reads key and revision from the first three fields."""
    with pytest.raises(ValueError, match="must start with"):
        RowEncoder(("etag", "ingested_at", "revision"))
