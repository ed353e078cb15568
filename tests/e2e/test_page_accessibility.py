"""The page for everybody: by keyboard, by screen reader, in light and dark, and on a phone."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from selenium.webdriver import Keys

from infra.doubles.memory_store import MemoryStore
from tests.support.page_browser import PHOTOS, Browser, needs_browser, served

pytestmark = needs_browser


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
        highest, lowest = (
            browser.one("#map").rect["y"]
            + browser.js(f"skyledger.map.map.project([5.58, skyledger.shown[{number}].gps_latitude_deg]).y")
            for number in (PHOTOS - 2, 0)
        )
        tiles = browser.one("#tiles").rect
        assert tiles["y"] + tiles["height"] + 8 < highest < lowest < browser.one("#legend").rect["y"] - 8
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
