"""Live input from a microphone and from a file, in a browser whose microphone beeps."""

from pathlib import Path

import numpy as np
import pytest
from browsing import hear, launched, opening, play, ready, serving, until

pytestmark = pytest.mark.slow

PIANO = Path(__file__).parents[4] / "docs" / "audio" / "piano.ogg"
MICROPHONE = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a pipeline that takes live input, playing, in a browser with a microphone."""
    log = tmp_path_factory.mktemp("serve") / "log"
    with serving(log, "--preset", "toy-inject") as address, launched(*MICROPHONE) as studio:
        with opening(studio) as open_page:
            page = ready(open_page(address))
            play(page)
            yield page


def played_in(page):
    """Plays until packets were sent and one was loud; returns the loudest level."""
    page.evaluate("""() => {
      globalThis.loudest = 0;
      soundstage.live.packets = 0;
      soundstage.live.addEventListener("changed", () => {
        loudest = Math.max(loudest, soundstage.live.level);
      });
    }""")
    until(page, "loudest > 0.01 && soundstage.live.packets >= 10")


def stop(page):
    page.get_by_role("button", name="Stop", exact=True).click()
    until(page, "!soundstage.live.on")
    packets = page.evaluate("soundstage.live.packets")
    assert page.locator("#live-text").inner_text() == "Start input"
    assert np.abs(hear(page, 0.3)).max() > 0.01, "the music goes on"
    assert page.evaluate("soundstage.live.packets") == packets, "nothing is sent any more"
    assert page.locator("#notice").is_hidden(), page.locator("#notice-text").inner_text()


def test_microphone_is_live_input_until_it_is_released(page):
    page.locator("#live").click()
    until(page, "soundstage.live.on")
    played_in(page)
    track = "soundstage.live.stream.getAudioTracks()[0]"
    assert page.evaluate(f"{track}.getSettings().echoCancellation") is False
    page.evaluate(f"globalThis.track = {track}")
    stop(page)
    assert page.evaluate("track.readyState") == "ended"


def test_unusable_microphone_is_released(page):
    page.evaluate("""() => {
      const { mediaDevices } = navigator;
      const given = mediaDevices.getUserMedia.bind(mediaDevices);
      mediaDevices.getUserMedia = async (wanted) => {
        const stream = await given(wanted);
        [globalThis.track] = stream.getTracks();
        // As browsers do where a device has another rate than the graph.
        globalThis.MediaStreamAudioSourceNode = class {
          constructor() { throw new Error("another rate"); }
        };
        return stream;
      };
      globalThis.whole = { given, source: MediaStreamAudioSourceNode };
    }""")
    page.locator("#live").click()
    until(page, "document.getElementById('notice-text').textContent.includes('another rate')")
    assert page.evaluate("track.readyState") == "ended"
    assert not page.evaluate("soundstage.live.on")
    page.evaluate("""() => {
      navigator.mediaDevices.getUserMedia = whole.given;
      globalThis.MediaStreamAudioSourceNode = whole.source;
      document.getElementById("notice-close").click();
    }""")


def test_file_is_live_input_until_it_ends(page):
    page.locator("#live-source").select_option("file")
    with page.expect_file_chooser() as choosing:
        page.locator("#live").click()
    choosing.value.set_files(PIANO)
    until(page, "soundstage.live.on")
    played_in(page)
    stop(page)


def test_live_input_controls_are_knobs(page):
    assert page.get_by_label("Own share").is_visible()
    page.get_by_label("Own share").fill("0.4")
    until(page, "soundstage.conductor.sent.inject_own === 0.4")
