"""XMP: every form that RDF allows, every encoding, and nothing hostile."""

import pytest

from image_processor.budget import LIMITS, NODES, PIECES, TEXT, VALUE, Budget
from image_processor.errors import XmlRefused
from image_processor.tags import xml_tree, xmp
from image_processor.tags.namespaces import _BY_PREFIX, prefix_of, uri_of
from image_processor.tags.xml_builder import MAX_DEPTH
from tests.support.cpu_time import in_time

NAMESPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpidq": "http://ns.adobe.com/xmp/Identifier/qual/1.0/",
    "drone-dji": "http://www.dji.com/drone-dji/1.0/",
    "s": "https://www.skydio.com/drone-skydio/1.0/",
    "acme": "http://ns.example.com/acme-drone/1.0/",
}
DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())


def packet(body: str = "", attributes: str = "", declared: str = DECLARED) -> bytes:
    """One packet with its wrapper."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="kit">'
        f'<rdf:RDF {declared}><rdf:Description rdf:about="" {attributes}>{body}</rdf:Description></rdf:RDF>'
        '</x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def read(*packets: bytes) -> xmp.Document:
    return xmp.read(list(packets), Budget())


def properties(*packets: bytes) -> dict:
    document = read(*packets)
    assert document.warnings == []
    return {name: value for name, value in document.properties.items() if name != "x:xmptk"}


@pytest.mark.parametrize(
    "packets",
    [
        packet(attributes='drone-dji:RelativeAltitude="-3.20" drone-dji:SelfData=""'),
        packet("<drone-dji:RelativeAltitude>-3.20</drone-dji:RelativeAltitude><drone-dji:SelfData/>"),
        packet(
            '<d:RelativeAltitude xmlns:d="http://www.dji.com/drone-dji/1.0/">-3.20</d:RelativeAltitude>'
            '<d:SelfData xmlns:d="http://www.dji.com/drone-dji/1.0/"></d:SelfData>'
        ),
    ],
)
def test_attributes_elements_and_foreign_prefixes_say_the_same(packets):
    """M13: the namespace decides, not the form and not the prefix."""
    document = read(packets)
    assert document.properties == {"x:xmptk": "kit", "drone-dji:RelativeAltitude": "-3.20", "drone-dji:SelfData": ""}
    assert xmp.text_of(document.properties.get("drone-dji:SelfData")) is None


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("<acme:p>text</acme:p>", "text"),
        ("<acme:p>a &lt;b&gt; &amp; <![CDATA[<c>]]> &#x1F600;</acme:p>", "a <b> & <c> 😀"),
        ('<acme:p rdf:resource="https://example.com/"/>', "https://example.com/"),
        ("<acme:p><rdf:Bag><rdf:li>a</rdf:li><rdf:li>b</rdf:li></rdf:Bag></acme:p>", ["a", "b"]),
        ("<acme:p><rdf:Seq><rdf:li>500</rdf:li></rdf:Seq></acme:p>", ["500"]),
        ("<acme:p><rdf:Seq/></acme:p>", []),
        ("<acme:p><rdf:Alt><rdf:li>a</rdf:li><rdf:li>b</rdf:li></rdf:Alt></acme:p>", ["a", "b"]),
        (
            '<acme:p><rdf:Alt><rdf:li xml:lang="de">Riss</rdf:li><rdf:li xml:lang="x-default">Crack</rdf:li></rdf:Alt>'
            "</acme:p>",
            {"de": "Riss", "x-default": "Crack"},
        ),
        ('<acme:p rdf:parseType="Resource"><acme:a>1</acme:a></acme:p>', {"acme:a": "1"}),
        ("<acme:p><rdf:Description><acme:a>1</acme:a></rdf:Description></acme:p>", {"acme:a": "1"}),
        ('<acme:p><rdf:Description acme:a="1"/></acme:p>', {"acme:a": "1"}),
        ('<acme:p acme:a="1" acme:b="2"/>', {"acme:a": "1", "acme:b": "2"}),
        (
            '<acme:p><rdf:Seq><rdf:li rdf:parseType="Resource"><acme:a>1</acme:a></rdf:li>'
            '<rdf:li acme:a="2"/></rdf:Seq></acme:p>',
            [{"acme:a": "1"}, {"acme:a": "2"}],
        ),
        (
            '<acme:p rdf:parseType="Resource"><rdf:value>id-1</rdf:value><xmpidq:Scheme>s</xmpidq:Scheme></acme:p>',
            {"rdf:value": "id-1", "xmpidq:Scheme": "s"},
        ),
        ('<acme:p xml:lang="de">Riss</acme:p>', {"rdf:value": "Riss", "xml:lang": "de"}),
        ('<acme:p rdf:parseType="Literal">a<b>c</b></acme:p>', "ac"),
        ("<acme:p><acme:a>1</acme:a></acme:p>", {"acme:a": "1"}),
    ],
)
def test_every_form_of_a_value_has_one_json_form(body, value):
    """XMP specification part 1, clause 7: arrays, alternatives, structures, qualifiers, URIs, however spelt."""
    name = "example.com-acme-drone:"
    assert properties(packet(body)) == {f"{name}p": _renamed(value)}


def _renamed(value):
    """Write the unknown namespace's prefix as it is derived."""
    if isinstance(value, dict):
        return {key.replace("acme:", "example.com-acme-drone:"): _renamed(item) for key, item in value.items()}
    return [_renamed(item) for item in value] if isinstance(value, list) else value


def test_the_text_of_a_property_is_its_default_language_wherever_that_stands():
    """M18: x-default wins; without one the first; of an array the first; a structure has none."""
    document = read(
        packet(
            '<dc:description><rdf:Alt><rdf:li xml:lang="de">Riss</rdf:li><rdf:li xml:lang="x-default">Crack</rdf:li>'
            '</rdf:Alt></dc:description><dc:title><rdf:Alt><rdf:li xml:lang="de">Titel</rdf:li></rdf:Alt></dc:title>'
            "<dc:subject><rdf:Bag><rdf:li>bridge; deck</rdf:li><rdf:li>2020</rdf:li></rdf:Bag></dc:subject>"
            '<dc:source rdf:parseType="Resource"><dc:a>1</dc:a></dc:source><dc:rights xml:lang="en">mine</dc:rights>'
        )
    )
    texts = [
        xmp.text_of(document.properties.get(f"dc:{name}"))
        for name in ("description", "title", "subject", "source", "rights", "none")
    ]
    assert texts == ["Crack", "Titel", "bridge; deck", None, "mine", None]
    assert document.texts("dc:subject") == ["bridge; deck", "2020"]


def test_packets_are_united_and_the_first_wins_a_conflict():
    """M15: the union of all packets; a conflict is a warning, the same value twice is none."""
    first = packet(attributes='drone-dji:RelativeAltitude="10" xmp:Rating="3"')
    second = packet(attributes='dc:format="image/jpeg" xmp:Rating="5" drone-dji:RelativeAltitude="10"')
    document = read(first, second)
    assert document.properties.items() >= {"xmp:Rating": "3", "dc:format": "image/jpeg"}.items()
    assert document.warnings == ["xmp: xmp:Rating is there twice; the first is kept"]
    assert document.packets == 2


def test_a_blank_property_gives_way_to_a_later_one():
    """An empty element says nothing that could win."""
    assert properties(packet("<dc:format/>"), packet(attributes='dc:format="image/jpeg"'))["dc:format"] == "image/jpeg"


def test_properties_are_read_from_every_description_and_from_rdf_itself():
    """Several rdf:Description elements, and the early Yuneec cameras that have none."""
    document = read(
        f"<rdf:RDF {DECLARED}><xmp:CameraYaw>-85.58</xmp:CameraYaw><rdf:Description rdf:about='DJI Meta Data'"
        " dc:format='a'/><rdf:Description xmp:Rating='1'/></rdf:RDF>".encode()
    )
    assert document.properties == {
        "xmp:CameraYaw": "-85.58",
        "rdf:about": "DJI Meta Data",
        "dc:format": "a",
        "xmp:Rating": "1",
    }


def test_a_packet_without_rdf_has_no_properties():
    """Padding, or a wrapper alone, is a packet all the same."""
    document = read(b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>')
    assert (document.properties, document.packets, document.warnings) == ({}, 1, [])


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("before", ["", "\n  "])
def test_every_unicode_encoding_is_read_with_or_without_its_mark(encoding, before):
    """XMP specification part 1, 7.3.2: UTF-8, UTF-16 or UTF-32."""
    text = before + packet(attributes='dc:format="Brücke 測量"').decode()
    assert properties(text.encode(encoding))["dc:format"] == "Brücke 測量"


def test_a_declaration_of_another_encoding_does_not_matter():
    """What a program declares and what it writes are two things."""
    text = '<?xml version="1.0" encoding="UTF-16"?>' + packet(attributes='dc:format="ü"').decode()
    assert properties(text.encode())["dc:format"] == "ü"


@pytest.mark.parametrize("junk", [b"\0\0\1junk<", b" " * 100_000, b"\xff\xfe\xff", b"</x:xmpmeta>", b"<more/>"])
def test_what_stands_behind_the_packet_does_not_matter(junk):
    """M17: bytes left behind by a shorter rewrite."""
    assert properties(packet(attributes='dc:format="a"') + junk)["dc:format"] == "a"


def test_8_mb_of_padding_cost_no_time():
    """M17: the parse ends where the document element does."""
    data = packet(attributes='dc:format="a"').replace(b"<?xpacket end", b" " * 8_388_608 + b"<?xpacket end")
    assert in_time(0.5, lambda: properties(data))["dc:format"] == "a"


DOCTYPE = "<!DOCTYPE x [{}]>"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (packet()[:50], "not well-formed"),
        (b"<a><b", "not well-formed"),
        (b"<\xff>", "invalid UTF-8"),
        ("\ufeff<a>".encode("utf-16-le") + b"\x00\xd8a\0", "invalid UTF-16"),
        (b"", "empty"),
        (b"\0\0\0", "empty"),
        (b"text", "empty"),
        (DOCTYPE.format("").encode() + packet(), "DTD"),
        (DOCTYPE.format("<!ENTITY e SYSTEM 'file:///etc/passwd'>").encode() + packet("&e;"), "DTD"),
        (DOCTYPE.format("<!ENTITY % p SYSTEM 'http://127.0.0.1/'> %p;").encode() + packet(), "DTD"),
        (packet("<a>" * MAX_DEPTH), "deep"),
    ],
)
def test_a_packet_that_is_broken_or_hostile_costs_itself_only(data, reason):
    """M17: the other packet is read, the first is a warning; nothing is expanded or fetched."""
    document = read(data, packet(attributes='xmp:Rating="5"'))
    assert document.properties["xmp:Rating"] == "5"
    assert document.packets == 1
    assert len(document.warnings) == 1
    assert reason in document.warnings[0]


@pytest.mark.parametrize(
    "endless",
    [
        "<dc:a/>" * LIMITS[NODES],
        "<dc:a><rdf:Bag>" + "<rdf:li>id</rdf:li>" * LIMITS[NODES] + "</rdf:Bag></dc:a>",
        "<dc:a " + " ".join(f"dc:a{number}=''" for number in range(LIMITS[NODES])) + "/>",
    ],
)
def test_an_endless_packet_gives_what_came_before_its_bound(endless):
    """Editors have left lists of 100,000 ancestors behind the photo's own properties."""
    packets = [packet(f"<xmp:Rating>5</xmp:Rating>{endless}"), packet(attributes='xmp:Label="late"')]

    def read_anew() -> tuple[xmp.Document, Budget]:
        return xmp.read(packets, budget := Budget()), budget

    document, budget = in_time(1, read_anew)
    assert xmp.text_of(document.properties.get("xmp:Rating")) == "5"
    assert budget.exhausted == [NODES]


def test_prefixes_that_were_not_declared_stand_for_what_they_usually_do():
    """Seen in the wild: cameras that write drone-dji: without declaring it. It is a warning."""
    document = read(
        b'<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description drone-dji:GimbalYawDegree="12.5" odd:a="1"/></rdf:RDF>'
    )
    assert document.properties == {"drone-dji:GimbalYawDegree": "12.5", "odd:a": "1"}
    assert document.warnings == ["xmp: prefixes not declared: drone-dji, odd"]


@pytest.mark.parametrize(
    ("uri", "prefix"),
    [
        ("http://www.dji.com/drone-dji/1.0/", "drone-dji"),
        ("https://dji.com/drone-dji/1.1", "drone-dji"),
        ("http://pix4d.com/camera/1.0", "Camera"),
        ("http://pix4d.com/camera/1.0/", "Camera"),
        ("https://www.skydio.com/drone-skydio/1.0/", "drone-skydio"),
        ("http://www.yuneec.com/drone-yuneec/1.0/", "drone-yuneec"),
        ("http://www.autelrobotics.com/drone/1.0/", "drone-autel"),
        ("http://ns.sensefly.com/Camera/1.0/", "sensefly"),
        ("http://ns.adobe.com/exif/1.0/", "exif"),
        ("http://ns.adobe.com/exif/1.0/aux/", "aux"),
        ("http://ns.adobe.com/xap/1.0/sType/ResourceEvent#", "stEvt"),
        ("http://ns.google.com/photos/1.0/panorama/", "GPano"),
        ("http://ns.example.com/acme-drone/1.0/", "example.com-acme-drone"),
        ("http://ns.example.com/acme-drone/2.0/", "example.com-acme-drone"),
        ("http://www.dji.com", "drone-dji"),
        ("urn:DJI", "drone-dji"),
        ("http://ns.adobe.com/DJI/1.0/", "drone-dji"),
        ("http://www.dji.com/FLIR/2.0/", "FLIR"),
        ("http://ns.flir.com/xmp/1.0/", "FLIR"),
        ("http://ns.sensefly.com/sensefly/1.0/", "sensefly"),
        ("http://ns.sensefly.com/Platform/1.0/", "Platform"),
        ("http://www.parrot.com/drone-parrot/2.0-beta/", "drone-parrot"),
        ("http://ns.example.com/Parrot/", "drone-parrot"),
        ("http://xmp.skydio.com/x10", "drone-skydio"),
        ("http://www.autel.com/x/", "drone-autel"),
        ("http://yuneec.online/xmp/", "drone-yuneec"),
        ("https://tealdrones.com/xmp/1.0/", "drone-teal"),
        ("http://ns.example.com/teal-2/", "drone-teal"),
        ("http://www.sentera.com/xmp/", "Sentera"),
        ("http://micasense.com/Altum/1.0/", "MicaSense"),
        ("http://micasense.com/DLS/1.0/", "DLS"),
        ("http://wingtra.com/ns/", "drone-wingtra"),
        ("http://ns.hasselblad.com/x2d", "drone-hasselblad"),
        ("http://www.Insta360.com/xmp", "drone-insta360"),
        ("http://gopro.com/xmp/1.0/", "drone-gopro"),
        ("http://ns.djibouti.example/a/", "djibouti.example-a"),
        ("http://ns.example.com/stealth/teals/", "example.com-stealth-teals"),
        ("http://flirt.example/parrots/", "flirt.example-parrots"),
        ("http://www.parrotsdaily.example/", "parrotsdaily.example"),
        ("urn:vendor:thing", "urn-vendor-thing"),
        ("#", "unknown"),
    ],
)
def test_a_namespace_has_one_prefix_in_every_photo(uri, prefix):
    """Well-known ones by table, makers' by their names, unknown ones from the URI alone."""
    assert prefix_of(uri) == prefix
    if prefix in ("drone-dji", "exif"):
        assert prefix_of(uri_of(prefix)) == prefix


def test_names_of_strangers_do_not_fill_the_memory():
    """A process reads photos for hours, and keeps names for the next one: of bounded number and length."""
    for photo in range(3):
        names = [f"acme:n{photo}-{number}" for number in range(2000)] + [f"acme:{'long' * 50}{photo}"]
        told = properties(packet("".join(f"<{name}>x</{name}>" for name in names)))
        assert len(told) == len(names)
    assert len(xmp._KEYS) <= 4096
    assert max(map(len, xmp._KEYS)) < 200


def test_no_makers_name_takes_a_namespace_that_is_known():
    """Whatever stands in it: the table comes first."""
    assert {prefix: prefix_of(uri_of(prefix)) for prefix in _BY_PREFIX} == {prefix: prefix for prefix in _BY_PREFIX}


def test_deep_nesting_that_never_closes_is_refused_at_once():
    """9,000 open elements would overflow a recursive reader."""
    with pytest.raises(XmlRefused, match="deep"):
        xml_tree.parse(b"<a>" * 9000)


@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_picture_in_an_attribute_costs_itself_only(quote):
    """Phones store pictures as attributes too, which the parser would have to hold at once: 1.9 MB refused the rest."""
    budget = Budget()
    picture = "QUJD" * 131_071 + "&amp;" + "é" + "QUJD" * 350_000
    data = packet("<xmp:Rating>3</xmp:Rating>", f"dc:picture={quote}{picture}{quote} dc:title='x'")
    document = xmp.read([data], budget)
    assert document.warnings == []
    assert budget.exhausted == [VALUE]
    texts = [xmp.text_of(document.properties.get(name)) for name in ("dc:title", "xmp:Rating")]
    assert texts == ["x", "3"]
    assert xmp.text_of(document.properties.get("dc:picture")) == "QUJD" * 131_071


def test_a_prefix_that_is_not_declared_far_behind_does_not_have_all_read_three_times():
    """Only the start is searched for such prefixes, so a second strict pass would fail at the same place."""
    budget = Budget()
    body = "<dc:a>" + "x\n" * 300_000 + "</dc:a>"
    document = xmp.read([packet(body + "<zz:q/>")], budget)
    assert document.warnings == [
        "xmp: salvaged: not well-formed (unbound prefix)",
        "xmp: prefixes not declared: zz",
    ]
    once = Budget()
    xmp.read([packet(body)], once)
    assert 1 < (LIMITS[TEXT] - budget.left(TEXT)) / (LIMITS[TEXT] - once.left(TEXT)) <= 2


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("x" * 3 * LIMITS[VALUE], LIMITS[VALUE] + 1),
        (" " * 2 * LIMITS[VALUE], 2 * LIMITS[VALUE]),
        ("é" * LIMITS[VALUE], 2 * LIMITS[VALUE]),
        ("x" * LIMITS[VALUE] + "&lt;", LIMITS[VALUE] + 4),
        ("x" * LIMITS[VALUE] + "-->", LIMITS[VALUE] + 3),
    ],
)
def test_of_a_text_beyond_the_limit_the_parser_gets_what_shows_that_it_is(text, given):
    """One character more than a value may have; texts that may be something else, or not too long, are whole."""
    data = f"<a><b>{text}</b>c</a>".encode()
    assert len(xml_tree.bounded(data, Budget())) == len("<a><b></b>c</a>") + given


def test_comments_that_the_parser_never_tells_of_are_counted():
    """10 MB of empty ones take it half a second, and no budget noticed."""
    budget = Budget()
    document = xmp.read([packet("<!---->" * 60_000 + "<?a?>" * 60_000)], budget)
    assert document.warnings == ["xmp: too many comments or instructions"]
    assert budget.exhausted == [PIECES]
