"""The page among strangers: their photos, their links, their pages, their servers."""

import json
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from infra.doubles.image_files import chunk, png
from infra.doubles.memory_bucket import MemoryBucket
from infra.doubles.memory_store import MemoryStore
from operations.page import access
from tests.support.page_browser import (
    PHOTOS,
    Browser,
    needs_browser,
    running,
    served,
)
from tests.support.page_world import add_records, export_bucket, keep, photo

pytestmark = needs_browser


def test_nobody_else_is_asked_for_anything(page: Browser) -> None:
    """Neither for code nor for fonts nor for tiles, by page or workers, unless the reader names a tile server."""
    page.rows()[3].click()
    page.one("#tiles summary").click()
    page.drawn()
    assert page.outside.asked == []
    page.one("#tile-url").send_keys("https://tiles.example/{z}/{x}/{y}.png")
    page.one("#tile-load").click()
    page.wait(lambda: page.outside.asked)
    page.one("#tile-off").click()
    page.drawn()
    assert all("tiles.example" in line for line in page.outside.asked)
    page.outside.asked.clear()
    page.driver.get_log("browser")  # the tiles that did not come


def test_a_photo_cannot_bring_code_into_the_page(browser: Browser) -> None:
    """Whoever may upload a photo writes its name and its tags: they are text and nothing else."""
    store = export_bucket(0)
    record = photo(0)
    evil = '<img src=x onerror="window.broken=1"><script>window.broken=1</script>'
    for name in ("key", "make", "model"):
        record["dynamodb"]["NewImage"][name] = {"S": evil}
    record["dynamodb"]["NewImage"]["warnings"] = {"S": json.dumps([evil])}
    add_records(store, [record])
    with served(store) as address:
        browser.open(address, 1)
        browser.rows()[0].click()
        assert browser.one("#photo-name").text == evil
        assert browser.column("make") == [evil]
        assert browser.one(".grid-body [data-field=make]").get_attribute("title") == evil, "it is cut, and can be read"
        browser.driver.execute_script(  # a manifest may name any column
            "const {table} = skyledger; table.order.unshift(arguments[0]); table.shown.add(arguments[0]);"
            "table.drawHead();",
            evil,
        )
        assert browser.all(".grid-head button")[0].text == evil
        assert browser.all("img[src=x]") == []
        assert browser.js("window.broken === undefined")


def test_an_address_that_somebody_made_up_is_heeded_as_far_as_it_makes_sense(
    browser: Browser, bucket: MemoryStore
) -> None:
    """Whoever sends a link may be a stranger: it cannot break the page, bring code into it or name a tile server."""
    evil = "<img src=x onerror=window.broken=1>"
    with served(bucket) as address:
        for hash_ in (
            f"search={evil}&camera={evil}&sort={evil}&colour={evil}&photo={evil}&from={evil}",
            "map=1,2&area=0,0,0&tiles=https://tiles.example/{z}/{x}/{y}.png&tile-url=https://tiles.example",
            "map=NaN,1e999,3&area=500,0,0,1&sort=-nothing&colour=exif", "map=0,0,-1&area=1,2,3,1&%%%=%&photo=2026",
        ):  # fmt: skip
            browser.driver.get("about:blank")
            browser.open(f"{address}#{hash_}", PHOTOS)
            browser.wait("!skyledger.filtering")
            assert browser.js("window.broken === undefined && document.querySelector('img[src=x]') === null")
            assert browser.js("[skyledger.view.area, skyledger.view.map]") == [None, None]
            assert browser.js("skyledger.shown.length") == (0 if "search" in hash_ else PHOTOS)
            assert [entry for entry in browser.driver.get_log("browser") if entry["level"] == "SEVERE"] == []
        assert browser.outside.asked == []


def test_a_photo_opens_and_what_is_none_does_not(browser: Browser) -> None:
    """An image stands in a tab of its own, in a sandbox; what only has an image's name is not shown at all."""
    store, images = export_bucket(0), MemoryBucket()
    image = png(chunk(b"IDAT", zlib.compress(bytes(9 * 6))), width=8, height=6)
    keep(images, store, 1, "survey/../a&b.png", image)
    trick = keep(images, store, 2, "trick.png", b"<script>document.title = 'broken'</script>")
    with running(store, images) as server:
        browser.open(server.address, 2)
        browser.rows()[0].click()
        page = browser.driver.current_window_handle
        browser.one("#photo-link a").click()
        browser.wait(lambda: len(browser.driver.window_handles) == 2)
        browser.driver.switch_to.window(next(one for one in browser.driver.window_handles if one != page))
        browser.wait("document.images.length === 1 && document.images[0].naturalWidth === 8")
        assert browser.js("[origin, document.contentType]") == ["null", "image/png"]
        browser.driver.get(server.address + trick)
        assert browser.js("[document.title, document.contentType]") != ["broken", "text/html"]
        browser.driver.close()
        browser.driver.switch_to.window(page)
    assert [entry for entry in browser.driver.get_log("browser") if entry["level"] == "SEVERE"] == []


ATTACKS = """
const [page, done] = arguments, found = {}, frames = {};
const loads = (name, element, where) => new Promise((resolve) => {
  element.onload = () => { found[name] = true; resolve(); };
  element.onerror = () => { found[name] = false; resolve(); };
  element[where] = page + name;
  document.body.append(element);
});
const reads = (name, options) => fetch(page + name, options).then(() => { found[JSON.stringify(options)] = true; })
  .catch(() => { found[JSON.stringify(options)] = false; });
const make = (name, more) => Object.assign(document.createElement(name), more);
Promise.all([
  reads("manifest.json", {mode: "cors"}), reads("manifest.json", {mode: "no-cors"}),
  reads("manifest.json", {mode: "cors", credentials: "include"}),
  loads(PHOTO, make("img"), "src"), loads(PHOTO, make("img", {crossOrigin: "anonymous"}), "src"),
  loads("page/table.mjs", make("script"), "src"), loads("page/page.css", make("link", {rel: "stylesheet"}), "href"),
  ...["", "image-data.csv-metadata.json", PHOTO].map((name, index) => new Promise((resolve) => {
    const frame = make("iframe", {src: page + name, id: "frame" + index, onload: resolve});
    document.body.append(frame);
  })),
]).then(() => done(found));
"""


@contextmanager
def another_server() -> Iterator[int]:
    """Serve an empty page on another port of this machine."""

    class Empty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>another</title><body>")

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize("telling", [True, False], ids=["a browser that tells who asks", "one that does not"])
def test_a_page_from_elsewhere_gets_nothing_out_of_it(
    browser: Browser, telling: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even if it knows the token: it reads nothing, embeds nothing and frames nothing.

    From another port of this machine (of the same site) and from another name (of another one); if the browser does not
    tell the server who asks, the headers of the answers alone hold.
    """
    if not telling:
        monkeypatch.setattr(access, "_is_own", lambda host, headers: True)
    store, images = export_bucket(3), MemoryBucket()
    image = keep(images, store, 9, "a.png", png(chunk(b"IDAT", zlib.compress(bytes(9 * 6)))))
    attacks = ATTACKS.replace("PHOTO", json.dumps(image))
    with running(store, images) as server, another_server() as port:
        for host in ("127.0.0.1", "localhost"):
            browser.driver.get(f"http://{host}:{port}/")
            found = browser.driver.execute_async_script(attacks, server.address)
            assert len(found) == 6
            assert not any(found.values()), found
            for index in range(3):
                browser.driver.switch_to.frame(f"frame{index}")
                assert browser.js("document.URL") == "chrome-error://chromewebdata/"
                browser.driver.switch_to.default_content()
        assert not telling or images.gets == 0
        mine = browser.driver.current_window_handle
        browser.js(f"(window.opened = open({json.dumps(server.address)})) && null")
        browser.wait(lambda: len(browser.driver.window_handles) == 2)
        browser.wait("opened.closed")  # so it seems to whoever opened it, who has no hold on it any longer
        browser.driver.switch_to.window(next(one for one in browser.driver.window_handles if one != mine))
        browser.wait("window.skyledger && skyledger.rows.length === 4")
        assert browser.js("opener") is None
        browser.driver.close()
        browser.driver.switch_to.window(mine)
    browser.driver.get_log("browser")  # what was refused
