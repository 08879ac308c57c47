"""The page in a real browser with a real server: playing, steering, recording, saving, opening."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from browsing import hear, play, ready, until

pytestmark = pytest.mark.slow

CHUNK_S = 2.0
PIANO = Path(__file__).parents[4] / "docs" / "audio" / "piano.ogg"


def place(page, name="listener"):
    return page.evaluate("(name) => ({...soundstage.store.point(name)})", name)


def drag(page, selector, to_x, to_y):
    """Drags a point of the pad to a position, in units of the pad."""
    point, pad = page.locator(selector).bounding_box(), page.locator("#pad").bounding_box()
    page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    page.mouse.down()
    page.mouse.move(pad["x"] + to_x * pad["width"], pad["y"] + to_y * pad["height"], steps=4)
    page.mouse.up()


def hear_from_the_start(page, seconds=1.0):
    """Resets the music and returns the sound of its first chunk."""
    page.evaluate("soundstage.conductor.steer()")
    heard = hear(page, seconds + 4.0, again=True)
    # The old music, the pause of the reset, and then the new music.
    quiet = np.abs(heard).max(axis=1) == 0
    steps = np.flatnonzero(np.diff(quiet.astype(int), prepend=0, append=0)).reshape(-1, 2)
    _, start = max(steps, key=lambda run: run[1] - run[0])
    return heard[start : start + round(seconds * 48_000)]


def test_moved_listener_changes_the_music(open_page):
    page = ready(open_page())
    play(page)
    first = hear_from_the_start(page)
    assert np.abs(first).max() > 0.05
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(hear_from_the_start(page), first)
    drag(page, ".point.listener", 0.77, 0.25)
    assert int(page.locator(".point[data-id=p1] .number").inner_text()) > 90
    moved = hear_from_the_start(page)
    assert np.abs(moved - first).max() > 0.05


def test_take_is_downloaded_as_a_file_that_decodes(open_page, tmp_path):
    page = ready(open_page())
    play(page)
    page.locator("#record").click()
    hear(page, 1.0)
    page.locator("#record").click()
    with page.expect_download() as downloading:
        page.locator("#download").click()
    path = tmp_path / "take.wav"
    downloading.value.save_as(path)
    audio, rate_hz = soundfile.read(path)
    assert rate_hz == 48_000
    assert len(audio) > 0.5 * rate_hz
    assert np.abs(audio).max() > 0.05


def test_saved_page_opens_with_its_prompts_and_its_music(open_page, tmp_path):
    page = ready(open_page())
    play(page)
    hear(page, 0.5)
    with page.expect_download() as downloading:
        page.locator("#save").click()
    path = tmp_path / "scenario.soundstage"
    downloading.value.save_as(path)
    kept = json.loads(path.read_text())
    assert kept["session"]
    names = page.evaluate("soundstage.store.prompts.map((prompt) => prompt.name)")
    page.evaluate("soundstage.store.add({kind: 'text', name: 'brass band'})")
    page.locator("#open-file").set_input_files(path)
    until(page, f"soundstage.store.prompts.length === {len(names)}")
    assert page.evaluate("soundstage.store.prompts.map((prompt) => prompt.name)") == names
    assert np.abs(hear(page, 0.5)).max() > 0.01


def test_arrangement_survives_a_reload(open_page):
    page = ready(open_page())
    page.evaluate("soundstage.store.add({kind: 'text', name: 'brass band'})")
    until(page, "(localStorage.getItem('soundstage.layout') ?? '').includes('brass')")
    page.reload()
    ready(page)
    assert "brass band" in page.evaluate("soundstage.store.prompts.map((prompt) => prompt.name)")


def test_audio_file_becomes_a_prompt(open_page):
    page = ready(open_page())
    page.locator("#audio-file").set_input_files(PIANO)
    until(page, "soundstage.store.prompts.some((prompt) => prompt.upload)")
    play(page)
    assert np.abs(hear(page, 0.5)).max() > 0.01


def test_music_goes_on_from_an_audio_prompt(open_page):
    page = ready(open_page())
    page.locator("#audio-file").set_input_files(PIANO)
    until(page, "soundstage.store.prompts.some((prompt) => prompt.upload)")
    play(page)
    until(page, "soundstage.player.status.chunk > 0")
    page.evaluate("""soundstage.conductor.addEventListener("message", ({ detail }) => {
      if (detail.type === "restarted") globalThis.restarted = true;
    })""")
    page.get_by_role("button", name="Go on from piano").click()
    until(page, "globalThis.restarted")
    until(page, "soundstage.player.status.flowing && soundstage.player.status.chunk === 0")
    assert np.abs(hear(page, 0.5)).max() > 0.01


def test_saved_audio_prompt_is_heard_when_the_page_is_opened(open_page, tmp_path):
    page = ready(open_page())
    page.locator("#audio-file").set_input_files(PIANO)
    until(page, "soundstage.store.prompts.some((prompt) => prompt.upload)")
    with page.expect_download() as downloading:
        page.locator("#save").click()
    path = tmp_path / "piano.soundstage"
    downloading.value.save_as(path)
    page.evaluate("soundstage.store.remove(soundstage.store.prompts.at(-1).id)")
    page.locator("#open-file").set_input_files(path)
    until(page, "soundstage.store.prompts.some((prompt) => prompt.upload && !prompt.silent)")
    until(page, "soundstage.conductor.sent.clips?.length === 1")


def test_gesture_is_recorded_edited_and_replayed(open_page):
    page = ready(open_page())
    page.locator("#morph-record").click()
    drag(page, ".point.listener", 0.77, 0.25)
    until(page, "soundstage.morph.takes.listener?.at(-1).x > 0.7")
    page.locator("#morph-record").click()
    keys = page.locator(".key")
    recorded = keys.count()
    assert recorded >= 2
    last = page.evaluate("soundstage.morph.length_s")
    keys.last.focus()
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate("soundstage.morph.length_s") == pytest.approx(last + 1)
    page.evaluate("soundstage.store.move('listener', 0.1, 0.9)")
    page.locator("#morph-replay").click()
    until(page, "soundstage.store.listener.x > 0.7")
    page.locator("#morph-replay").click()
    keys.last.focus()
    page.keyboard.press("Delete")
    assert keys.count() == recorded - 1


def test_lost_connection_is_reopened_and_the_music_goes_on(open_page):
    page = ready(open_page())
    play(page)
    page.evaluate("soundstage.link.socket.close()")
    until(page, "soundstage.link.state === 'waiting'")
    assert "again in" in page.locator("#link-text").inner_text()
    until(page, "soundstage.link.state === 'open' && soundstage.player.status.flowing")
    assert np.abs(hear(page, 0.5)).max() > 0.01


def test_every_control_has_tab_focus_a_name_and_a_focus_ring(open_page):
    page = ready(open_page())
    missed = page.evaluate("""() => {
      const controls = [...document.querySelectorAll("button, input, a[href]")];
      return controls
        .filter((control) => control.checkVisibility() && !control.disabled)
        .filter((control) => control.tabIndex < 0 || !(control.textContent.trim()
          || control.getAttribute("aria-label") || control.labels?.length))
        .map((control) => control.outerHTML);
    }""")
    assert missed == []
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.id || document.activeElement.dataset.id"))
        shown = "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
        assert page.evaluate(f"document.activeElement === document.body || {shown}")
    assert {"play", "reset", "record", "save", "theme", "add-text", "listener", "p0"} <= seen
    assert {"knob-temperature", "knob-seed", "morph-record", "volume"} <= seen


def test_keyboard_alone_plays_and_moves_the_listener(open_page):
    page = ready(open_page())
    page.keyboard.press("Space")
    until(page, "soundstage.player.status.flowing")
    page.locator(".point.listener").focus()
    before = place(page)
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert place(page)["x"] > before["x"]
    page.keyboard.press("Space")
    until(page, "!soundstage.conductor.playing")


def test_phone_shows_the_page_without_horizontal_scrolling(open_page):
    page = ready(open_page(viewport={"width": 390, "height": 844}))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.get_by_role("button", name="Play", exact=True).is_visible()
    assert page.locator("#pad").bounding_box()["width"] > 300


def test_page_is_drawn_less_often_for_those_who_want_less_motion(open_page):
    # How often a canvas moves left while a second of music plays.
    count = """() => {
      globalThis.drawings = 0;
      const draw = CanvasRenderingContext2D.prototype.drawImage;
      CanvasRenderingContext2D.prototype.drawImage = function (...all) {
        drawings += 1;
        draw.apply(this, all);
      };
    }"""
    drawings = {}
    for motion in ("no-preference", "reduce"):
        page = ready(open_page(reduced_motion=motion))
        page.evaluate(count)
        play(page)
        hear(page, 1.0)
        page.evaluate("drawings = 0")
        hear(page, 1.0)
        drawings[motion] = page.evaluate("drawings")
        page.keyboard.press("Space")
    assert 0 < drawings["reduce"] < 0.7 * drawings["no-preference"]
