"""The page's files: whole, licensed, and put beside the CSV once."""

import hashlib
import itertools
import json
import re

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.columns import NAMES
from ledger.errors import Refused
from ledger.guard import ESCAPES, GUARDED
from operations.page.files import FOLDER, PAGE_POLICY, page_files, page_hash, upload_page
from tests.support.store_calls import WatchedStore, refuse

VENDOR = FOLDER / "vendor"


def test_the_vendored_libraries_are_those_that_were_looked_at() -> None:
    """Every library has its hash and, beside it, its licence; a file without either fails here."""
    listed = dict(reversed(line.split("  ")) for line in (VENDOR / "SHA256SUMS").read_text().splitlines())
    files = {path.name for path in VENDOR.iterdir() if path.suffix in (".js", ".mjs", ".css", ".json")}
    assert set(listed) == files
    for name, digest in listed.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name
    for name in files:
        (licence,) = [path for path in VENDOR.glob("*.LICENSE.txt") if name.startswith(path.name.split(".")[0])]
        assert "Copyright" in licence.read_text()


def test_the_page_names_no_host() -> None:
    """What the page loads stands beside it; its policy lets no script come from elsewhere."""
    html = (FOLDER / "index.html").read_text()
    assert re.findall(r'(?:src|href)="(?:https?:)?//', html) == []
    assert "script-src 'self'" in html
    for path in FOLDER.glob("*.*js"):
        assert not re.search(r"https?://", path.read_text()), path.name


def test_the_page_runs_its_own_scripts_alone_and_sends_nothing_anywhere() -> None:
    """Names and tags are strangers' texts: were one ever taken for markup, nothing in it would run or be sent.

    The map's tiles come from the server that the reader names, by https or from this machine; styles stand in cells.
    """
    directives = [directive.split() for directive in PAGE_POLICY.split("; ")]
    assert len(directives) == len({name for name, *_ in directives}), "of two that are alike browsers heed the first"
    allowed = {name: set(sources) for name, *sources in directives}
    assert allowed.pop("default-src") == {"'none'"}, "what is not named is not allowed"
    assert allowed.pop("script-src") == {"'self'"}, "no inline script, no eval, no other host"
    assert allowed.pop("worker-src") == {"'self'", "blob:"}, "the map makes its worker of a blob"
    assert allowed.pop("style-src") == {"'self'", "'unsafe-inline'"}
    assert allowed.pop("img-src") == {"'self'", "data:", "blob:"}
    local = {"http://localhost:*", "http://127.0.0.1:*"}
    assert allowed.pop("connect-src") == {"'self'", "https:", *local}
    assert allowed.pop("base-uri") == allowed.pop("form-action") == {"'none'"}
    assert allowed == {}


def test_the_page_is_uploaded_once(store: MemoryStore) -> None:
    """Again only where a file is missing or of another version; nothing else of the bucket is touched."""
    names = {key for key, _ in page_files()}
    assert "index.html" in names
    assert upload_page(store) == len(names)
    assert set(store.objects) == names
    assert upload_page(store) == 0
    store.delete(["page/map.mjs"])
    store.put_if_match("page/page.css", b"old", store.head("page/page.css").etag, "text/css", {"sha256": "old"})
    assert upload_page(store) == 2
    stored = store.get("page/page.css")
    types = {key.rpartition(".")[2]: kind.partition(";")[0] for key, (_, kind) in store.objects.items()}
    assert types == {
        "html": "text/html",
        "css": "text/css",
        "js": "text/javascript",
        "mjs": "text/javascript",  # a browser runs no module of another type (HTML Standard, "fetch a module script")
        "txt": "text/plain",
        "json": "application/json",
    }
    assert stored.body == (FOLDER / "page.css").read_bytes()


def test_another_deployment_at_the_same_time_is_no_error(store: MemoryStore) -> None:
    watched = WatchedStore(store)
    watched.on("put_if_match", "page/page.css", refuse(Refused("another one")))
    assert upload_page(watched) == len(list(page_files())) - 1  # type: ignore[arg-type]


@pytest.mark.parametrize("change", ["content", "name"])
def test_the_hash_tells_another_page(change: str, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """The template carries it, so that a deployment with another page uploads it."""
    (tmp_path / "index.html").write_text("a")
    monkeypatch.setattr("operations.page.files.FOLDER", tmp_path)
    before = page_hash()
    assert page_hash() == before
    if change == "content":
        (tmp_path / "index.html").write_text("b")
    else:
        (tmp_path / "index.html").rename(tmp_path / "other.html")
    assert page_hash() != before


def test_the_page_takes_off_the_guard_by_the_rule_of_the_ledger() -> None:
    """A key such as `x;=y.jpg` is guarded in the CSV: a link needs it as it is, and the page has the pattern twice."""
    script = (FOLDER / "rows.js").read_text(encoding="utf-8")
    patterns = re.findall(r"^ *(?:const GUARDED_TAB = )?/(\^?\(.*\))/g?;$", script, re.MULTILINE)
    decoded = [re.sub(r"\\(?:x|u)([0-9a-f]{2,4})", lambda code: chr(int(code[1], 16)), text) for text in patterns]
    assert [text.replace(r"\t", "\t") for text in decoded] == [*GUARDED]
    escapes = re.search(r"^const ESCAPES = (\[.*\]);$", script, re.MULTILINE)
    assert escapes is not None
    assert json.loads(escapes[1].replace(r"\0", r"\u0000")) == [[*pair] for pair in ESCAPES]


def test_the_groups_of_the_panel_begin_with_columns_in_their_order() -> None:
    """A renamed column would leave its group without a beginning, and its fields in the group before."""
    script = (FOLDER / "panel.mjs").read_text(encoding="utf-8")
    firsts = re.findall(r'\["[A-Z]\w+", "(\w+)"\]', script)
    assert len(firsts) > 5
    assert firsts[0] == NAMES[0]
    assert firsts == [name for name in NAMES if name in firsts]


def test_the_page_colours_and_searches_by_columns_that_there_are() -> None:
    """Names of columns stand in its scripts; none of them is one that the CSV does not have."""
    for name, pattern in (
        ("colour.mjs", "HEIGHTS|NO_SCALE"),
        ("filters.mjs", "SEARCHED"),
        ("table.mjs", "FIRST_SHOWN"),
    ):
        found = re.findall(rf"const (?:{pattern}) = (?:new Set\()?\[([^\]]*)\]", (FOLDER / name).read_text("utf-8"))
        assert found, name
        assert {one.strip(' "\n') for listed in found for one in listed.split(",")} <= set(NAMES), name


def test_the_scripts_of_the_page_are_short() -> None:
    """As modules are here."""
    for path in FOLDER.glob("*.*js"):
        assert len(path.read_text("utf-8").splitlines()) <= 300, path.name


def test_the_coasts_are_rings_that_a_map_fills() -> None:
    """Closed, within the world, and none with a leap across it: such a ring fills an ocean."""
    land = json.loads((VENDOR / "land.json").read_text())
    rings = [ring for polygon in land["coordinates"] for ring in polygon]
    assert len(rings) > 100
    for ring in rings:
        assert ring[0] == ring[-1]
        assert all(abs(latitude) <= 90 and abs(longitude) <= 200 for longitude, latitude in ring)
        leaps = [one for one, other in itertools.pairwise(ring) if abs(one[0] - other[0]) > 60]
        assert all(latitude == -90 for _, latitude in leaps), "only round the pole"
