"""A server of the preset `toy`, and a real browser that opens its page."""

import pytest
from browsing import FLAGS, PATIENCE_S, chromium, serving


# Not for the whole session: while Playwright is there, its event loop runs in this thread, and
# tests with loops of their own could not start theirs.
@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    path = chromium()
    if path is None:
        pytest.skip("no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    pytest.importorskip("starlette")
    with serving(tmp_path_factory.mktemp("serve") / "log", "--preset", "toy") as address:
        yield address


@pytest.fixture
def open_page(browser, address):
    """Opens the page in a browser of its own; a fault in its script fails the test."""
    contexts, faults = [], []

    def open_page(at=address, **options):
        contexts.append(browser.new_context(**options))
        contexts[-1].set_default_timeout(1000 * PATIENCE_S)
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(at)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []
