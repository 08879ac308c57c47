"""The page shows, beside each prompt, its words that the pipeline does not understand."""

import pytest
from browsing import play, ready, serving, until
from worded_graphs import WORDED

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def worded_address(tmp_path_factory):
    pytest.importorskip("starlette")
    with serving(tmp_path_factory.mktemp("serve") / "log", "--pipeline", WORDED) as address:
        yield address


def report(page, number):
    return page.locator(".prompt .unknown").nth(number).inner_text()


def test_words_are_shown_beside_their_prompt_until_it_changes(open_page, worded_address):
    page = ready(open_page(worded_address))
    assert report(page, 0) == ""
    page.evaluate("soundstage.store.prompts[0].name = 'techno flrbgl <b>quux</b>'")
    page.evaluate("soundstage.store.changed()")
    play(page)
    until(page, "document.querySelector('.prompt .unknown').textContent")
    assert report(page, 0) == "not understood: flrbgl, b, quux"
    assert report(page, 1) == ""
    page.evaluate("soundstage.store.prompts[0].name = 'techno'")
    page.evaluate("soundstage.store.changed()")
    until(page, "!document.querySelector('.prompt .unknown').textContent")
