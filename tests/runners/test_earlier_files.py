"""Files that earlier versions wrote still open, and pipelines keep their digests.

The files in `tests/golden/earlier_files` are of the preset `toy` with chunks of 0.08 s and seed 7,
after two chunks. The version that wrote them had other names for its modules.
"""

from pathlib import Path

import numpy as np
import pytest

import soundstage
from soundstage.runners.traces.trace import read_trace

FOLDER = Path(__file__).parents[1] / "golden" / "earlier_files"
DIGESTS = {
    "base": "147342c2047e",
    "base-gapless": "40b16ff293f8",
    "base-inject": "0d532ae56244",
    "demo": "ad1c85c228e5",
    "demo-gapless": "fc8ed316e3bb",
    "demo-inject": "61c09057cd30",
    "large": "67d7a95e8c6f",
    "mrt2-base": "19be21646f52",
    "mrt2-small": "84cc72a8a1bf",
    "mrt2-tiny": "437c9f9c8181",
    "tiny": "1620736fb2b4",
    "tiny-gapless": "8c482b68de4e",
    "tiny-inject": "fbe2a0fa7294",
    "toy": "e3a888cf621b",
    "toy-inject": "5c9cfff3ac51",
}


@pytest.mark.parametrize("name", ["toy.session", "toy.journal"])
def test_earlier_session_is_resumed_where_it_ended(name):
    with soundstage.resume(FOLDER / name) as session:
        assert session.state.chunks == (2,)
        chunk = next(session)
    assert chunk.audio.shape == (1, 3840, 2)
    assert np.abs(chunk.audio).max() > 0


def test_earlier_trace_is_read_and_replayed():
    trace = read_trace(FOLDER / "toy.arrow")
    assert trace.complete
    # Processors may round a sine differently in its last bit.
    comparison = soundstage.replay(FOLDER / "toy.arrow", tolerance=1e-5)
    assert comparison.ticks == (2, 2)
    assert comparison.equal


def test_every_preset_keeps_its_digest():
    digests = {name: soundstage.load(name).digest[:12] for name in soundstage.preset_names()}
    assert digests == DIGESTS


def test_default_pipeline_has_the_digest_of_demo():
    root = Path(__file__).parents[2]
    assert soundstage.load(pipeline=root / "pipeline.toml").digest[:12] == DIGESTS["demo"]
