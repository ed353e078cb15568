"""Fixtures of the tests that look at the page in a browser; one browser serves them all."""

from collections.abc import Iterator

import pytest

from infra.doubles.memory_store import MemoryStore
from tests.support.page_browser import PHOTOS, Browser, assert_no_errors_but, launched, served
from tests.support.page_world import export_bucket


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, for all tests."""
    with launched() as started:
        yield started


@pytest.fixture
def bucket() -> MemoryStore:
    """An export bucket with a survey of 60 photos."""
    return export_bucket(PHOTOS)


@pytest.fixture
def page(browser: Browser, bucket: MemoryStore) -> Iterator[Browser]:
    """The page with a survey of 60 photos, loaded and drawn."""
    with served(bucket) as address:
        browser.open(address, PHOTOS)
        yield browser
        assert_no_errors_but(browser, "/preview/")  # of photos that no bucket has
