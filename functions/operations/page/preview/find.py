"""The picture that a camera embeds in a photo, which a browser shows in no time: found by a few small reads. Pure.

Each kind of photo has a module that says where a JPEG stands in it. Of several the largest that is not too large is
given. A small JPEG without one is shown itself.

A photo is a stranger's file: whatever it claims, so many bytes are read in so many pieces, every directory once, and
what is given is by its own frame a JPEG that browsers show, and not one that unfolds into a picture of a gigabyte.
"""

from collections.abc import Mapping

from operations.page.kinds import kind_of
from operations.page.preview import cr3, heif, jpeg, psd, raf, tiff
from operations.page.preview.claims import Claim, Claims, Read

HEAD_BYTES = 1 << 17  # an Exif block has up to 64 KB, and stands in front
MOST_BYTES = 1 << 20  # of a preview
_MOST_TRIES = 12

_CLAIMS: Mapping[str, Claims] = {
    "JPEG": jpeg.claims,
    "TIFF": tiff.claims,
    "RW2": tiff.claims,
    "HEIC": heif.claims,
    "AVIF": heif.claims,
    "CR3": cr3.claims,
    "RAF": raf.claims,
    "PSD": psd.claims,
}


def find_preview(read: Read, size: int) -> bytes | str:
    """Give the embedded JPEG of a photo, or say in words why there is none.

    Args:
        read: reads the photo.
        size: bytes of the photo.
    """
    kind = kind_of(read(0, HEAD_BYTES))
    if kind is None:
        return "No preview: this is no kind of image that is known here"
    claims = set(_CLAIMS[kind.name](read)) if kind.name in _CLAIMS else set()
    wanted = sorted((claim for claim in claims if 4 <= claim.length <= MOST_BYTES), key=_largest_first)
    if kind.name == "JPEG" and size <= HEAD_BYTES:
        wanted.append(Claim(0, size))
    for offset, length in wanted[:_MOST_TRIES]:
        picture = read(offset, length)
        if len(picture) == length and jpeg.is_shown(picture):
            return picture
    return f"{kind.name}: no preview that browsers show"


def _largest_first(claim: Claim) -> tuple[int, int]:
    return -claim.length, claim.offset
