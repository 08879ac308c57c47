"""The page on a failing network: a held link, a lost link, and another server after it."""

from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from browsing import hear, play, ready, serving, until
from wires import free_port, wire

pytestmark = pytest.mark.slow

PIANO = Path(__file__).parents[4] / "docs" / "audio" / "piano.ogg"
# Collects the server's messages, and the state of the cue when the link is lost.
NOTE = """() => {
  Object.assign(globalThis, { received: [], atLoss: null });
  soundstage.conductor.addEventListener("message", ({ detail }) => received.push(detail));
  soundstage.link.addEventListener("lost", () => { atLoss = soundstage.cue.state; });
}"""


@pytest.fixture
def cable(address):
    with wire(urlsplit(address).port) as cable:
        yield cable


@pytest.fixture
def page(open_page, cable):
    """The page behind the wire, with a stream."""
    page = ready(open_page(f"http://127.0.0.1:{cable.port}/"))
    page.evaluate(NOTE)
    return page


def lose(page, cable):
    """Closes the link and leads it to a port without a server; waits until the page knows."""
    cable.hang_up(free_port())
    until(page, "soundstage.link.state === 'waiting'")


def find_again(page, cable, address):
    """Leads the link to a server again; waits until the page has a stream."""
    cable.release()
    cable.hang_up(urlsplit(address).port)
    ready(page)


def move_listener(page, x, y):
    page.evaluate("([x, y]) => soundstage.store.move('listener', x, y)", [x, y])


def test_slow_link_counts_underruns_and_grows_the_buffer(page, cable):
    play(page)
    before = page.evaluate("({...soundstage.player.status})")
    cable.hold()
    until(page, f"soundstage.player.status.underruns > {before['underruns']}")
    until(page, f"document.getElementById('underruns').textContent > {before['underruns']}")
    assert page.evaluate("soundstage.player.status.target_s") > before["target_s"]
    assert page.evaluate("soundstage.link.state") == "open"
    cable.release()
    until(page, "soundstage.player.status.flowing")
    assert np.abs(hear(page, 0.3)).max() > 0.01


def test_player_that_failed_to_load_is_loaded_again(page, cable, address):
    cable.hold()
    page.get_by_role("button", name="Play", exact=True).click()
    lose(page, cable)
    until(page, "document.getElementById('notice-text').textContent.includes('be loaded')")
    find_again(page, cable, address)
    play(page)
    assert np.abs(hear(page, 0.3)).max() > 0.01


def test_cue_survives_a_lost_link_unheard_and_is_prepared_again(page, cable, address):
    play(page)
    sounding = page.evaluate("soundstage.conductor.sent")
    page.keyboard.press("c")
    move_listener(page, 0.77, 0.24)
    until(page, "soundstage.cue.state === 'made'")
    lose(page, cable)
    assert page.evaluate("atLoss") == "making", "the prepared change is gone with its server"
    assert page.evaluate("soundstage.cue.on")
    find_again(page, cable, address)
    until(page, "soundstage.cue.state === 'made'")
    assert page.evaluate("soundstage.conductor.sent") == sounding
    assert page.locator(".point.listener.pending").is_visible()
    page.evaluate("received.length = 0")
    page.keyboard.press("d")
    until(
        page, "received.some(({ type, again, steer }) => type === 'chunk' && again && steer === 1)"
    )
    sent = page.evaluate("soundstage.conductor.sent")
    assert sent == page.evaluate("soundstage.conductor.controls()") != sounding
    assert np.abs(hear(page, 0.3)).max() > 0.01


def test_music_goes_on_after_the_last_chunk_that_arrived(page, cable, address):
    """The buffered chunks play on while the page looks for a server, here a new connection."""
    play(page)
    until(page, "soundstage.conductor.newest >= 1")
    lose(page, cable)
    reached = page.evaluate("soundstage.conductor.newest")
    assert page.evaluate("soundstage.player.status.buffered_s") > 0
    page.evaluate("received.length = 0")
    find_again(page, cable, address)
    until(page, "received.some(({ type }) => type === 'chunk')")
    first = page.evaluate("received.find(({ type }) => type === 'chunk').chunk")
    assert first == reached + 1
    assert np.abs(hear(page, 0.3)).max() > 0.01


def test_drop_during_a_lost_link_is_heard_after_reconnecting(page, cable, address):
    page.keyboard.press("c")
    move_listener(page, 0.77, 0.24)
    lose(page, cable)
    page.keyboard.press("d")
    find_again(page, cable, address)
    sent = page.evaluate("soundstage.conductor.sent")
    assert sent == page.evaluate("soundstage.conductor.controls()")
    assert page.locator(".pending").count() == 0


def test_session_opened_during_a_lost_link_goes_on_afterwards(page, cable, address):
    play(page)
    until(page, "received.some(({ type, chunk }) => type === 'chunk' && chunk > 0)")
    session = "soundstage.conductor.save().then((session) => { globalThis.session = session; })"
    page.evaluate(session)
    lose(page, cable)
    page.evaluate("received.length = 0; soundstage.conductor.reopen(session)")
    find_again(page, cable, address)
    until(page, "received.some(({ type }) => type === 'chunk')")
    assert page.evaluate("received.find(({ type }) => type === 'chunk').chunk") > 0


def test_change_before_a_cue_is_heard_despite_a_lost_link(page, cable, address):
    lose(page, cable)
    move_listener(page, 0.77, 0.24)
    controls = page.evaluate("soundstage.conductor.controls()")
    page.keyboard.press("c")
    move_listener(page, 0.1, 0.9)
    find_again(page, cable, address)
    assert page.evaluate("soundstage.conductor.sent") == controls
    until(page, "soundstage.cue.asked")


def test_audio_prompt_removed_in_a_cue_is_uploaded_to_a_new_server(page, cable, tmp_path_factory):
    page.locator("#audio-file").set_input_files(PIANO)
    until(page, "soundstage.conductor.sent.clips?.length === 1")
    before = page.evaluate("soundstage.conductor.sent.clips[0]")
    page.keyboard.press("c")
    page.evaluate("soundstage.store.remove(soundstage.store.prompts.at(-1).id)")
    until(page, "soundstage.cue.asked")
    log = tmp_path_factory.mktemp("serve") / "log"
    with serving(log, "--preset", "toy") as another:
        find_again(page, cable, another)
        # Not at once: the page may not have noticed yet that the old link is gone.
        clips = "soundstage.conductor.sent.clips"
        until(page, f"{clips}?.length === 1 && {clips}[0] !== '{before}'")
        assert page.locator("#notice").is_hidden(), page.locator("#notice-text").inner_text()
        play(page)
        # The upload ended after the start, and its steer ended what was prepared until then.
        until(page, "soundstage.cue.state === 'made'")
        page.keyboard.press("c")
        until(page, "received.some(({ type }) => type === 'unprepared')")
        assert page.evaluate("soundstage.store.prompts.at(-1).upload")
        assert page.evaluate("soundstage.conductor.changes()") == {}


def test_lost_link_ends_the_wait_for_music_that_goes_on_from_a_clip(page, cable):
    page.locator("#audio-file").set_input_files(PIANO)
    until(page, "soundstage.conductor.sent.clips?.length === 1")
    play(page)
    cable.hold()
    page.get_by_role("button", name="Go on from piano").click()
    until(page, "soundstage.store.prompts.at(-1).state")
    lose(page, cable)
    assert not page.evaluate("soundstage.store.prompts.at(-1).state")
