"""Packets that are not well-formed: a flaw costs what it touches, the row says so, and nothing hostile comes of it."""

import pytest

from image_processor import FileSource, extract
from image_processor.budget import LIMITS, NAMES, NODES, PIECES, TEXT, VALUE, Budget
from image_processor.tags import xmp
from image_processor.tags.xml_builder import MAX_DEPTH
from image_processor.tags.xml_tree import MAX_UNDECLARED
from tests.support.image_rows import cells, photo, values_of
from tests.support.paths import FIELD_INPUTS

DJI = 'xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/"'
DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
VALUES = {
    "drone-dji:AbsoluteAltitude": "-29.44",
    "drone-dji:RelativeAltitude": "+37.70",
    "drone-dji:GimbalYawDegree": "+91.30",
}
ATTRIBUTES = " ".join(f'{name}="{value}"' for name, value in VALUES.items())
ELEMENTS = "".join(f"<{name}>{value}</{name}>" for name, value in VALUES.items())


def packet(attributes: str = "", body: str = "", declared: str = f"{DJI} {DC}") -> bytes:
    """One packet with its wrapper; a character below U+0100 that UTF-8 would write otherwise stays one byte."""
    return (
        f'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {declared} {attributes}>{body}</rdf:Description>'
        f'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode("latin-1")


def read(*packets: bytes, budget: Budget | None = None) -> xmp.Document:
    return xmp.read([*packets], budget or Budget())


def salvaged(data: bytes) -> dict[str, xmp.Value]:
    """The properties of a packet that was salvaged."""
    document = read(data)
    assert document.packets == 1
    assert document.warnings[0].startswith("xmp: salvaged: ")
    return document.properties


FLAWS = {
    "a namespace twice": (packet(ATTRIBUTES, declared=f"{DJI} {DJI}"), {}),
    "an attribute twice": (packet(f'{ATTRIBUTES} drone-dji:GimbalYawDegree="+12.00"'), {}),
    "an attribute twice by two prefixes": (
        packet(f'{ATTRIBUTES} d:GimbalYawDegree="+12.00"', declared=f"{DJI} {DJI.replace('drone-dji=', 'd=')}"),
        {},
    ),
    "a bare ampersand": (packet(ATTRIBUTES, "<dc:source>Smith & Sons</dc:source>"), {"dc:source": "Smith & Sons"}),
    "a bare ampersand in an attribute": (
        packet(f'dc:source="R&D; &amp; &lt;Sons&gt;" {ATTRIBUTES}'),
        {"dc:source": "R&D; & <Sons>"},
    ),
    "an entity of HTML": (
        packet(ATTRIBUTES, "<dc:source>a&nbsp;b&#x20AC;&#0;&#xD800;&#1114112;&#1;</dc:source>"),
        {"dc:source": "a&nbsp;b€ &#xD800;&#1114112; "},
    ),
    "a byte that is not UTF-8": (packet(ATTRIBUTES, "<dc:source>Brücke</dc:source>"), {"dc:source": "Brücke"}),
    "such a byte in the wrapper": (packet(ATTRIBUTES).replace(b'begin=""', b'begin="\xff"'), {}),
    "such a byte in a name": (packet(f'dc:gr\xf6\xdfe="1" {ATTRIBUTES}'), {"dc:größe": "1"}),
    "a slash in a name": (
        packet(ATTRIBUTES, "<dc:TIFF/EPStandardID>1</dc:TIFF/EPStandardID>"),
        {"dc:TIFF/EPStandardID": "1"},
    ),
    "a digit that begins a name": (
        packet(f'dc:source="b" {ATTRIBUTES}', "<dc:3D/><3D>x</3D>"),
        {"dc:source": "b", "dc:3D": ""},
    ),
    "a control character": (packet(ATTRIBUTES, "<dc:source>\x01a\x02b</dc:source>"), {"dc:source": " a b"}),
    "a less-than sign in a text": (packet(ATTRIBUTES, "<dc:source>5 < 6</dc:source>"), {"dc:source": "5 < 6"}),
    "a less-than sign in an attribute": (packet(f'dc:source="a<b> c" {ATTRIBUTES}'), {"dc:source": "a<b> c"}),
    "no quotes": (packet(f"dc:source=b {ATTRIBUTES}"), {}),
    "a quote too few": (packet(f'dc:source="b {ATTRIBUTES}'), {}),
    "a quote too many": (packet(f'dc:source="b"" {ATTRIBUTES}'), {}),
    "an attribute without value": (packet(f"dc:source {ATTRIBUTES} dc:format"), {}),
    "no blank between attributes": (packet(f'dc:source="b"{ATTRIBUTES}'), {"dc:source": "b"}),
    "an end that is missing": (packet(body=ELEMENTS).replace(b"</rdf:RDF>", b""), {}),
    "an end too many": (packet(body=f"</dc:source></rdf:Bag></>{ELEMENTS}"), {}),
    "ends in the wrong order": (
        packet(body=f"<dc:source><rdf:Bag><rdf:li>a</rdf:Bag></rdf:li></dc:source>{ELEMENTS}"),
        {"dc:source": ["a"]},
    ),
    "the wrapper's end cut off": (packet(body=ELEMENTS).partition(b"</rdf:Desc")[0], {}),
    "cut off within the next value": (packet(body=f"{ELEMENTS}<dc:source>Han").partition(b"</rdf:Desc")[0], {}),
    "cut off within an attribute": (packet(f'{ATTRIBUTES} dc:source="Han').partition(b"></rdf:Desc")[0], {}),
    "cut off within a list": (
        packet(body=f"{ELEMENTS}<dc:source><rdf:Seq><rdf:li>a</rdf:li><rdf:li>Han").partition(b"</rdf:Desc")[0],
        {"dc:source": ["a"]},
    ),
    "a comment that does not end": (packet(body=f"{ELEMENTS}<!-- <dc:source>b</dc:source>"), {}),
    "an instruction that does not end": (packet(ATTRIBUTES).replace(b'9d"?>', b'9d">'), {}),
    "such an instruction within a value": (
        packet(ATTRIBUTES, "<dc:source><?a>b</dc:source>"),
        {"dc:source": "b"},
    ),
    "a less-than sign before an attribute": (packet(f"<{ATTRIBUTES}"), {}),
    "lines in an attribute and in a text beside a flaw": (
        packet(f'{ATTRIBUTES} dc:source="a\r\n\tb&#10;"', "<dc:x>a\r\n\tb&&#13;</dc:x>"),
        {"dc:source": "a  b\n", "dc:x": "a\n\tb&\r"},
    ),
    "a CDATA section beside a flaw": (
        packet(ATTRIBUTES, "<dc:source><![CDATA[<dc:title>&amp;</dc:title>]]></dc:source><dc:x>&</dc:x>"),
        {"dc:source": "<dc:title>&amp;</dc:title>", "dc:x": "&"},
    ),
    "tags in a comment beside a flaw": (packet(ATTRIBUTES, "<!-- <dc:source>b</dc:source> --></dc:x>"), {}),
    "a prefix that nobody declared beside a flaw": (packet(f"{ATTRIBUTES} x", declared=DC), {}),
}


@pytest.mark.parametrize("name", FLAWS)
def test_a_flaw_costs_what_it_touches_and_not_the_packet(name):
    """N1: the three values of a drone are there in each, and what else could be read; ExifTool reads most of them."""
    data, others = FLAWS[name]
    assert salvaged(data) == VALUES | others


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (FLAWS["a namespace twice"][0], "not well-formed (duplicate attribute)"),
        (FLAWS["an end that is missing"][0], "not well-formed (mismatched tag)"),
        (FLAWS["a byte that is not UTF-8"][0], "invalid UTF-8"),
        (packet(ATTRIBUTES).decode().encode("utf-16-le").replace(b"W\x005", b"\0\xd85"), "invalid UTF-16"),
    ],
)
def test_the_row_says_that_it_was_salvaged_and_why(data, why):
    """And the columns have their values."""
    row = cells(photo(xmp=data))
    assert row["warnings"] == [f"xmp: salvaged: {why}"]
    names = ("absolute_altitude_m", "relative_altitude_m", "gimbal_yaw_deg")
    assert [row[name] for name in names] == ["-29.44", "37.7", "91.3"]


def test_a_value_that_was_cut_off_is_none():
    """`+91` of `+91.30` would be another angle: no value, and the row is flagged."""
    document = read(packet(body=ELEMENTS).partition(b".30</")[0])
    assert document.properties == {name: VALUES[name] for name in list(VALUES)[:2]}
    assert document.warnings == ["xmp: salvaged: not well-formed (no element found)"]


def test_an_attribute_is_no_value_of_its_neighbour():
    """A quote that is missing would give the next attribute's name as a value."""
    data = packet('dc:source="a dc:title="b" dc:format="c"').replace(b'"c">', b'"c"/>')
    assert salvaged(data) == {"dc:title": "b", "dc:format": "c"}


def test_a_prefix_that_is_declared_twice_stands_for_what_it_usually_does():
    """Of two URIs for a well-known prefix neither can be trusted; of others the first counts."""
    own = ('xmlns:own="http://ns.example.com/a/"', 'xmlns:own="http://ns.example.com/b/"')
    twice = f'xmlns:drone-dji="http://ns.example.com/odd/" {DJI} {" ".join(own)}'
    assert salvaged(packet(f'{ATTRIBUTES} own:a="1"', declared=twice)) == VALUES | {"example.com-a:a": "1"}


def test_an_inner_declaration_ends_with_its_element():
    """The prefix then stands for what it did before."""
    inner = '<a:p xmlns:a="http://ns.example.com/inner/">1</a:p><a:p>2</a:p><dc:x>&</dc:x>'
    data = packet(body=inner, declared=f'{DC} xmlns:a="http://ns.example.com/outer/"')
    assert salvaged(data) == {"example.com-inner:p": "1", "example.com-outer:p": "2", "dc:x": "&"}


def test_what_sound_packets_say_counts_first():
    """A flawed packet adds what they do not say, wherever it stands in the file."""
    flawed = packet('drone-dji:RelativeAltitude="1" dc:source="a" x')
    document = read(flawed, packet('drone-dji:RelativeAltitude="2"'))
    assert document.properties == {"drone-dji:RelativeAltitude": "2", "dc:source": "a"}
    assert document.packets == 2
    assert document.warnings == [
        "xmp: salvaged: not well-formed (invalid token)",
        "xmp: drone-dji:RelativeAltitude is there twice; the first is kept",
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<!DOCTYPE x [<!ENTITY e 'boom'>]>" + packet(f"{ATTRIBUTES} x", "&e;"), "xmp: a DTD or an entity"),
        (b"<?xml?>x<!DOCTYPE x [<!ENTITY e 'boom'>]>" + packet(f"{ATTRIBUTES} x"), "xmp: a DTD or an entity"),
        (packet(f"{ATTRIBUTES} x", "<!entity % e SYSTEM 'file:///etc/passwd'>"), "xmp: a DTD or an entity"),
        (packet(f"{ATTRIBUTES} x", "<dc:a>" * MAX_DEPTH), f"xmp: nested more than {MAX_DEPTH} deep"),
        (
            packet(" ".join(f'p{at}:a="1"' for at in range(MAX_UNDECLARED + 1)) + " x"),
            f"xmp: more than {MAX_UNDECLARED} prefixes",
        ),
        (
            packet(ATTRIBUTES, "<dc:x>&</dc:x><dc:y " + " ".join(f"dc:a{at}='{'x' * 400_000}'" for at in range(3))),
            "xmp: a tag or comment of more than",
        ),
    ],
)
def test_what_is_refused_on_purpose_is_not_salvaged(data, reason):
    """The strict reader's refusals are those of the second one."""
    document = read(data, packet('dc:format="a"'))
    assert document.properties == {"dc:format": "a"}
    assert document.packets == 1
    assert [warning[: len(reason)] for warning in document.warnings] == [reason]


@pytest.mark.parametrize(
    ("many", "limit"),
    [
        ("<dc:a/>" * LIMITS[NODES], NODES),
        ("<dc:a " + " ".join(f"dc:a{number}=''" for number in range(LIMITS[NODES])) + "/>", NODES),
        ("".join(f"<dc:{'n' * 5000}{number}/>" for number in range(400)), NAMES),
        (("<dc:a>" + "x" * 300_000 + "</dc:a>") * 8, TEXT),
        ("<dc:a>" + "x" * (LIMITS[VALUE] + 1) + "</dc:a>", VALUE),
        ("<dc:a>" + "&#65;" * LIMITS[PIECES] + "</dc:a>", PIECES),
        (f"<dc:a dc:b='{'&#65;' * LIMITS[PIECES]}'/>", PIECES),
    ],
)
def test_a_flawed_packet_has_the_bounds_of_a_sound_one(many, limit):
    """The image's budget pays for both readings; what came before the bound is there."""
    budget = Budget()
    document = read(packet(body=f"<dc:source>&</dc:source>{many}"), budget=budget)
    assert xmp.text_of(document.properties.get("dc:source")) == "&"
    assert budget.exhausted == [limit]


INPUTS = ["N1a", "N1b", "N1c", "N1d", "N1f", "N1g", "N1h", "N1i", "N20a"]
EXPECTED = {"absolute_altitude_m": "-29.44", "relative_altitude_m": "37.7", "gimbal_yaw_deg": "91.3"}


@pytest.mark.skipif(not FIELD_INPUTS.is_dir(), reason=f"the field's inputs are not at {FIELD_INPUTS}")
@pytest.mark.parametrize("name", INPUTS)
def test_what_the_field_sent_is_read(name):
    """The real shapes of N1: one is cut in the middle of its third value, which then is none."""
    (path,) = FIELD_INPUTS.glob(f"{name}-*")
    row = values_of(extract(FileSource(path)))
    expected = EXPECTED
    if name == "N20a":
        expected = {"gps_latitude_deg": "53.2193916667", "gps_longitude_deg": "8.2396616667"}
    if name == "N1i":
        expected = {**EXPECTED, "gimbal_yaw_deg": None}
    assert {column: row.get(column) for column in expected} == expected
    assert any("salvaged" in warning for warning in row.get("warnings", [])) is (name != "N1b")
