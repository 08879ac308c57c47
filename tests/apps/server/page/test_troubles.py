"""The page without a free slot, with a token, with dropped files and on a touch screen."""

import base64
from pathlib import Path

import numpy as np
import pytest
from browsing import hear, play, ready, serving, until

pytestmark = pytest.mark.slow

PIANO = Path(__file__).parents[4] / "docs" / "audio" / "piano.ogg"
# Resolves with whether the page starts to play within some seconds.
BEGINS = """new Promise((resolve) => {
  const until = performance.now() + 5000;
  const look = () => {
    const begun = soundstage.conductor.playing;
    if (begun || performance.now() > until) resolve(begun);
    else setTimeout(look, 50);
  };
  look();
})"""


def test_page_takes_a_slot_by_playing_and_waits_for_a_free_one(open_page, tmp_path_factory):
    log = tmp_path_factory.mktemp("serve") / "log"
    with serving(log, "--preset", "toy", "--streams", "1") as address:
        first, second = open_page(address), open_page(address)
        until(first, "soundstage.conductor.started")
        until(second, "soundstage.conductor.started")  # looking takes no slot
        play(first)
        second.get_by_role("button", name="Play", exact=True).click()
        until(second, "soundstage.conductor.waiting")
        assert "No place is free" in second.locator("#notice-text").inner_text()
        first.close()
        until(second, "!soundstage.conductor.waiting")
        assert second.locator("#notice").is_hidden()
        assert np.abs(hear(second, 0.3)).max() > 0.01


def test_page_asks_for_the_token_until_it_is_right(open_page, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("SOUNDSTAGE_TOKEN", "open sesame")
    log = tmp_path_factory.mktemp("serve") / "log"
    with serving(log, "--preset", "toy") as address:
        page = open_page(address)
        field = page.get_by_label("Access token")
        field.fill("let me in")
        field.press("Enter")
        until(page, "document.getElementById('notice-text').textContent.includes('token is wrong')")
        field.fill("open sesame")
        field.press("Enter")
        ready(page)
        assert page.locator("#notice").is_hidden()
        play(page)
        assert np.abs(hear(page, 0.3)).max() > 0.01


def test_audio_file_dropped_on_the_pad_becomes_a_prompt_there(open_page):
    page = ready(open_page())
    page.evaluate(
        """(coded) => {
          const bytes = Uint8Array.from(atob(coded), (letter) => letter.charCodeAt(0));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([bytes], "piano.ogg", { type: "audio/ogg" }));
          const box = document.getElementById("pad").getBoundingClientRect();
          const at = { clientX: box.x + 0.6 * box.width, clientY: box.y + 0.4 * box.height };
          const more = { dataTransfer, bubbles: true, cancelable: true, ...at };
          const pad = document.getElementById("pad");
          pad.dispatchEvent(new DragEvent("dragover", more));
          globalThis.invited = pad.classList.contains("dropping");
          pad.dispatchEvent(new DragEvent("drop", more));
        }""",
        base64.b64encode(PIANO.read_bytes()).decode(),
    )
    assert page.evaluate("invited")
    until(page, "soundstage.store.prompts.at(-1).upload")
    prompt = page.evaluate("({...soundstage.store.prompts.at(-1), file: null})")
    assert prompt["name"] == "piano"
    assert (prompt["x"], prompt["y"]) == pytest.approx((0.6, 0.4), abs=0.01)
    until(page, "soundstage.conductor.sent.clips?.length === 1")


def test_touch_drags_a_prompt_and_taps_play(open_page):
    page = ready(open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True))
    point, pad = page.locator(".point[data-id=p0]"), page.locator("#pad").bounding_box()
    box = point.bounding_box()
    fingers = page.context.new_cdp_session(page)

    def touch(kind, *places):
        points = [{"x": x, "y": y} for x, y in places]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    start = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    touch("touchStart", start)
    for share in (0.6, 0.7, 0.8):
        touch("touchMove", (pad["x"] + share * pad["width"], pad["y"] + share * pad["height"]))
    touch("touchEnd")
    until(page, "Math.abs(soundstage.store.point('p0').x - 0.8) < 0.02")
    assert page.evaluate("scrollY") == 0
    # A busy browser may still handle the end of the drag.
    button = page.get_by_role("button", name="Play", exact=True)
    for _ in range(5):
        button.tap()
        if page.evaluate(BEGINS):
            break
    until(page, "soundstage.player.status.flowing")


def test_phone_plays_through_an_audio_element_that_the_system_controls(open_page):
    page = ready(open_page(has_touch=True, is_mobile=True, viewport={"width": 390, "height": 844}))
    play(page)
    assert page.evaluate("soundstage.player.output.element.paused") is False
    assert page.evaluate("soundstage.player.output.element.srcObject.active") is True
    until(page, "navigator.mediaSession.playbackState === 'playing'")
    assert page.evaluate("navigator.mediaSession.metadata.title.length") > 0
    # The browser suspends the audio, and the page comes back to the front.
    page.evaluate("soundstage.player.context.suspend()")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    until(page, "soundstage.player.context.state === 'running'")
    page.get_by_role("button", name="Pause", exact=True).click()
    until(page, "navigator.mediaSession.playbackState === 'paused'")
    until(page, "soundstage.player.output.element.paused")


def test_stream_link_leads_to_the_present_prompts_as_an_endless_mp3(open_page):
    page = ready(open_page())
    link = page.get_by_role("link", name="Stream")
    assert link.is_visible()
    page.evaluate("soundstage.store.add({kind: 'text', name: 'bells & drums:1'})")
    until(page, "document.getElementById('stream').href.includes('bells')")
    first = """fetch(document.getElementById('stream').href).then(async (answer) => {
      const reader = answer.body.getReader();
      const { value } = await reader.read();
      await reader.cancel();
      return [answer.status, answer.headers.get('content-type'), value.length];
    })"""
    status, kind, size = page.evaluate(first)
    assert (status, kind) == (200, "audio/mpeg")
    assert size > 0


def test_listener_is_told_of_a_large_buffer_until_it_is_small_again(open_page):
    page = ready(open_page())
    play(page)
    assert page.evaluate("document.getElementById('buffer-told').textContent") == ""
    page.evaluate("soundstage.player.late(2.8)")
    until(page, "document.getElementById('buffer-told').textContent.includes('3 s later')")
    assert page.evaluate("soundstage.player.status.target_s") == pytest.approx(3.05)
