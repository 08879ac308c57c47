"""The page's keyboard: clicks, letters and MIDI instruments are heard by the stream."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from browsing import hear, launched, opening, play, ready, serving, until
from note_graphs import ALLOW, NOTES
from wires import PATIENCE_S

pytestmark = pytest.mark.slow

STAGES = Path(__file__).parents[3] / "support" / "stages"
# An instrument that tests play and unplug.
MIDI = """() => {
  const input = { type: "input", state: "connected", name: "A keyboard" };
  const access = new EventTarget();
  access.inputs = new Map([["1", input]]);
  navigator.requestMIDIAccess = async () => access;
  globalThis.instrument = { input, access };
}"""
UNPLUG = """() => {
  const { input, access } = instrument;
  input.state = "disconnected";
  access.dispatchEvent(Object.assign(new Event("statechange"), { port: input }));
}"""


@pytest.fixture(scope="module")
def studio():
    """A browser; a process has one at a time."""
    with launched() as studio:
        yield studio


@pytest.fixture(scope="module")
def page(studio, tmp_path_factory):
    """The page of a pipeline that plays its notes as constants."""
    log = tmp_path_factory.mktemp("serve") / "log"
    before = os.environ.get("PYTHONPATH", "")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", f"{STAGES}{os.pathsep}{before}")
        options = ("--pipeline", str(NOTES), "--allow", *ALLOW)
        with serving(log, *options) as address, opening(studio) as open_page:
            page = ready(open_page(address))
            play(page)
            yield page


def hears(page, value):
    """Waits until the music is a constant."""
    for _ in range(100):
        if abs(hear(page, 0.1)[-1, 0] - value) < 1e-3:
            return
    raise AssertionError(f"{hear(page, 0.1)[-1, 0]} instead of {value}")


def test_clicked_key_sounds_until_it_is_released(page):
    hears(page, -0.5)
    page.get_by_label("Note 64").hover()
    page.mouse.down()
    hears(page, 0.064)
    page.mouse.up()
    hears(page, -0.5)


def test_letters_play_chords_only_while_they_are_asked_to(page):
    page.keyboard.press("a")
    assert page.evaluate("soundstage.notes.held.size") == 0
    page.get_by_role("button", name="Letters").click()
    page.keyboard.down("a")
    page.keyboard.down("d")
    hears(page, 0.124)
    page.keyboard.up("a")
    hears(page, 0.064)
    page.get_by_role("button", name="Panic").click()
    hears(page, -0.5)
    page.get_by_role("button", name="Letters").click()


def test_instrument_plays_and_its_notes_end_when_it_is_unplugged(page):
    page.evaluate(MIDI)
    page.get_by_role("button", name="Use MIDI").click()
    until(page, "document.getElementById('midi-text').textContent === 'A keyboard'")
    page.evaluate("instrument.input.onmidimessage({ data: [0x90, 100, 80] })")
    hears(page, 0.1)
    page.evaluate(UNPLUG)
    hears(page, -0.5)
    assert page.locator("#midi-text").inner_text() == "No MIDI instrument"


def test_keys_steer_magenta_realtime_2(studio, tmp_path):
    served = serving(tmp_path / "log", "--preset", "mrt2-tiny")
    with served as address, opening(studio) as open_page:
        page, sent, received = open_page(address), [], []

        def listen(link):
            link.on("framesent", lambda frame: sent.append(frame))
            link.on("framereceived", lambda frame: received.append(frame))

        page.on("websocket", listen)
        page.reload()
        play(ready(page))
        assert np.abs(hear(page, 0.2)).max() > 0
        page.get_by_label("Note 64").hover()
        page.mouse.down()
        latest = time.monotonic() + PATIENCE_S
        asked = []
        while not asked or not any('"steered"' in str(frame) for frame in received):
            assert time.monotonic() < latest, (asked, received[-3:])
            page.wait_for_timeout(50)
            frames = [json.loads(frame) for frame in sent if isinstance(frame, str)]
            controls = [frame.get("controls") or {} for frame in frames]
            asked = [changes["notes"] for changes in controls if changes.get("notes")]
        page.mouse.up()
    assert 64 in np.ravel(asked[0])
