"""The comparison with ExifTool: nothing is left out of it without a reason."""

import json

import pytest

from infra.benchmarks import agreement
from infra.benchmarks._gold import GOLD, Gold, exif_tags, xmp_properties, xmp_tags
from infra.benchmarks._gold_values import with_makers
from infra.doubles.image_files import MAKE, ascii_value, exif_segment, jpeg, packet, tiff, xmp_segment
from ledger.columns import NAMES
from tests.support.paths import PHOTOS


def test_every_column_is_compared_or_says_why_exiftool_has_no_tag_for_it():
    """A new column has to be added to the comparison."""
    assert set(GOLD) == set(NAMES)
    assert [name for name, gold in GOLD.items() if bool(gold.value) == (not gold.tags and bool(gold.reason))] == []


@pytest.mark.parametrize(
    ("kind", "ours", "theirs", "same"),
    [
        ("number", "0.0666666667", "0.06666666667", True),
        ("number", "0.0666666", "0.06666666667", False),
        ("number", "-0.5", "-0.50", True),
        ("number", "96", "96.4", False),
        ("number", "100", "100", True),
        ("number", "10.5", "21/2", True),
        ("text", "Grüne Brücke", "Gr?ne Br?cke", True),
        ("text", "a  b\nc", "a b c", True),
        ("text", "4.10", "4.1", True),
        ("text", "Normal program", "Manual", False),
        ("words", ["a", "b"], ["a", "b"], True),
        ("words", ["a"], ["a", "b"], False),
        ("moment", "2024-05-06T07:08:09.120+02:00", "2024-05-06T07:08:09.12+02:00", True),
        ("moment", "2024-05-06T07:08:09Z", "2024-05-06T07:08:09+00:00", True),
        ("moment", "2024-05-06T07:08:09", "2024-05-06T07:08:09+02:00", False),
    ],
)
def test_values_are_the_same_to_the_precision_that_exiftool_wrote(kind, ours, theirs, same):
    """Two notations of one value agree; two values do not, however close."""
    assert agreement.agrees(Gold(kind), ours, theirs) is same


def test_a_32_bit_float_agrees_with_the_shortest_decimal_that_it_is():
    """ExifTool prints DJI's floats to 15 digits, of which seven mean something."""
    gold = Gold("number", tags=("DJI:Pitch",))
    assert agreement.agrees(gold, "3.3", "3.29999995231628")
    assert not agreement.agrees(gold, "3.3001", "3.29999995231628")


def test_pictures_cut_out_of_the_file_and_languages_count_as_no_tags():
    """The counts of tags compare what both sides call a tag."""
    assert exif_tags({"IFD0:Make": "DJI", "IFD1:ThumbnailImage": "(Binary)", "DJI:SpeedX": 1, "XMP-dc:Title": "a"}) == 1
    assert xmp_tags({"XMP-dc:Title": "a", "XMP-dc:Title-de-DE": "b", "XMP-x:XMPToolkit": "c", "IFD0:Make": "d"}) == 2


def test_a_qualifier_counts_as_a_tag_of_its_own_on_both_sides():
    """ExifTool flattens it; our document has it beside the value."""
    scheme = {"rdf:value": "id", "xmpidq:Scheme": "s"}
    assert xmp_properties({"xmp:Identifier": [scheme, scheme], "dc:rights": {"rdf:value": "a", "xml:lang": "de"}}) == 3


@pytest.mark.parametrize(
    ("tags", "value"),
    [
        ({"XMP-drone-dji:GimbalYawDegree": "1"}, "1"),
        ({"XMP-DJI:GimbalYawDegree": "1"}, "1"),
        ({"XMP-whatever:GimbalYawDegree": "1", "XMP-drone-dji:GimbalYawDegree": "2"}, "2"),
        ({"XMP-exif:GimbalYawDegree": "1"}, None),
        ({"XMP-acme:GimbalYawDegree": "1"}, None),
    ],
)
def test_a_makers_property_counts_under_whatever_prefix_the_file_uses(tags, value):
    """ExifTool's group is the file's prefix: one that we do not know had no gold, and no difference."""
    gold = GOLD["gimbal_yaw_deg"].value
    assert gold is not None
    assert gold(with_makers(tags)) == value


def test_fewer_tags_than_exiftool_has_are_missing_though_another_file_has_more(tmp_path, capsys):
    """The sum over all files hid a packet that was lost."""
    (tmp_path / "expected").mkdir()
    rich = jpeg(xmp_segment(packet('dc:format="a" dc:source="b"')), exif_segment(tiff({MAKE: ascii_value("DJI")})))
    for name, gold in (
        ("a", {"XMP-dc:Format": "a"}),
        ("b", {"XMP-dc:A": 1, "XMP-dc:B": 2, "XMP-dc:C": 3, "IFD1:D": 4, "IFD1:E": 5}),
    ):
        (tmp_path / f"{name}.jpg").write_bytes(rich)
        (tmp_path / "expected" / f"{name}.jpg.json").write_text(json.dumps({"numeric": gold}))
    agreement.main([str(tmp_path), "--show"])
    *shown, last = capsys.readouterr().out.splitlines()
    assert json.loads(last)["missing"] == 2
    assert {"b.jpg: xmp: fewer tags: ours 2, ExifTool 3", "b.jpg: exif: fewer tags: ours 1, ExifTool 2"} <= {*shown}


def test_a_difference_and_a_missing_value_are_counted_and_named(tmp_path, capsys):
    """The last line is one JSON object; --show names the file and the column. Missing are a column and a tag."""
    (tmp_path / "expected").mkdir()
    (tmp_path / "a.jpg").write_bytes(jpeg(exif_segment(tiff({MAKE: ascii_value("DJI")}))))
    gold = {"IFD0:Make": "Parrot", "IFD0:Model": "Anafi", "File:ImageWidth": 8, "Composite:ImageSize": "8 6"}
    (tmp_path / "expected" / "a.jpg.json").write_text(json.dumps({"numeric": gold}))
    agreement.main([str(tmp_path), "--show"])
    *shown, last = capsys.readouterr().out.splitlines()
    assert json.loads(last).items() >= {"files": 1, "compared": 3, "agree": 2, "differ": 1, "missing": 2}.items()
    assert "a.jpg: make: differs: ours 'DJI', ExifTool 'Parrot'" in shown
    assert "a.jpg: model: missing: ours None, ExifTool 'Anafi'" in shown


@pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"the photo collection is not at {PHOTOS}")
def test_the_photo_collection_agrees(capsys):
    """At least 99.8 % of the compared values agree, and nothing that ExifTool reads is missing."""
    agreement.main([str(PHOTOS)])
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["files"] >= 90
    assert result["agree"] >= 0.998 * result["compared"] > 1000
    assert result["missing"] == 0
    assert result["exif_tags"] >= result["exiftool_exif_tags"]
    assert result["xmp_tags"] >= result["exiftool_xmp_tags"]
