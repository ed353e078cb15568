"""The page in a real browser: headless Chromium on a server of ours, on export buckets in memory."""

import json
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Keys

from infra.doubles.image_files import chunk, png
from infra.doubles.memory_bucket import MemoryBucket
from infra.doubles.memory_store import MemoryStore
from infra.waiting import until
from operations.page.access import Access
from tests.support.page_browser import (
    PHOTOS,
    POSITIONS,
    Browser,
    assert_no_errors_but,
    needs_browser,
    running,
    served,
)
from tests.support.page_world import add_photos, add_records, export_bucket, keep, photo
from tests.support.paths import PHOTOS as PHOTOS_FOLDER
from tests.support.reader import read_rows
from tests.support.store_calls import WatchedStore

pytestmark = needs_browser


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
    page.driver.execute_script("skyledger.rows[3].serial_number = 'SN-1Z'")
    page.one("#search").send_keys("sn-1z")
    page.shown(1)
    page.set("#search", "")
    page.shown(6)
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


def test_a_preview_stands_beside_the_values(browser: Browser) -> None:
    """The embedded thumbnail; of a photo without one that is said in words, and is no error."""
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
        browser.wait(lambda: browser.one("#photo-without").text == "PNG: no preview that browsers show")
        assert not browser.one("#photo-preview").is_displayed()
        assert [entry for entry in browser.driver.get_log("browser") if entry["level"] == "SEVERE"] == []
        browser.rows()[0].click()
        browser.wait("!document.getElementById('photo-preview').hidden")
        assert browser.one("#photo-without").text == ""
        images.delete("b.png")
        browser.rows()[1].click()
        browser.wait(lambda: browser.one("#photo-without").text.startswith("No preview: b.png: not what the row"))
    assert_no_errors_but(browser, "/preview/")


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


def test_an_empty_system_says_so(browser: Browser) -> None:
    """Right after deployment: no photo was looked for, so none "matches"."""
    with served(export_bucket(0)) as address:
        browser.open(address, 0)
        browser.wait(lambda: browser.one("#status").text == "Version 0, no photos yet")
        assert browser.one("#age").text == "no event yet"
        assert browser.one(".grid-note").text == "There are no photos yet."
        browser.one("#columns summary").click()
        note, head = browser.one(".grid-note").rect, browser.one(".grid-head").rect
        assert note["y"] >= head["y"] + head["height"], "also below the list of columns"
        assert browser.js("skyledger.map.map.queryRenderedFeatures({layers: ['land']}).length"), (
            "coasts without a server"
        )


def test_a_lost_server_stays_said_until_it_is_back(browser: Browser, bucket: MemoryStore) -> None:
    """The page keeps what it has, says of what version it is, and goes on when it can, also if nothing changed."""
    lost = f"Not current: manifest.json: 404. Shown is version 1, {PHOTOS} photos."
    with running(bucket) as server:
        browser.open(server.address, PHOTOS)
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
        server.access = Access(server.access.port)  # as after a start on the same port
        browser.wait(lambda: "(a server that was started anew has a new address)" in browser.one("#status").text)
    assert_no_errors_but(browser, "manifest.json")


def test_sorting_leaves_the_thread_to_the_reader_every_few_milliseconds(page: Browser) -> None:
    """By a clock that goes on by a microsecond with each comparison: no stretch is longer than a slice and a run."""
    stretches = page.driver.execute_async_script("""
        const [done] = arguments;
        import(new URL("page/slices.mjs", document.baseURI)).then(async ({ sorted }) => {
            let [now, since, longest] = [0, 0, 0];
            const [clock, yielding] = [performance.now, scheduler.yield];
            const note = () => { longest = Math.max(longest, now - since); since = now; };
            performance.now = () => now;
            scheduler.yield = () => (note(), Promise.resolve());
            const items = Array.from({ length: 100_000 }, (_, index) => (index * 7919) % 100_003);
            const compare = (one, other) => (now += 0.001, one - other);
            const inOrder = await sorted(items, compare, new AbortController().signal);
            note();
            Object.assign(performance, { now: clock });
            scheduler.yield = yielding;
            done([longest, now, inOrder.every((item, place) => !place || inOrder[place - 1] <= item)]);
        });
    """)
    longest, all_in_all, in_order = stretches
    assert in_order
    assert all_in_all > 1000
    assert longest < 50


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
