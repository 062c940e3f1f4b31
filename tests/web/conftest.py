"""A page that is served for the tests, and a browser that looks at it."""

import os
import shutil

import pytest
from served import serving

# What Chromium needs as root in a container, and to ask nobody for anything.
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="session")
def page():
    """The address of a page that every test of this run may use."""
    with serving() as (address, said):
        yield address
    # Two processes of the page's own wrote nothing but the address: no request, no patient, no traceback.
    assert "".join(said).count("\n") == 1, said


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium; where there is none the test is skipped, unless NKSIM_BROWSER says that it must be there."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None and os.environ.get("NKSIM_BROWSER") != "required":
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=list(QUIET))
        yield browser
        browser.close()
