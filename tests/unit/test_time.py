"""Time as a property: nothing that meets a stranger's text takes longer than the text's length allows."""

import ast
import contextlib
import gc
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import pytest

from image_processor import BytesSource
from image_processor.budget import READ, Budget
from image_processor.columns.position import Axis
from image_processor.errors import BadNotification
from image_processor.formats.blocks import Container
from image_processor.reading.file import File, MemoryFile
from image_processor.reading.ranged import Source
from image_processor.reading.tiff import Ifd
from image_processor.tags.numbers import Raw
from image_processor.tags.xmp import Document, Value
from infra.paths import ROOT
from ledger import cells, guard
from operations.rebuild.statements import etags_in
from tests.support.worst_cases import attacks, grows_faster_than_its_input, seconds

FUNCTIONS = ROOT / "functions"
SOURCES = sorted(FUNCTIONS.rglob("*.py"))
MATCHERS = ("search", "match", "fullmatch", "findall", "finditer", "split", "sub", "subn")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(FUNCTIONS).with_suffix("").parts).removesuffix(".__init__")


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def calls_of_re(path: Path) -> Iterator[tuple[str, int]]:
    """Name and line of every call of a function of `re` in a module."""
    for node in nodes(path):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id == "re":
                yield node.func.attr, node.lineno


def flat(value: Any) -> Iterator[Any]:
    """A constant, or what stands in it."""
    if isinstance(value, dict | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from flat(one)
    else:
        yield value


def patterns_in(module: str) -> dict[str, re.Pattern[Any]]:
    """The compiled patterns among the constants of a module: bare, as one of their methods, or several in one."""
    found: dict[str, re.Pattern[Any]] = {}
    for name, value in vars(importlib.import_module(module)).items():
        for number, one in enumerate(flat(value)):
            bound = getattr(one, "__self__", one)
            if isinstance(bound, re.Pattern):
                found[f"{name}.{number}" if number else name] = bound
    return found


def uses() -> Iterator[tuple[str, str]]:
    """Name of a pattern and name of its method, wherever one is used."""
    for path in SOURCES:
        for node in nodes(path):
            if isinstance(node, ast.Attribute) and node.attr in MATCHERS:
                owner = node.value
                name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", None)
                if name:
                    yield name, node.attr


USING = [path for path in SOURCES if any(calls_of_re(path))]
PATTERNS = {
    (module_of(path), name): pattern for path in USING for name, pattern in patterns_in(module_of(path)).items()
}

METHODS: dict[str, set[str]] = {}
for pattern_name, matcher in uses():
    METHODS.setdefault(pattern_name, set()).add(matcher)


@pytest.mark.parametrize("path", USING, ids=module_of)
def test_every_pattern_is_a_constant_of_its_module(path):
    """So that the next test finds it: no pattern is compiled, or used as a text, in the middle of a function."""
    used = [name for name, _ in calls_of_re(path) if name != "escape"]
    assert set(used) <= {"compile"}
    constants = patterns_in(module_of(path))
    assert len(used) <= len(constants), f"{len(used)} patterns, of which {sorted(constants)} are constants"


@pytest.mark.parametrize(("module", "name"), PATTERNS, ids=lambda value: value)
def test_no_pattern_takes_longer_than_its_text_allows(module, name):
    """Long runs of each of its characters, wherever it repeats something: twice the length, not four times the time."""
    pattern = PATTERNS[module, name]
    constant = getattr(importlib.import_module(module), name.partition(".")[0])
    bound = getattr(constant, "__name__", None)
    methods = {bound} if bound else METHODS.get(name, {"search"})
    encode = isinstance(pattern.pattern, bytes)
    for attack in attacks(pattern):
        for method in methods:

            def work(size: int, method: str = method, attack: Any = attack) -> None:
                text = attack(size)
                use(pattern, method, text.encode("latin-1", "replace") if encode else text)

            wrong = grows_faster_than_its_input(work)
            assert wrong is None, (attack(200)[:200], method, wrong)


def use(pattern: re.Pattern[Any], method: str, text: Any) -> None:
    """Use a pattern to its end: all that `sub`, `findall` and their kin do is to search again and again."""
    if method in ("match", "fullmatch"):
        getattr(pattern, method)(text)
    else:
        for _ in pattern.finditer(text):
            pass


TEXTS = (
    *(" ", "1", "a", "/", "<", "&", ";", ":", ",", ".", "-", "\0", "\x81", "é", "\ud7ff", "😀", "\x1c\x02\x19\0\x01"),
    *("1/", ".1", "1 ", ",1", "\x01a", "IDAT", "\0\0\0\x04IDAT", "8BIM\x04\x04\0\0\0\0\0\0", "Exif\0\0", "\x1b$B"),
    *("<?xml ", "</", "<a>", "<!--", "<a b='c'/>", "xmlns:a='", "http://", "x:", "x;=", "{u}a", "2024:01:01 ", "N ,"),
)
"""What is repeated: each a character of some class, or the start of something that somebody looks for."""


def in_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


STRANGERS: dict[Any, Callable[[str], Any]] = {
    bytes: in_bytes,
    str: str,
    str | None: str,
    list[bytes]: lambda text: [in_bytes(text)],
    list[str]: lambda text: [text, *text[:20_000]],
    dict[str, str]: lambda text: {"title": text, "comment": text},
    dict[str, Any]: lambda text: {"xmp": {"dc:a": text, "dc:b": list(text[:20_000])}},
    Raw: str,
    Value: str,
    Value | None: lambda text: {"rdf:value": [text]},
    tuple[Raw, ...]: lambda text: (text, text),
    tuple[Raw, ...] | str: str,
    Source: lambda text: BytesSource(in_bytes(text)),
    File: lambda text: MemoryFile(in_bytes(text)),
}
"""Types that a stranger's text or bytes come in, and how they are made of a text."""

OTHERS: dict[Any, Callable[[], Any]] = {
    Axis: lambda: "latitude",
    Budget: Budget,
    Container: lambda: Container("image/jpeg"),
    Document: Document,
    set[int]: set,
    list[Ifd]: list,
}
"""Other types, and how they are made."""

NUMBERS = {"offset": 0, "start": 0, "at": 0, "base": 0, "envelopes": 2, "other_bytes": 0, "room": 20_000, "keep": 100}
"""Numbers by their name; every other is the size of the input."""

OURS = {
    "by_magic": "image/tiff",
    "column": "title",
    "cost": READ,
    "directory": "IFD0",
    "encoding": "utf-16-le",
    "kind": b"iTXt",
    "namespaces": {"dc": "http://purl.org/dc/elements/1.1/"},
    "order": "<",
    "source": "EXIF:Make",
    "warnings": [],
    "what": "size",
    "where": "APP1",
}
"""Texts and lists by their name that are our own words."""


def functions() -> dict[str, Callable[..., Any]]:
    """Every function of the reader, and of the messages before it, that takes a stranger's text or bytes."""
    found = {}
    for path in sorted((FUNCTIONS / "image_processor").rglob("*.py")):
        module = importlib.import_module(module_of(path))
        if path.stem == "handler":
            continue  # what it logs and counts under a name of ours
        for name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__ == module.__name__ and arguments(function, "1", 1):
                found[f"{module.__name__.removeprefix('image_processor.')}.{name}"] = function
    return found


def arguments(function: Callable[..., Any], text: str, size: int) -> dict[str, Any] | None:
    """Arguments made of a text for a function; None if it takes none from a stranger, or cannot be called alone."""
    made: dict[str, Any] = {}
    strange = False
    for name, parameter in inspect.signature(function).parameters.items():
        kind = parameter.annotation
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            return None
        if name in OURS and kind in (str, bytes, dict[str, str], list[str]):
            made[name] = OURS[name]
        elif kind in STRANGERS:
            made[name], strange = STRANGERS[kind](text), True
        elif kind in OTHERS:
            made[name] = OTHERS[kind]()
        elif kind is int:
            made[name] = NUMBERS.get(name, size)
        elif parameter.default is inspect.Parameter.empty:
            return None
    return made if strange else None


FUNCTIONS_OF_TEXT = functions()
REFUSALS = (ValueError, ArithmeticError, ExpatError, BadNotification)
"""What a function may say of such a text; anything else is a fault, or a call that measures nothing."""


@pytest.mark.parametrize("name", FUNCTIONS_OF_TEXT)
def test_no_function_takes_longer_than_its_text_allows(name):
    """Found by their annotations: a new one is measured without anybody's doing."""
    function = FUNCTIONS_OF_TEXT[name]
    for text in TEXTS:
        for end in ("", "x\x01"):

            def work(size: int, text: str = text, end: str = end) -> None:
                run = text * (size // len(text)) + end
                with contextlib.suppress(*REFUSALS):
                    result = function(**(arguments(function, run, len(run)) or {}))
                    for _ in result if isinstance(result, Iterator) else ():
                        pass

            wrong = grows_faster_than_its_input(work)
            assert wrong is None, (text, end, wrong)


def test_what_other_tests_have_left_in_memory_is_not_measured():
    """Work that makes many objects is not charged with a look through all that there are."""
    looks = []
    gc.callbacks.append(lambda phase, _info: looks.append(phase))
    try:
        seconds(lambda: [[number] for number in range(10_000)])
        assert (looks, gc.isenabled()) == ([], True)
    finally:
        gc.callbacks.pop()


CELLS: dict[str, Callable[[str], Any]] = {
    "guard": guard.guard,
    "unguard": guard.unguard,
    "key": lambda text: guard.unescape(cells.cell({"S": text}, "text", "key")),
    "text": lambda text: cells.cell({"S": text}, "text", "title"),
    "timestamp": lambda text: cells.cell({"S": text}, "timestamp", "captured_at"),
    "json": lambda text: cells.cell({"S": text}, "json", "exif"),
    "integer": lambda text: cells.cell({"N": text}, "integer", "iso"),
    "decimal": lambda text: cells.cell({"N": text}, "decimal", "f_number"),
    "plain text": lambda text: cells.plain_cells({"title": {"S": text}}, "text", ["title"]),
    "plain decimal": lambda text: cells.plain_cells({"iso": {"N": text}}, "decimal", ["iso"]),
    "record": lambda text: [*etags_in(in_bytes(text))],
}
"""What the ledger does with the values of an item, which somebody else than ImageProcessor may have written."""

MARKS = ("=", "'", '"', "';", ";'=", '; "', "|\t", "\t", "\r", "\u3000", "-0.0,", "2026-01-01T0,", '"etag":{"S":"')


@pytest.mark.parametrize("name", CELLS)
def test_no_cell_takes_longer_than_its_text_allows(name):
    """400 KB of any character cost a commit what they cost anywhere."""
    for text in (*TEXTS, *MARKS):

        def work(size: int, text: str = text) -> None:
            with contextlib.suppress(cells.Unusable):
                CELLS[name](text * (size // len(text)))

        wrong = grows_faster_than_its_input(work)
        assert wrong is None, (text, wrong)
