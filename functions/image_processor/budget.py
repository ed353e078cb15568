"""What one image may cost: one budget, which every reader of it spends from.

A small file can ask for a great deal: it inflates, it points a thousand tags at one value, it repeats a long name. So
each thing that costs time or memory is counted here, over all blocks of the image; what is beyond a limit is left
out, and a warning in the row names the limit. All limits spent at once are within a second and 100 MB
(`./infra/bench hostile`).
"""

from typing import Final

REQUESTS: Final = "GETs"
READ: Final = "bytes read"
LIBRARY_READS: Final = "reads by libraries"
LIBRARY_BYTES: Final = "bytes read by libraries"
BLOCKS: Final = "bytes of metadata blocks"
INFLATED: Final = "bytes inflated"
STEPS: Final = "boxes, items and datasets"
TAGS: Final = "Exif tags"
NUMBERS: Final = "numbers"
NODES: Final = "XML elements and attributes"
PIECES: Final = "pieces of XML text"
NAMES: Final = "characters of XML names"
TEXT: Final = "characters of text"
VALUE: Final = "characters of one XML value"

LIMITS: Final = {
    # About 2 s of S3's latency; a real file needs fewer than ten.
    REQUESTS: 64,
    # All of them are kept until the image is done.
    READ: 24 * 1024 * 1024,
    # Well under a second; the richest maker notes need a tenth of it.
    LIBRARY_READS: 100_000,
    # What the cache answers counts too.
    LIBRARY_BYTES: 64 * 1024 * 1024,
    # What the parsers behind the walk work on. Editors pad packets by megabytes.
    BLOCKS: 12 * 1024 * 1024,
    # Of whatever was inflated, also in vain, and six times what went in.
    INFLATED: 12 * 1024 * 1024,
    # A gigapixel mosaic of 512-pixel tiles has some 4,000 items with three or four mentions each.
    STEPS: 50_000,
    # The richest real file, a raw with several pictures, has about 300. A maker note's entries count too.
    TAGS: 3000,
    # Elements of arrays; a DNG's matrices and curves have some hundreds.
    NUMBERS: 20_000,
    # A packet of 900 keywords has 2,000; editors have left lists of 100,000 ancestors.
    NODES: 30_000,
    # A text, or the blanks between two tags, is one piece for each 8 KB; a comment is one; so is a reference (`&lt;`),
    # but not in an attribute of a packet that is well-formed.
    PIECES: 60_000,
    # As many nodes with names of 50 characters, namespace included, as long as Adobe's are.
    NAMES: 1_500_000,
    # A table item holds 400 KB; some phones store pictures in XMP.
    TEXT: 2 * 1024 * 1024,
    # More than an item holds: one picture in XMP must not cost the texts behind it.
    VALUE: 512 * 1024,
}


class Budget:
    """What an image may still cost.

    Attributes:
        account: what is left of each cost, for those who spend in so small pieces that a call for each is dear.
        exhausted: costs of which the image wanted more than there was, in the order in which that was noticed.
    """

    __slots__ = ("account", "exhausted")

    def __init__(self) -> None:
        self.account = dict(LIMITS)
        self.exhausted: list[str] = []

    def take(self, cost: str, amount: int = 1) -> bool:
        """Spend an amount if there is so much left; if not, spend nothing and remember that."""
        left = self.account[cost] - amount
        if left < 0:
            self.want_more(cost)
            return False
        self.account[cost] = left
        return True

    def want_more(self, cost: str) -> None:
        """Remember that the image wanted more than the limit."""
        if cost not in self.exhausted:
            self.exhausted.append(cost)

    def left(self, cost: str) -> int:
        """Return what is left of a cost."""
        return self.account[cost]

    def warnings(self) -> list[str]:
        """Return a warning for each cost of which there was too little."""
        return [warning(cost) for cost in self.exhausted]


def warning(cost: str) -> str:
    """Return the words in which a row says that its image wanted more."""
    return f"limit: {LIMITS[cost]} {cost}: what is beyond was left out"
