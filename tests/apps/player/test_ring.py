"""The ring: samples are read in order, without a jump, and without waiting or allocating."""

import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.apps.player.ring import Ring

FADE = 8
ROOM = 400
# The largest step of a fade over a constant signal.
STEEPEST = np.max(np.diff(np.sin((np.arange(-1, FADE + 1) + 0.5) / FADE * np.pi / 2) ** 2)) + 1e-6


def ring(room=ROOM):
    return Ring(room, 2, FADE)


def hum(samples, loudness=1.0):
    return np.full((samples, 2), loudness, np.float32)


def count_from(start, samples):
    return np.repeat(np.arange(start, start + samples, dtype=np.float32)[:, None], 2, axis=1)


def read(from_ring, samples):
    out = np.full((samples, 2), np.nan, np.float32)
    from_ring.fill(out)
    return out


def test_written_samples_are_read_in_order_and_once():
    buffer, rng = ring(), np.random.default_rng(0)
    out, written = [], 0
    buffer.write(count_from(0, 100))
    written = 100
    for _ in range(300):
        size = int(rng.integers(1, 60))
        if size <= buffer.room_samples:
            buffer.write(count_from(written, size))
            written += size
        take = min(int(rng.integers(1, 60)), max(0, buffer.buffered_samples - FADE))
        out.append(read(buffer, take))
    played = np.concatenate(out)
    assert len(played) > 10 * ROOM
    assert np.array_equal(played[FADE:], count_from(FADE, len(played) - FADE))
    assert buffer.underruns == 0


def test_music_fades_in_and_out_without_a_jump():
    buffer = ring()
    buffer.write(hum(100))
    buffer.end()
    played = np.concatenate([[[0, 0]], read(buffer, 200)])
    assert np.abs(np.diff(played, axis=0)).max() <= STEEPEST
    assert np.count_nonzero(played[:, 0]) == buffer.heard_samples == 100
    assert buffer.finished
    assert buffer.underruns == 0


def test_late_music_is_one_underrun_and_its_silence_is_counted():
    buffer = ring()
    buffer.write(hum(100))
    out = [read(buffer, 30) for _ in range(10)]
    assert (buffer.underruns, buffer.silent_samples) == (1, 300 - 100)
    buffer.write(hum(100))
    out.append(read(buffer, 40))
    assert (buffer.underruns, buffer.silent_samples) == (1, 200)
    played = np.concatenate(out)[:, 0]
    assert np.abs(np.diff(played)).max() <= STEEPEST
    assert played[-1] == 1.0
    read(buffer, 100)
    assert buffer.underruns == 2


def test_pause_is_no_underrun_and_loses_no_sample():
    buffer = ring()
    buffer.write(count_from(0, 200))
    before = read(buffer, 50)
    buffer.pause()
    silence = read(buffer, 100)
    assert buffer.paused
    assert not silence[FADE:].any()
    buffer.pause(False)
    after = read(buffer, 50)
    assert np.array_equal(after[FADE:, 0], count_from(50 + 2 * FADE, 50 - FADE)[:, 0])
    assert before[-1, 0] == 49
    assert (buffer.underruns, buffer.silent_samples) == (0, 0)


def test_silence_before_the_first_sample_is_no_underrun():
    buffer = ring()
    read(buffer, 100)
    assert (buffer.underruns, buffer.silent_samples) == (0, 0)


def test_cut_fades_from_the_old_samples_to_the_new():
    buffer = ring()
    buffer.write(hum(200, 1.0))
    read(buffer, 20)
    buffer.cut()
    assert buffer.buffered_samples == 0
    buffer.write(hum(100, 0.5))
    assert buffer.buffered_samples == 100
    played = read(buffer, 60)[:, 0]
    assert np.abs(np.diff(played)).max() <= STEEPEST
    assert played[-1] == 0.5
    assert played.min() < 0.05
    assert buffer.underruns == 0


def test_stop_fades_out_and_finishes():
    buffer = ring()
    buffer.write(hum(300))
    before = read(buffer, 20)
    buffer.stop()
    assert not buffer.finished
    played = np.concatenate([before, read(buffer, 50)])[:, 0]
    assert np.abs(np.diff(played)).max() <= STEEPEST
    assert buffer.finished
    assert not read(buffer, 10).any()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 80)),
        st.tuples(st.just("fill"), st.integers(1, 60)),
        st.tuples(st.sampled_from(["pause", "go on", "cut"]), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=200)
@given(STEPS)
def test_any_sequence_of_calls_neither_jumps_nor_invents_samples(steps):
    buffer, out, written = ring(), [np.zeros((1, 2), np.float32)], 0
    do = {"pause": buffer.pause, "go on": lambda: buffer.pause(False), "cut": buffer.cut}
    for what, size in steps:
        if what == "write" and size <= buffer.room_samples:
            buffer.write(hum(size))
            written += size
        elif what == "fill":
            out.append(read(buffer, size))
        elif what in do:
            do[what]()
    buffer.stop()
    out.append(read(buffer, 2 * FADE))
    played = np.concatenate(out)
    assert np.isfinite(played).all()
    assert np.abs(np.diff(played, axis=0)).max() <= STEEPEST
    assert buffer.finished
    assert np.count_nonzero(played[:, 0]) == buffer.heard_samples <= written


def test_block_longer_than_the_room_is_refused():
    buffer = ring()
    buffer.write(hum(ROOM - 10))
    with pytest.raises(ValueError, match="no room for 11 samples, only for 10"):
        buffer.write(hum(11))


def test_peaks_are_those_of_the_samples_read_last():
    buffer = ring()
    assert buffer.peaks(10).tolist() == [0, 0]
    block = hum(200, 0.25)
    block[:, 1] = -0.5
    buffer.write(block)
    read(buffer, 100)
    assert buffer.peaks(50).tolist() == [0.25, 0.5]
    buffer.pause()
    read(buffer, 50)
    assert buffer.peaks(50).tolist() == [0, 0]


def test_reading_allocates_no_memory_of_the_size_of_audio():
    buffer = Ring(400_000, 2, 4800)
    buffer.write(hum(390_000))
    out = np.zeros((32_768, 2), np.float32)
    buffer.fill(out)
    tracemalloc.start()
    try:
        for _ in range(15):  # through playing, lateness and silence
            buffer.fill(out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert buffer.underruns == 1
    assert peak < 4096 < out.nbytes / 16


def test_one_thread_may_write_while_another_reads():
    buffer, total, out = ring(), 40_000, []

    def write():
        at = 0
        while at < total:
            size = min(buffer.room_samples, total - at, 97)
            buffer.write(count_from(at, size))
            at += size

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive() or buffer.buffered_samples > 2 * FADE:
        ready = buffer.buffered_samples - FADE
        if ready > 0:
            out.append(read(buffer, min(ready, 61)))
    writer.join()
    played = np.concatenate(out)[:, 0]
    assert buffer.underruns == 0
    assert np.array_equal(played[FADE:], np.arange(FADE, len(played), dtype=np.float32))
    assert len(played) >= total - 2 * FADE


def test_marks_are_cues_at_their_place_in_the_output_and_lost_with_what_is_cut():
    buffer = ring()
    buffer.write(count_from(0, 60))
    read(buffer, 100)  # all but the fade, and then silence
    buffer.mark("one")
    buffer.write(count_from(60, 60))
    buffer.mark("never heard")
    buffer.write(count_from(120, 60))
    out = read(buffer, 40)
    buffer.cut()
    buffer.mark("two")
    buffer.write(count_from(1000, 100))
    rest = read(buffer, 60)
    one, two = buffer.cues
    # The first mark is behind what was held back for a fade.
    assert (one.label, one.sample) == ("one", 100)
    assert out[0, 0] < out[20, 0] == 80
    assert two.label == "two"
    assert rest[two.sample - 140 + FADE, 0] == 1000 + FADE
