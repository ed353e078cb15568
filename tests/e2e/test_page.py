"""The page in a real browser: headless Chromium on a server of ours, on export buckets in memory."""

import json
import shutil
import socketserver
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from infra.doubles.image_files import chunk, png
from infra.doubles.memory_bucket import MemoryBucket
from infra.doubles.memory_store import MemoryStore
from infra.waiting import until
from operations.page import access
from operations.page.photos import PhotoReader
from operations.page.server import PageServer, page_server
from tests.support.page_world import add_photos, add_records, export_bucket, keep, photo
from tests.support.paths import PHOTOS as PHOTOS_FOLDER
from tests.support.reader import read_rows
from tests.support.store_calls import WatchedStore

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--no-first-run",
    "--disable-features=NetworkTimeServiceQuerying,OptimizationHints,MediaRouter,Translate,AutofillServerCommunication",
)
# Whom Chromium asks nevertheless, on every page; none of these serves code, fonts or tiles to pages.
CHROMIUM_ITSELF = (
    "accounts.google.com",
    "android.clients.google.com",
    "clients2.google.com",
    "content-autofill.googleapis.com",
    "optimizationguide-pa.googleapis.com",
    "update.googleapis.com",
    "www.google.com",
)
PHOTOS = 60
POSITIONS = 59  # one of fifty has none

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no browser here; on Debian: apt-get install chromium chromium-driver"
)


class Outside(socketserver.ThreadingTCPServer):
    """A proxy for all that is not on this machine: writes down whom the browser wants, and lets nothing out."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Refusal(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with suppress(ConnectionError):
                    line = self.rfile.readline().decode(errors="replace").strip()
                    if not line:
                        return  # connected ahead of need, and closed without asking for anything
                    if not any(f" {host}:" in line or f"//{host}/" in line for host in CHROMIUM_ITSELF):
                        asked.append(line)

        super().__init__(("127.0.0.1", 0), Refusal)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Browser:
    """Chromium, with what the page holds."""

    def __init__(self, driver: Chrome, outside: Outside) -> None:
        self.driver = driver
        self.outside = outside

    def js(self, expression: str) -> Any:
        return self.driver.execute_script(f"return {expression}")

    def wait(self, what: str | Callable[[], Any]) -> Any:
        """Wait until an expression or a function says yes."""
        ask = what if callable(what) else lambda: self.js(f"Boolean({what})")
        return until(ask, lambda: f"{what}; the console says {self.driver.get_log('browser')}")

    def open(self, address: str, photos: int) -> None:
        """Open the page and wait until map and table show so many photos."""
        self.driver.get(address)
        self.wait(f"window.skyledger && skyledger.version !== null && skyledger.rows.length === {photos}")
        self.drawn()

    def drawn(self) -> None:
        """Wait until the map has drawn what is to be shown."""
        self.wait("!skyledger.filtering && skyledger.map.map.loaded() && skyledger.map.map.areTilesLoaded()")

    def shown(self, count: int) -> None:
        """Wait until filters leave so many photos."""
        self.wait(f"skyledger.shown.length === {count} && !skyledger.filtering")
        self.drawn()
        assert self.one("#shown").text.startswith(f"{count:,} of ")

    def markers(self) -> int:
        """Count the photos drawn on the map now."""
        found = "skyledger.map.map.queryRenderedFeatures({layers: ['points']}).map((one) => one.properties.index)"
        return int(self.js(f"new Set({found}).size"))

    def one(self, selector: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[Any]:
        return list(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def column(self, field: str) -> list[str]:
        """Give the texts of a column, from the top, as far as the table is drawn."""
        cells = f"[...document.querySelectorAll('.grid-body [data-field={field}]')]"
        return list(self.js(f"{cells}.map((cell) => cell.textContent)"))

    def rows(self) -> list[Any]:
        """Give the rows that are drawn, from the top."""
        return self.all(".grid-body [role=row]")

    def chosen(self) -> list[str]:
        """Give the names of the rows that say that they are chosen."""
        marked = "[...document.querySelectorAll('[aria-selected=true] [data-field=key]')]"
        return list(self.js(f"{marked}.map((cell) => cell.textContent)"))

    def place(self, row: str) -> tuple[int, int]:
        """Give where a photo is on the map, in pixels from the middle of it."""
        point = self.js(f"skyledger.map.map.project([{row}.gps_longitude_deg, {row}.gps_latitude_deg])")
        size = self.one("#map canvas").size
        return round(point["x"] - size["width"] / 2), round(point["y"] - size["height"] / 2)

    def set(self, selector: str, value: str) -> None:
        """Set a field as a user would, whatever the language of the browser."""
        self.driver.execute_script(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}));",
            self.one(selector),
            value,
        )

    def press(self, *keys: str) -> None:
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--enable-unsafe-swiftshader"):
        options.add_argument(argument)
    options.add_argument("--window-size=1200,800")
    outside = Outside()
    options.add_argument(f"--proxy-server=127.0.0.1:{outside.server_address[1]}")
    for argument in QUIET:  # what Chromium itself would like to reach
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(str(DRIVER)))
    driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument",
        {
            "source": "window.longTasks = []; new PerformanceObserver((list) => longTasks.push(...list.getEntries()"
            ".map((task) => Math.round(task.duration)))).observe({type: 'longtask', buffered: true});"
            # What the page does every ten seconds it does twenty times in them.
            "const often = setInterval; window.setInterval = (work, wait) => often(work, wait / 20);"
        },
    )
    yield Browser(driver, outside)
    driver.quit()
    outside.shutdown()
    outside.server_close()


@contextmanager
def running(store: MemoryStore | WatchedStore, images: MemoryBucket | None = None) -> Iterator[PageServer]:
    reader = PhotoReader(images or MemoryBucket(), {"photos"})
    with page_server(store, reader) as server:  # type: ignore[arg-type]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@contextmanager
def served(store: MemoryStore | WatchedStore) -> Iterator[str]:
    with running(store) as server:
        yield server.address


@pytest.fixture
def bucket() -> MemoryStore:
    return export_bucket(PHOTOS)


@pytest.fixture
def page(browser: Browser, bucket: MemoryStore) -> Iterator[Browser]:
    """The page with a survey of 60 photos, loaded and drawn."""
    with served(bucket) as address:
        browser.open(address, PHOTOS)
        yield browser
        assert_no_errors_but(browser, "/preview/")  # of photos that no bucket has


def test_every_photo_with_a_position_is_on_the_map_and_every_photo_in_the_table(page: Browser) -> None:
    """Photos without a position are counted, not lost."""
    assert page.js("skyledger.markers") == page.markers() == POSITIONS
    assert page.one("#status").text == f"Version 1, {PHOTOS} photos"
    assert page.one("#age").text.startswith("newest event ")
    assert page.one("#shown").text == f"{PHOTOS} of {PHOTOS} photos, 1 without position"
    assert page.column("key")[:2] == ["survey/000MEDIA/DJI_000000.JPG", "survey/000MEDIA/DJI_000001.JPG"]
    legend = [page.one(f"#legend-{part}").text for part in ("low", "high", "kind")]
    assert legend == ["60 m", "68 m", "relative_altitude_m"]
    assert page.js("document.documentElement.scrollWidth <= innerWidth"), "nothing hangs over the edge"


def test_filters_narrow_map_and_table_alike(page: Browser) -> None:
    """By text, camera, time and warnings, and all together; clearing brings everything back."""
    page.one("#search").send_keys("dji_00001 JPG")
    page.shown(10)
    assert page.markers() == 10
    page.one("#clear").click()
    page.shown(PHOTOS)
    cameras = [option.text for option in page.all("#camera option")]
    assert cameras == ["all", "Apple iPhone 15", "DJI FC6310S", "DJI M3E", "Parrot ANAFI"]
    page.set("#camera", "Parrot ANAFI")
    page.shown(14)
    page.set("#from", "2026-06-21T12:00:30")  # the 15th photo, of the first Parrot's seven
    page.set("#to", "2026-06-21T12:00:36")
    page.shown(4)
    page.one("#clear").click()
    page.shown(PHOTOS)
    page.one("#warned").click()
    page.shown(6)
    assert set(page.column("warnings")) == {'["gps_altitude_m: zero denominator"]'}
    page.one("#search").send_keys("nothing has this")
    page.shown(0)
    assert page.markers() == 0
    assert page.one(".grid-note").text == "No photo matches."


def test_the_table_sorts_by_any_column(page: Browser) -> None:
    """Numbers as numbers: 8 comes before 72; a second click turns the order; what has no value is last."""
    head = ".grid-head [data-field={}] button".format
    page.one(head("key")).click()
    page.wait(lambda: page.column("key")[0].endswith("DJI_000000.JPG"))
    page.one(head("key")).click()
    page.wait(lambda: page.column("key")[0].endswith("DJI_000059.JPG"))
    assert page.one(".grid-head [data-field=key]").get_attribute("aria-sort") == "descending"
    page.one(head("gps_altitude_m")).click()
    page.wait(lambda: page.column("gps_altitude_m")[0] == "72")
    page.js("skyledger.table.activate(59, false)")
    values = page.column("gps_altitude_m")
    assert values[-1] == ""
    numbers = [float(value) for value in values if value]
    assert len(numbers) > 5
    assert numbers == sorted(numbers)


def test_the_choice_of_columns_is_kept(page: Browser) -> None:
    """In this browser, until it is changed again; the documents are no columns of the table."""
    assert "etag" not in page.js("skyledger.table.names")
    page.one("#columns summary").click()
    names = [label.text for label in page.all("#column-list label")]
    assert "exposure_time_s" in names
    assert not {"exif", "xmp"} & set(names)
    for name in ("etag", "make"):
        page.one(f"#column-list label:nth-child({names.index(name) + 1}) input").click()
    assert page.column("make") == []
    page.driver.refresh()
    page.wait(f"window.skyledger && skyledger.rows.length === {PHOTOS} && !skyledger.filtering")
    fields = page.js("skyledger.table.names")
    assert "etag" in fields
    assert "make" not in fields


def test_a_photo_is_chosen_in_the_table_or_on_the_map(page: Browser) -> None:
    """It is marked in both, and comes into sight; its values in groups, warnings and a link stand beside."""
    page.rows()[3].click()
    assert page.one("#photo-name").text == "survey/000MEDIA/DJI_000003.JPG"
    assert [one.text for one in page.all("#photo-warnings li")] == ["gps_altitude_m: zero denominator"]
    values = page.one("#photo-values").text.split("\n")
    assert "undefined" not in values
    assert [one.text for one in page.all("#photo-values h3")] == [
        "Object", "Picture", "Camera", "Exposure", "Position", "Aircraft"]  # fmt: skip
    assert values[values.index("gps_altitude_m") + 1] == "72.6 m"
    assert values[values.index("gimbal_yaw_deg") + 1] == "0°"
    link = page.one("#photo-link a").get_attribute("href")
    assert link.endswith(f"/photo/2026-11-25T08%3A00%3A00.003000Z%2C{3:032x}")
    assert page.chosen() == ["survey/000MEDIA/DJI_000003.JPG"]
    page.press(Keys.ESCAPE)
    assert not page.one("#photo").is_displayed()
    assert page.chosen() == []
    page.drawn()
    x, y = page.place("skyledger.shown[50]")
    ActionChains(page.driver).move_to_element_with_offset(page.one("#map canvas"), x, y).click().perform()
    page.wait("skyledger.chosen")
    near = int(page.js("skyledger.chosen.key").rpartition("_")[2].removesuffix(".JPG"))
    assert abs(near - 50) <= 3, "the photos lie nearer to each other than a dot is wide"
    page.wait("skyledger.map.map.queryRenderedFeatures({layers: ['chosen']}).length === 1")
    assert page.chosen() == [page.js("skyledger.chosen.key")]
    frame = "document.querySelector('{}').getBoundingClientRect()".format
    row, grid = page.js(frame("[aria-selected=true]")), page.js(frame("#table"))
    assert grid["top"] < row["top"] < row["bottom"] < grid["bottom"] + 1, "the table has gone to it"


def test_what_is_filtered_fills_the_map(page: Browser) -> None:
    """Unless the reader moves the map just then; the button does it at any time."""
    zoom = "skyledger.map.map.getZoom()"
    before = page.js(zoom)
    page.one("#search").send_keys("dji_00001")
    page.shown(10)
    assert page.js(zoom) > before + 1
    page.js("skyledger.map.map.jumpTo({center: [0, 0], zoom: 3}) && null")
    page.one("#fit").click()
    assert page.js(zoom) > before + 1
    page.drawn()
    assert page.markers() == 10
    held = page.js(zoom)
    canvas = page.one("#map canvas")
    ActionChains(page.driver).move_to_element(canvas).click_and_hold().move_by_offset(30, 20).perform()
    page.set("#search", "")
    page.shown(PHOTOS)
    assert page.js(zoom) == held
    ActionChains(page.driver).release().perform()


def test_a_rectangle_on_the_map_filters(page: Browser) -> None:
    """Dragged by the pointer, or what is in view, which needs none; the map stays where it is."""
    (x, top), (_, bottom) = page.place("skyledger.shown[20]"), page.place("skyledger.shown[10]")
    zoom = page.js("skyledger.map.map.getZoom()")
    page.one("#draw").click()
    step = (bottom - top) / 10
    chain = ActionChains(page.driver).move_to_element_with_offset(
        page.one("#map canvas"), x - 20, round(top - step / 2)
    )
    chain.click_and_hold().move_by_offset(20, 20).move_by_offset(20, round(10 * step + step) - 20).release().perform()
    page.wait("skyledger.view.area && !skyledger.filtering")
    numbers = [int(key[-10:-4]) for key in page.js("skyledger.shown.map((row) => row.key)")]
    assert 9 <= len(numbers) <= 13
    assert {11, 15, 19} <= {*numbers} <= {*range(9, 23)}
    assert page.one("#draw").get_attribute("aria-pressed") == "false"
    assert page.js("skyledger.map.map.getZoom()") == zoom
    page.one("#area-off").click()
    page.shown(PHOTOS)
    page.js("skyledger.map.map.jumpTo({center: [5.58, skyledger.shown[30].gps_latitude_deg], zoom: 18}) && null")
    page.one("#area-view").click()
    page.wait("skyledger.shown.length < 40 && !skyledger.filtering")
    assert page.js("skyledger.shown.some((row) => row.key.endsWith('30.JPG'))")
    page.one("#clear").click()
    page.shown(PHOTOS)


def test_the_view_is_in_the_address(page: Browser) -> None:
    """Whoever opens it sees the same photos, order, colours, choice and part of the map."""
    page.one("#search").send_keys("dji_00002")
    page.shown(10)
    page.set("#camera", "Parrot ANAFI")
    page.shown(1)
    page.set("#camera", "")
    page.shown(10)
    for _ in range(2):
        page.one(".grid-head [data-field=key] button").click()
    page.driver.execute_script(
        "const colour = document.getElementById('colour'); colour.value = 'gimbal_yaw_deg';"
        "colour.dispatchEvent(new Event('change'));"
    )
    page.wait(lambda: page.column("key")[0].endswith("29.JPG"))
    page.rows()[2].click()
    page.js("skyledger.map.map.jumpTo({center: [5.58, 51.9235], zoom: 16.5}) && null")
    page.wait("location.hash.includes('5.58') && location.hash.includes('16.50') && location.hash.includes('photo=')")
    address = page.js("location.href")
    assert "tile" not in address
    page.driver.get("about:blank")
    page.open(address, PHOTOS)
    page.shown(10)
    page.wait("skyledger.chosen")
    assert page.column("key")[0].endswith("29.JPG")
    assert page.chosen() == ["survey/000MEDIA/DJI_000027.JPG"]
    assert page.one("#search").get_attribute("value") == "dji_00002"
    assert page.one("#legend-high").text == "0 °"
    assert page.js("skyledger.map.place.map((one) => Number(one.toFixed(4)))") == [5.58, 51.9235, 16.5]


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
        assert browser.outside.asked == []
        assert [entry for entry in browser.driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_new_photo_shows_by_itself_and_only_what_changed_is_fetched(browser: Browser, bucket: MemoryStore) -> None:
    """The page asks for the manifest again and again, and for shards that it does not have."""
    watched = WatchedStore(bucket)
    with served(watched) as address:
        browser.open(address, PHOTOS)
        watched.calls.clear()
        add_photos(bucket, PHOTOS, PHOTOS + 4)
        browser.wait(f"skyledger.version === 2 && skyledger.rows.length === {PHOTOS + 5} && !skyledger.filtering")
        browser.drawn()
        assert browser.js("skyledger.markers") == POSITIONS + 5
        assert browser.one("#status").text == f"Version 2, {PHOTOS + 5} photos"
        asked = [key.partition("/")[0] for _, key in watched.calls]
        assert asked.count("shards") == asked.count("manifest") == 1
        assert set(asked) == {"manifest.json", "manifest", "shards"}


def test_the_page_is_worked_by_keyboard_alone(page: Browser) -> None:
    """Skip link, filters, headers and rows; focus can be seen, and keeps its place when a photo opens and closes."""
    active = "document.getElementById(document.activeElement.getAttribute('aria-activedescendant')).textContent"
    page.press(Keys.TAB)
    assert page.js("document.activeElement.className") == "skip"
    page.press(Keys.TAB, Keys.TAB, Keys.TAB)
    assert page.js("document.activeElement.id") == "search"
    assert page.js("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for _ in range(60):
        if page.js("document.activeElement.id") == "table":
            break
        page.press(Keys.TAB)
    page.press(Keys.TAB)
    assert page.js("document.activeElement.parentElement.dataset.field") == "key"
    page.press(Keys.ENTER, Keys.ENTER)
    page.wait(lambda: page.column("key")[0].endswith("DJI_000059.JPG"))
    assert page.js("document.activeElement.parentElement.dataset.field") == "key"
    page.driver.execute_script("skyledger.table.focus()")
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    assert page.js("skyledger.chosen.key").endswith("DJI_000058.JPG")
    page.press(Keys.ARROW_DOWN)
    assert page.js("skyledger.chosen.key").endswith("DJI_000057.JPG"), "the panel follows"
    assert page.chosen() == [page.js("skyledger.chosen.key")]
    page.press(Keys.END)
    assert page.js("skyledger.chosen.key").endswith("DJI_000000.JPG")
    page.press(Keys.PAGE_UP, Keys.ESCAPE)
    assert page.js("skyledger.chosen") is None
    assert page.js("document.activeElement.id") == "table"
    stood = page.js(active)
    assert "DJI_00000" in stood or "DJI_00001" in stood
    page.press(Keys.ENTER)
    assert page.js("skyledger.chosen.key") in stood
    page.one("#photo-close").click()
    assert page.js("document.activeElement.id") == "table"
    page.press(Keys.ARROW_UP, Keys.ENTER)
    assert page.js("skyledger.chosen.key") not in stood


def test_every_control_has_a_name_for_a_screen_reader(page: Browser) -> None:
    """And the state of the page is told politely when it changes."""
    page.one("#columns summary").click()
    page.one("#tiles summary").click()
    page.driver.execute_cdp_cmd("Accessibility.enable", {})
    nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = {"button", "checkbox", "combobox", "grid", "link", "searchbox", "textbox", "DisclosureTriangle", "region"}
    controls = [node for node in nodes if node.get("role", {}).get("value") in roles and not node["ignored"]]
    assert len(controls) > 15
    assert [node["role"]["value"] for node in controls if not node.get("name", {}).get("value")] == []
    assert page.one("#status").get_attribute("role") == "status"
    assert page.one("html").get_attribute("lang") == "en"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(page: Browser, scheme: str) -> None:
    """At least 4.5 to 1, as WCAG asks; the map follows the scheme without a reload."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    page.rows()[3].click()
    for selector in ("h1", "#status", "#filters label", "#shown", ".grid-body .grid-cell", ".grid-head button", "dt",
                     "dd", "h3", "#credit", "#photo-warnings li", "#photo-link a"):  # fmt: skip
        assert contrast(page, selector) >= 4.5, selector
    back = page.js("skyledger.map.map.getPaintProperty('back', 'background-color')")
    assert luminance(tuple(int(back[place : place + 2], 16) for place in (1, 3, 5))) > 0.5 if scheme == "light" else 0.1


def contrast(page: Browser, selector: str) -> float:
    """Contrast of an element's text with the first background behind it."""
    colours = page.driver.execute_script(
        "let at = arguments[0]; const text = getComputedStyle(at).color;"
        "const clear = (one) => /, 0\\)$/.test(getComputedStyle(one).backgroundColor);"
        "while (clear(at) && at.parentElement) at = at.parentElement;"
        "return [text, getComputedStyle(at).backgroundColor]",
        page.one(selector),
    )
    numbers = [tuple(int(part) for part in colour.split("(")[1].rstrip(")").split(",")[:3]) for colour in colours]
    light, dark = sorted(map(luminance, numbers), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: tuple[int, ...]) -> float:
    """Relative luminance (WCAG 2)."""
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


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
        browser.driver.execute_script(  # a manifest may name any column
            "const {table} = skyledger; table.order.unshift(arguments[0]); table.shown.add(arguments[0]);"
            "table.drawHead();",
            evil,
        )
        assert browser.all(".grid-head button")[0].text == evil
        assert browser.all("img[src=x]") == []
        assert browser.js("window.broken === undefined")


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


def test_an_empty_system_says_so(browser: Browser) -> None:
    """Right after deployment: no photo was looked for, so none "matches"."""
    with served(export_bucket(0)) as address:
        browser.open(address, 0)
        browser.wait(lambda: browser.one("#status").text == "Version 0, no photos yet")
        assert browser.one("#age").text == "no event yet"
        assert browser.one(".grid-note").text == "There are no photos yet."
        assert browser.js("skyledger.map.map.queryRenderedFeatures({layers: ['land']}).length"), (
            "coasts without a server"
        )


def test_a_lost_server_stays_said_until_it_is_back(browser: Browser, bucket: MemoryStore) -> None:
    """The page keeps what it has, says of what version it is, and goes on when it can, also if nothing changed."""
    lost = f"Not current: manifest.json: 404. Shown is version 1, {PHOTOS} photos."
    with served(bucket) as address:
        browser.open(address, PHOTOS)
        kept = bucket.objects.pop("manifest.json")
        browser.wait(lambda: browser.one("#status").text == lost)
        browser.driver.execute_script("skyledger.newest = new Date().toISOString()")
        browser.wait(lambda: browser.one("#age").text.endswith("1 s ago"))  # which is renewed by the clock
        assert browser.one("#status").text == lost
        assert browser.js("skyledger.rows.length") == PHOTOS
        bucket.objects["manifest.json"] = kept
        browser.wait(lambda: browser.one("#status").text == f"Version 1, {PHOTOS} photos")
        add_photos(bucket, PHOTOS, PHOTOS)
        browser.wait(f"skyledger.rows.length === {PHOTOS + 1}")
    assert_no_errors_but(browser, "manifest.json")


def assert_no_errors_but(browser: Browser, expected: str) -> None:
    errors = [entry["message"] for entry in browser.driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert [message for message in errors if expected not in message] == []


@contextmanager
def narrow(browser: Browser) -> Iterator[None]:
    """Show the page as a phone does."""
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    yield
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_page_works_on_a_phone(browser: Browser, bucket: MemoryStore) -> None:
    """Filters folded away, map and table share the screen, and a chosen photo opens in a sheet that can be closed."""
    with served(bucket) as address, narrow(browser):
        browser.open(address, PHOTOS)
        assert not browser.one("#search").is_displayed()
        main = browser.one("main").rect
        assert main["height"] > 600
        for section in ("#map-section", "#table-section"):
            assert 0.4 < browser.one(section).rect["height"] / main["height"] < 0.6
        browser.one("#filters-fold").click()
        browser.one("#search").send_keys("dji_00004")
        browser.shown(10)
        browser.one("#filters-fold").click()
        assert not browser.one("#search").is_displayed()
        browser.rows()[2].click()
        sheet, close = browser.one("#photo").rect, browser.one("#photo-close").rect
        assert (sheet["x"], sheet["width"]) == (0, 390)
        assert sheet["y"] > 300
        assert sheet["y"] + sheet["height"] == pytest.approx(844, abs=1)
        assert close["x"] + close["width"] <= 390
        assert min(close["width"], close["height"]) >= 44, "as wide as a finger"
        assert (
            browser.js("[document.documentElement.scrollWidth, skyledger.map.map.getCanvas().clientWidth]") == [390] * 2
        )
        browser.wait("!skyledger.map.map.isMoving()")
        point = browser.js(
            "skyledger.map.map.project([skyledger.chosen.gps_longitude_deg, skyledger.chosen.gps_latitude_deg]).y"
        )
        assert browser.one("#map").rect["y"] + point < sheet["y"], "the photo is not under the sheet"
        browser.one("#photo-close").click()
        assert not browser.one("#photo").is_displayed()


def test_what_is_filtered_is_saved_as_lines_of_the_csv(browser: Browser, tmp_path: Path) -> None:
    """Byte for byte, guard and documents included, in the order of the CSV, whatever the table is sorted by."""
    store = export_bucket(PHOTOS)
    record = photo(3, revision=2)
    record["dynamodb"]["NewImage"] |= {"make": {"S": "=cmd|' /C calc'!A1"}, "title": {"S": 'two "words", ü'}}
    add_records(store, [record])
    browser.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    with served(store) as address:
        browser.open(f"{address}#warned=1&sort=-key", PHOTOS)
        browser.shown(6)
        browser.one("#save").click()
        saved = tmp_path / "selection.csv"
        until(saved.exists, "the file")
        until(lambda: saved.read_bytes().endswith(b"\n"), "all of it")
        header, *lines = read_rows(store).splitlines(keepends=True)
        assert b",'=cmd" in saved.read_bytes()
        assert saved.read_bytes() == header + b"".join(line for line in lines if b"zero denominator" in line)
        assert browser.one("#save-state").text == ""
        for key in [key for key in store.objects if key.startswith("shards/")]:
            del store.objects[key]
        browser.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
        browser.one("#save").click()
        browser.wait(lambda: browser.one("#save-state").text.startswith("Not saved: shards/"))
    assert_no_errors_but(browser, "/shards/")


def test_points_are_coloured_by_one_kind_of_number(browser: Browser) -> None:
    """By any column; of heights never two kinds in one ramp, and the legend says which it is, and its unit."""
    store = export_bucket(0)
    records = []
    for number in range(12):
        records.append(photo(number))
        image = records[-1]["dynamodb"]["NewImage"]
        del image["relative_altitude_m"]
        image["iso"] = {"N": str(100 * (1 + number))}
        image["gps_altitude_ref"] = {"N": "2" if number < 3 else "0"}
        image["gps_altitude_m"] = {"N": str(300 + number if number < 3 else 40 + number)}
    add_records(store, records)
    legend = [f"#legend-{part}" for part in ("low", "high", "kind")]
    with served(store) as address:
        browser.open(address, 12)
        kind = "gps_altitude_m, above sea level, grey: 3 of another reference"
        assert [browser.one(part).text for part in legend] == ["43 m", "51 m", kind]
        values = (
            "skyledger.map.map.queryRenderedFeatures({layers: ['points']}).map((one) => one.properties.value ?? null)"
        )
        assert {*browser.js(values)} <= {None, *range(43, 52)}
        assert None in browser.js(values)
        Select(browser.one("#colour")).select_by_value("iso")
        browser.wait("!skyledger.filtering")
        assert [browser.one(part).text for part in legend] == ["100", "1,200", ""]
        Select(browser.one("#colour")).select_by_value("rating")
        browser.wait("!skyledger.filtering")
        assert [browser.one(part).text for part in legend] == ["", "", "no photo shown has it"]


def test_a_preview_stands_beside_the_values(browser: Browser) -> None:
    """The embedded thumbnail; of a photo without one nothing is said, and no error."""
    store, images = export_bucket(0), MemoryBucket()
    keep(images, store, 1, "a.jpg", (PHOTOS_FOLDER / "dji-fc220-0010.head.jpg").read_bytes())
    keep(images, store, 2, "b.png", png(chunk(b"IDAT", zlib.compress(bytes(9 * 6)))))
    with running(store, images) as server:
        browser.open(server.address, 2)
        browser.rows()[0].click()
        browser.wait("!document.getElementById('photo-preview').hidden")
        assert browser.js("document.querySelector('#photo-preview img').naturalWidth") == 160
        assert browser.one("#photo-preview img").get_attribute("alt") == "Preview of a.jpg"
        browser.rows()[1].click()
        browser.wait(
            "performance.getEntriesByType('resource').filter(({name}) => name.includes('/preview/')).length === 2"
        )
        assert not browser.one("#photo-preview").is_displayed()
    assert [entry for entry in browser.driver.get_log("browser") if entry["level"] == "SEVERE"] == []


@contextmanager
def tile_server() -> Iterator[str]:
    """Serve one picture for every tile, to any page."""

    class Tiles(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = png(chunk(b"IDAT", zlib.compress(bytes(9 * 6))))
            self.send_response(200)
            for name, value in (("Content-Type", "image/png"), ("Content-Length", str(len(body)))):
                self.send_header(name, value)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Tiles) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_tile_server_is_named_remembered_and_told_of(page: Browser) -> None:
    """What cannot be asked is refused with the reason; one on this machine works; a dead one is said."""

    def load(address: str) -> None:
        page.one("#tile-url").clear()
        page.one("#tile-url").send_keys(address)
        page.one("#tile-load").click()

    page.one("#tiles summary").click()
    for address, told in {
        "nonsense": "no address",
        "javascript:alert(1)": "no address",
        "http://tiles.example/{z}/{x}/{y}": "on this machine",
        "https://tiles.example/": "{z}, {x} and {y}",
    }.items():
        load(address)
        assert told in page.one("#tile-state").text
        assert page.one("#credit").text == "Coasts: Natural Earth"
    with tile_server() as host:
        load(f"http://{host}/{{z}}/{{x}}/{{y}}.png")
        page.wait(lambda: page.one("#tile-state").text == f"From {host}.")
        assert page.one("#credit").text == f"Map: {host}"
        page.driver.refresh()
        page.wait("window.skyledger && !skyledger.filtering")
        page.wait(lambda: page.one("#credit").text == f"Map: {host}")
        page.one("#tiles summary").click()
        page.one("#tile-off").click()
        assert page.one("#credit").text == "Coasts: Natural Earth"
        page.driver.refresh()
        page.wait("window.skyledger && !skyledger.filtering")
        assert page.one("#tile-url").get_attribute("value").startswith(f"http://{host}/")
        assert page.one("#credit").text == "Coasts: Natural Earth"
    page.one("#tiles summary").click()
    load(f"http://{host}/{{z}}/{{x}}/{{y}}.png")
    page.wait(lambda: f"{host} gives no tiles" in page.one("#tile-state").text)
    load("https://tile.openstreetmap.org/{z}/{x}/{y}.png")
    assert page.one("#credit").text.startswith("© OpenStreetMap contributors")
    page.one("#tile-off").click()
    page.outside.asked.clear()
    page.driver.get_log("browser")


def test_a_hundred_thousand_photos_stay_fluid(
    browser: Browser, record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """The worker parses, the table draws what is in view, the map draws what can be told apart.

    How long the page's own thread was busy is told and not judged: it depends on the machine.
    """
    count = 100_000
    with served(export_bucket(count)) as address:
        began = time.monotonic()
        browser.open(address, count)
        loaded = time.monotonic() - began
        tasks = browser.js("longTasks.splice(0)")
        assert browser.js("typeof Papa") == "undefined", "the page's own thread has no parser"
        assert browser.js("skyledger.markers") == count - count // 50
        assert 1000 < browser.markers() < 40_000
        assert len(browser.rows()) < 100
        began = time.monotonic()
        browser.one("#search").send_keys("DJI_09999")
        browser.shown(10)
        filtered = time.monotonic() - began
        assert browser.markers() == 10 - 1
    figures = {
        "loaded_s": round(loaded, 1),
        "filtered_s": round(filtered, 1),
        "long_tasks": len(tasks),
        "longest_ms": max(tasks, default=0),
        "long_tasks_s": round(sum(tasks) / 1000, 1),
    }
    record_property("page", figures)
    with capsys.disabled():
        print(f"\n100,000 photos on the page: {json.dumps(figures)}")
