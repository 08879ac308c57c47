"""A server of the preset `toy`, and a real browser that opens its page."""

import pytest
from browsing import launched, opening, serving


# Not for the whole session: while Playwright is open, its event loop runs in this thread, and
# tests with their own event loops cannot start them.
@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    pytest.importorskip("starlette")
    with serving(tmp_path_factory.mktemp("serve") / "log", "--preset", "toy") as address:
        yield address


@pytest.fixture
def open_page(browser, address):
    """Opens the page of a server, by default that of this folder."""
    with opening(browser) as open_page:
        yield lambda at=address, **options: open_page(at, **options)
