"""The page in a browser: Chromium, a server for the page, and what a test asks of them."""

import shutil
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from infra.doubles.memory_bucket import MemoryBucket
from infra.doubles.memory_store import MemoryStore
from infra.waiting import until
from operations.page.photos import PhotoReader
from operations.page.server import PageServer, page_server
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

needs_browser = pytest.mark.skipif(
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
        self.driver.get_log("browser")  # of the pages before
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


@contextmanager
def launched() -> Iterator[Browser]:
    """Start Chromium, without a way out of this machine."""
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


def assert_no_errors_but(browser: Browser, expected: str) -> None:
    """Look at what the browser wrote down: only errors that have this text in them are in order."""
    errors = [entry["message"] for entry in browser.driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert [message for message in errors if expected not in message] == []
