"""The page's map in a real browser: what it shows, filters, colours and lies on; and the view in the address."""

import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from selenium.webdriver import ActionChains
from selenium.webdriver.support.select import Select

from infra.doubles.image_files import chunk, png
from tests.support.page_browser import PHOTOS, Browser, needs_browser, served
from tests.support.page_world import add_records, export_bucket, photo

pytestmark = needs_browser


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


def test_a_photo_that_the_panel_would_cover_comes_into_sight_no_nearer(page: Browser) -> None:
    """One that was out of sight is looked at closely; one that was not stays as large as it was."""
    frame = "skyledger.map.map.getBounds()"
    page.js(
        f"skyledger.map.map.jumpTo({{center: [5.58 - 0.48 * ({frame}.getEast() - {frame}.getWest()), 51.92]}}) && null"
    )
    zoom = page.js("skyledger.map.map.getZoom()")
    page.driver.execute_script("skyledger.table.activate(0, true)")
    page.wait("skyledger.map.map.getCanvas().clientWidth < 900")
    assert page.js("skyledger.map.map.getZoom()") == zoom
    across = page.js("skyledger.map.map.project([5.58, 51.92]).x")
    assert 0 < across < page.js("skyledger.map.map.getCanvas().clientWidth")
    page.js("skyledger.map.map.jumpTo({center: [100, 0], zoom: 2}) && null")
    page.driver.execute_script("skyledger.table.activate(1, true)")
    page.wait("skyledger.map.map.getZoom() > 12")


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
