"""The tree of an XML document, built as a parser tells it, and ended where it costs the image too much.

A packet tells a thousand things, each of them here: costs are taken from the budget's account without a call for each.
"""

from image_processor.budget import LIMITS, NAMES, NODES, PIECES, TEXT, VALUE, Budget
from image_processor.errors import XmlRefused

MAX_DEPTH = 60
"""Nested elements: the deepest real documents (nested history of layered pictures) have about 20."""

_PADDING = 1000  # blanks in a row that are no part of a value


class Complete(Exception):
    """The document element has ended, or the budget: nothing behind it counts."""


class Element:
    """One element; names are as expat gives them: `uri}local`, or `local` without a namespace.

    Attributes:
        name: of the element.
        attributes: values by name.
        children: elements in it.
        text: its own text, once it has ended.
        pieces: of its text.
    """

    __slots__ = ("attributes", "children", "name", "pieces", "text")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Element] = []
        self.text = ""
        self.pieces: list[str] = []


class Builder:
    """Target of the parser: builds the tree and ends the parse when it is complete or too large.

    Attributes:
        root: the document element, once it has begun.
    """

    __slots__ = ("_budget", "_left", "_open", "_room", "_top", "root")

    def __init__(self, budget: Budget, top: int) -> None:
        self.root: Element | None = None
        self._budget = budget
        self._left = budget.account
        self._top = top  # open elements left when the document element ends
        self._open: list[Element] = []
        self._room = LIMITS[VALUE]  # for the text of the innermost open element

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Begin an element, unless the budget ends here."""
        left, opened = self._left, self._open
        nodes, names = left[NODES] - 1, left[NAMES] - len(name)
        if attributes:
            nodes -= len(attributes)
            names -= sum(map(len, attributes))
        if nodes < 0 or names < 0:
            # What came before is good: editors have left lists of 100,000 ancestors behind the photo's own properties.
            self._budget.want_more(NODES if nodes < 0 else NAMES)
            raise Complete
        left[NODES], left[NAMES] = nodes, names
        if len(opened) >= MAX_DEPTH:
            raise XmlRefused(f"nested more than {MAX_DEPTH} deep")
        if attributes:
            text = left[TEXT] - sum(map(len, attributes.values()))
            if text < 0:
                attributes = {key: value for key, value in attributes.items() if self._budget.take(TEXT, len(value))}
            else:
                left[TEXT] = text
        element = Element(name, attributes)
        if opened:
            opened[-1].children.append(element)
        else:
            self.root = element
        opened.append(element)
        self._room = LIMITS[VALUE]

    def end(self, _name: str) -> None:
        """End the innermost open element."""
        element = self._open.pop()
        if element.pieces:
            element.text = "".join(element.pieces)
        self._room = LIMITS[VALUE]
        if len(self._open) == self._top:
            raise Complete

    def data(self, text: str) -> None:
        """Add a piece of text to the innermost open element."""
        left, size = self._left, len(text)
        if not left[PIECES]:
            self._budget.want_more(PIECES)
            raise Complete
        left[PIECES] -= 1
        if not self._open or (size >= _PADDING and text.isspace()):
            return
        if size > self._room:
            self._budget.want_more(VALUE)
            text, size = text[: self._room], self._room
        if size > left[TEXT]:
            self._budget.want_more(TEXT)
        elif size:
            left[TEXT] -= size
            self._room -= size
            self._open[-1].pieces.append(text)

    def finish(self) -> None:
        """Give the elements that were still open when the parse ended their text."""
        for element in self._open:
            element.text = "".join(element.pieces)

    def abandon(self) -> None:
        """Drop the text that the end of the input cut off, and its element if there is nothing else of it."""
        if not self._open:
            return
        element = self._open[-1]
        element.pieces.clear()
        if len(self._open) > 1 and not element.children and not element.attributes:
            self._open[-2].children.pop()
