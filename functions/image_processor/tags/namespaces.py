"""XMP namespaces by URI: what a packet calls them (its prefixes) never matters.

A URI is compared without scheme, `www.`, case and closing slash; a drone maker's also without its version. One that is
not known but has the name of a maker in its host or path is that maker's: they have moved their namespaces about. Any
other gets a prefix that is derived from its URI alone, so that it is the same in every photo: host and path
without version, e.g. `http://ns.example.com/acme-drone/1.0/` becomes `example.com-acme-drone`.
"""

import re
from functools import lru_cache

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XML = "http://www.w3.org/XML/1998/namespace"
XMP_META = "adobe:ns:meta/"

_ADOBE = {
    "aux": "exif/1.0/aux",
    "crd": "camera-raw-defaults/1.0",
    "crlcp": "camera-raw-embedded-lens-profile/1.0",
    "crs": "camera-raw-settings/1.0",
    "crss": "camera-raw-saved-settings/1.0",
    "creatorAtom": "creatoratom/1.0",
    "exif": "exif/1.0",
    "hdr_metadata": "hdr-metadata/1.0",
    "hdrgm": "hdr-gain-map/1.0",
    "iX": "ix/1.0",
    "lr": "lightroom/1.0",
    "pdf": "pdf/1.3",
    "pdfx": "pdfx/1.3",
    "photoshop": "photoshop/1.0",
    "stArea": "xmp/stype/area",
    "stCamera": "photoshop/1.0/camera-profile",
    "stDim": "xap/1.0/stype/dimensions",
    "stEvt": "xap/1.0/stype/resourceevent",
    "stFnt": "xap/1.0/stype/font",
    "stJob": "xap/1.0/stype/job",
    "stMfs": "xap/1.0/stype/manifestitem",
    "stRef": "xap/1.0/stype/resourceref",
    "stVer": "xap/1.0/stype/version",
    "tiff": "tiff/1.0",
    "xmp": "xap/1.0",
    "xmpBJ": "xap/1.0/bj",
    "xmpDM": "xmp/1.0/dynamicmedia",
    "xmpG": "xap/1.0/g",
    "xmpGImg": "xap/1.0/g/img",
    "xmpidq": "xmp/identifier/qual/1.0",
    "xmpMM": "xap/1.0/mm",
    "xmpNote": "xmp/note",
    "xmpRights": "xap/1.0/rights",
    "xmpTPg": "xap/1.0/t/pg",
}

_GOOGLE = {
    "Container": "container",
    "GAudio": "audio",
    "GCamera": "camera",
    "GCreations": "creations",
    "GDepth": "depthmap",
    "GFocus": "focus",
    "GImage": "image",
    "GPano": "panorama",
    "Item": "container/item",
}

_OTHERS = {
    "acdsee": "ns.acdsee.com/iptc/1.0",
    "apple-fi": "ns.apple.com/faceinfo/1.0",
    "cc": "creativecommons.org/ns",
    "dc": "purl.org/dc/elements/1.1",
    "digiKam": "digikam.org/ns/1.0",
    "exifEX": "cipa.jp/exif/1.0",
    "expressionmedia": "ns.microsoft.com/expressionmedia/1.0",
    "GSpherical": "ns.google.com/videos/1.0/spherical",
    "Iptc4xmpCore": "iptc.org/std/iptc4xmpcore/1.0/xmlns",
    "Iptc4xmpExt": "iptc.org/std/iptc4xmpext/2008-02-29",
    "mediapro": "ns.iview-multimedia.com/mediapro/1.0",
    "MicrosoftPhoto": "ns.microsoft.com/photo/1.0",
    "MP": "ns.microsoft.com/photo/1.2",
    "MPReg": "ns.microsoft.com/photo/1.2/t/region",
    "MPRI": "ns.microsoft.com/photo/1.2/t/regioninfo",
    "mwg-coll": "metadataworkinggroup.com/schemas/collections",
    "mwg-kw": "metadataworkinggroup.com/schemas/keywords",
    "mwg-rs": "metadataworkinggroup.com/schemas/regions",
    "photomechanic": "ns.camerabits.com/photomechanic/1.0",
    "plus": "ns.useplus.org/ldf/xmp/1.0",
    "prism": "prismstandard.org/namespaces/basic/2.0",
    "rdf": "w3.org/1999/02/22-rdf-syntax-ns",
    "rdfs": "w3.org/2000/01/rdf-schema",
    "svg": "w3.org/2000/svg",
    "x": "adobe:ns:meta",
    "xml": "w3.org/xml/1998/namespace",
}

_MAKERS = {
    "Camera": "pix4d.com/camera",
    "DLS": "micasense.com/dls",
    "drone-autel": "autelrobotics.com/drone",
    "drone-dji": "dji.com/drone-dji",
    "drone-parrot": "parrot.com/drone-parrot",
    "drone-skydio": "skydio.com/drone-skydio",
    "drone-yuneec": "yuneec.com/drone-yuneec",
    "FLIR": "dji.com/flir",
    "MicaSense": "micasense.com/micasense",
    "parrot": "parrot.com/status",
    "Platform": "pix4d.com/platform",
    "sensefly": "ns.sensefly.com/camera",
}

_BY_URI = (
    {f"ns.adobe.com/{path}": prefix for prefix, path in _ADOBE.items()}
    | {f"ns.google.com/photos/1.0/{path}": prefix for prefix, path in _GOOGLE.items()}
    | {uri: prefix for prefix, uri in (_OTHERS | _MAKERS).items()}
)
_BY_PREFIX = {prefix: f"http://{uri}/" for uri, prefix in _BY_URI.items()} | {"rdf": RDF, "xml": XML, "x": XMP_META}

_MAKER_MARKS = (
    (re.compile(r"sensefly\.com/platform"), "Platform"),
    (re.compile(r"(?<![a-z])flir(?:systems)?+(?![a-z])"), "FLIR"),  # before DJI, in whose namespace it has stood
    (re.compile(r"autel"), "drone-autel"),
    (re.compile(r"(?<![a-z])dji(?![a-z])"), "drone-dji"),
    (re.compile(r"(?<![a-z])gopro(?![a-z])"), "drone-gopro"),
    (re.compile(r"hasselblad"), "drone-hasselblad"),
    (re.compile(r"insta360"), "drone-insta360"),
    (re.compile(r"micasense"), "MicaSense"),
    (re.compile(r"(?<![a-z])parrot(?![a-z])"), "drone-parrot"),
    (re.compile(r"sensefly"), "sensefly"),
    (re.compile(r"sentera"), "Sentera"),
    (re.compile(r"skydio"), "drone-skydio"),
    (re.compile(r"(?<![a-z])teal(?:drones)?+(?![a-z])"), "drone-teal"),
    (re.compile(r"wingtra"), "drone-wingtra"),
    (re.compile(r"yuneec"), "drone-yuneec"),
)
"""Makers by their names in host or path, most specific first; a name that is a part of other words stands alone."""

MAX_URI = 300
"""Characters of a URI that are looked at: makers' have 40."""

_SEPARATOR = re.compile(r"[^\w.-]++")
_SCHEME = re.compile(r"[a-z]++://(?:www\.)?")
_VERSION = re.compile(r"v?+\d++(?:\.\d++)*+")


def uri_of(prefix: str) -> str:
    """Return the namespace that a prefix usually stands for, for packets that forgot to declare it."""
    return _BY_PREFIX.get(prefix, f"urn:undeclared:{prefix}")


def is_known(prefix: str) -> bool:
    """Tell whether a prefix usually stands for something."""
    return prefix in _BY_PREFIX


def prefix_of(uri: str) -> str:
    """Return the prefix of a namespace: the well-known one, or one derived from the URI, of which the start counts."""
    return _prefix_of(uri[:MAX_URI])


@lru_cache(maxsize=1024)
def _prefix_of(uri: str) -> str:
    uri = uri.strip().lower()
    key = uri[scheme.end() :] if (scheme := _SCHEME.match(uri)) else uri
    key = key.rstrip("/#")
    bare = _without_version(key)
    known = _BY_URI.get(key) or _BY_URI.get(bare)
    if known is None:
        known = next((prefix for mark, prefix in _MAKER_MARKS if mark.search(key)), None)
    return known or _derived(bare)


def _without_version(key: str) -> str:
    """Return a path without the parts at its end that are versions, such as `/1.0` or `/v2`."""
    parts = key.split("/")
    while len(parts) > 1 and _VERSION.fullmatch(parts[-1]):
        parts.pop()
    return "/".join(parts)


def _derived(key: str) -> str:
    key = key.removeprefix("urn:undeclared:").removeprefix("ns.")
    return _SEPARATOR.sub("-", key).strip("-.")[:80] or "unknown"
