"""Cue and drop: changes arranged unheard and then played, with a small network."""

import numpy as np
import pytest
from browsing import floats, play, ready, serving, until

pytestmark = pytest.mark.slow

CHANGE_FRAMES = round(0.02 * 48_000)
# Collects every chunk from the server, what the player did with those that replace others, and
# the played samples.
WATCH = """() => {
  Object.assign(globalThis, { came: [], changed: [], played: [] });
  soundstage.player.addEventListener("changed", ({ detail }) => changed.push(detail));
  soundstage.player.tap((samples) => played.push(samples));
  const feed = soundstage.player.feed.bind(soundstage.player);
  soundstage.player.feed = (chunk) => {
    came.push({ ...chunk, samples: chunk.samples.slice() });
    feed(chunk);
  };
}"""


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A server with two slots, of a network small enough to be in time on a busy machine."""
    log = tmp_path_factory.mktemp("serve") / "log"
    with serving(log, "tiny", "--streams", "2", "--capacity", "2") as address:
        yield address


def playing(open_page, address):
    page = ready(open_page(address))
    page.evaluate(WATCH)
    play(page)
    return page


def stereo(page, blocks):
    return floats(page, blocks).reshape(-1, 2)


def where(part, whole):
    """Returns where a part begins in the whole, bit by bit; None = it is not in it."""
    head = part[:64]
    starts = np.flatnonzero((whole[: len(whole) - len(part) + 1] == head[0]).all(axis=1))
    matches = [start for start in starts if (whole[start : start + len(part)] == part).all()]
    return int(matches[0]) if matches else None


def await_past(page, chunk):
    """Waits until a chunk is played to its end and recorded."""
    until(page, f"soundstage.player.status.chunk > {chunk}")
    page.evaluate("globalThis.mark = soundstage.player.status.played_s")
    until(page, "soundstage.player.status.played_s > mark + 0.5")


def replacing(open_page, address, change):
    """Plays, and makes a change, on new pages until a chunk comes in time to replace one.

    On a very busy machine a chunk that is made again may come when the one before is played.

    Returns:
        The page, and what was replaced.
    """
    for _ in range(10):
        page = playing(open_page, address)
        change(page)
        page.evaluate("globalThis.mark = soundstage.player.status.chunk")
        replaced = "changed.some((change) => change.written)"
        until(page, f"{replaced} || soundstage.player.status.chunk > mark + 3")
        if page.evaluate(replaced):
            return page, page.evaluate("changed.find((change) => change.written)")
        page.close()
    raise AssertionError("no chunk came in time")


def both(page, chunk):
    """Returns the samples of a chunk as it was first, and of the one that replaced it."""
    of_index = f"(each) => each.chunk === {chunk}"
    return (
        stereo(page, f"[came.find({of_index} && !each.again).samples]"),
        stereo(page, f"[came.find({of_index} && each.again).samples]"),
    )


def test_cue_is_unheard_and_drop_is_heard_within_a_chunk(open_page, network):
    def cue_and_drop(page):
        page.keyboard.press("c")
        page.evaluate("soundstage.store.move('listener', 0.77, 0.24)")
        until(page, "soundstage.cue.state === 'made'")
        assert page.locator(".point.listener.pending").is_visible()
        assert page.evaluate("came.every((chunk) => !chunk.again)")
        assert page.evaluate("soundstage.conductor.changes().text_weights.length") == 3
        page.keyboard.press("d")

    page, first = replacing(open_page, network, cue_and_drop)
    # In the chunk that sounds, or in the next one: in both cases less than a chunk away.
    assert 0 <= first["chunk"] - first["sounding"] <= 1
    assert (first["from"] > 0) == (first["chunk"] == first["sounding"])
    await_past(page, first["chunk"])
    old, new = both(page, first["chunk"])
    played = stereo(page, "played")
    begins = first["from"] + (CHANGE_FRAMES if first["from"] else 0)
    at = where(new[begins:], played)
    assert at is not None, "the new chunk is played from there to its end"
    assert np.abs(new[begins:] - old[begins:]).max() > 0.01
    assert where(old[begins:], played) is None
    if first["from"]:
        before = old[: first["from"]]
        assert where(before, played) == at - CHANGE_FRAMES - len(before)
    assert not page.evaluate("soundstage.cue.on")


def test_leaving_a_cue_restores_the_arrangement_that_sounds(open_page, network):
    page = playing(open_page, network)
    names = page.evaluate("soundstage.store.prompts.map((prompt) => prompt.name)")
    sent = page.evaluate("soundstage.conductor.sent")
    page.get_by_role("button", name="Cue", exact=True).click()
    page.evaluate("soundstage.store.move('listener', 0.1, 0.9)")
    page.evaluate("soundstage.store.remove('p0')")
    page.evaluate("soundstage.store.add({kind: 'text', name: 'brass band'})")
    until(page, "soundstage.cue.asked")
    assert page.locator(".prompt.pending").count() == 1
    page.get_by_role("button", name="Cue", exact=True).click()
    assert page.evaluate("soundstage.store.prompts.map((prompt) => prompt.name)") == names
    assert page.evaluate("soundstage.conductor.controls()") == sent
    assert page.locator(".pending").count() == 0
    assert page.evaluate("soundstage.conductor.sent") == sent


def test_restored_prompt_keeps_its_gestures(open_page, address):
    page = ready(open_page(address))
    page.evaluate("soundstage.morph.key('p0')")
    track = page.evaluate("soundstage.store.tracks.p0")
    page.keyboard.press("c")
    page.evaluate("soundstage.store.remove('p0')")
    page.keyboard.press("c")
    assert page.evaluate("soundstage.store.tracks") == {"p0": track}


def test_opened_session_is_heard_despite_a_cue(open_page, address, tmp_path):
    page = ready(open_page(address))
    saved = page.evaluate("soundstage.conductor.sent")
    with page.expect_download() as downloading:
        page.locator("#save").click()
    path = tmp_path / "scenario.soundstage"
    downloading.value.save_as(path)
    page.evaluate("soundstage.store.move('listener', 0.77, 0.24)")
    page.keyboard.press("c")
    page.evaluate("soundstage.store.move('listener', 0.1, 0.9)")
    page.locator("#open-file").set_input_files(path)
    until(page, "!soundstage.cue.on && soundstage.conductor.started")
    assert page.evaluate("soundstage.conductor.sent") == saved
    assert page.evaluate("soundstage.conductor.controls()") == saved
    assert page.locator(".pending").count() == 0


def test_moved_prompt_is_heard_sooner_as_other_music_of_the_same_seed(open_page, network):
    move = "soundstage.store.move('listener', 0.77, 0.24)"
    page, change = replacing(open_page, network, lambda page: page.evaluate(move))
    await_past(page, change["chunk"])
    old, new = both(page, change["chunk"])
    assert np.abs(new - old).max() > 0.01
    begins = change["from"] + (CHANGE_FRAMES if change["from"] else 0)
    assert where(new[begins:], stereo(page, "played")) is not None


def test_cue_without_a_free_slot_is_reported_and_its_drop_is_heard(open_page, tmp_path_factory):
    log = tmp_path_factory.mktemp("serve") / "log"
    with serving(log, "--preset", "toy", "--streams", "1") as address:
        page = playing(open_page, address)
        page.keyboard.press("c")
        page.evaluate("soundstage.store.move('listener', 0.77, 0.24)")
        until(page, "soundstage.cue.state === 'late'")
        assert "Drop still works" in page.locator("#notice-text").inner_text()
        page.get_by_role("button", name="Drop", exact=True).click()
        until(page, "came.at(-1).chunk > 0 && soundstage.player.status.flowing")
        controls = page.evaluate("soundstage.conductor.controls()")
        assert page.evaluate("soundstage.conductor.sent") == controls
        assert page.evaluate("soundstage.link.state") == "open"
