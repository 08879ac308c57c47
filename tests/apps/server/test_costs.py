"""Requests that are small for a client and would be large for the server."""

import numpy as np
import pytest
from served import hear, say, served, settled, speak

from soundstage.apps.server.protocols.json_controls import MOST_CLIPS, MOST_ENTRIES, controls_of
from soundstage.apps.server.protocols.lyria import PATHS
from soundstage.apps.server.protocols.websocket import Refused
from soundstage.apps.server.uploads import Upload, Uploads
from soundstage.graph.format import Format

FORMAT = Format()


def uploads(**clips: int) -> Uploads:
    """Keeps uploads of so many clips, by name."""
    kept = Uploads(FORMAT, 64)
    for name, count in clips.items():
        samples = np.zeros((count, FORMAT.dims["clip_sample"]), np.float32)
        kept._files[name] = Upload(samples, np.zeros((0, 2), np.float32), 10.0 * count)
    return kept


def test_upload_that_is_named_often_is_kept_once_and_counts_as_often():
    values = {"clips": ["a", "b", "a", "a"], "clip_weights": [1, 4, 2, 3]}
    controls = controls_of(values, uploads(a=2, b=1), FORMAT)
    assert len(controls["clips"]) == 3
    assert controls["clip_weights"] == [3.0, 3.0, 4.0]
    # The clips are views of the upload, not copies.
    assert controls["clips"][0].base is controls["clips"][1].base


def test_clips_beyond_the_limit_are_refused_before_they_are_copied():
    kept = uploads(a=12, b=12, c=12)
    assert len(controls_of({"clips": ["a", "b"]}, kept, FORMAT)["clips"]) == 24
    with pytest.raises(Refused, match=f"36 clips of 10 s exceed the limit of {MOST_CLIPS}"):
        controls_of({"clips": ["a", "b", "c"]}, kept, FORMAT)


@pytest.mark.parametrize("name", ["texts", "text_weights", "clips", "clip_weights", "prompts"])
def test_list_beyond_the_limit_is_refused_with_its_name(name):
    value = [1.0 if "weights" in name else "a"] * (MOST_ENTRIES + 1)
    with pytest.raises(Refused, match=f"{name}: 65 entries exceed the limit of 64"):
        controls_of({name: value}, uploads(a=1), FORMAT)


def test_lyria_refuses_more_prompts_than_the_limit_and_goes_on():
    with served() as context, speak(context, PATHS[0]) as socket:
        say(socket, setup={"model": "any"})
        hear(socket)
        prompts = [{"text": "bells", "weight": 1.0}] * (MOST_ENTRIES + 1)
        say(socket, clientContent={"weightedPrompts": prompts})
        assert "exceed the limit" in hear(socket)["warning"]
        say(socket, playbackControl="PLAY")
        assert "serverContent" in hear(socket)
    assert settled(context, 0)
