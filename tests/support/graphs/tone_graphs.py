"""A graph of two stages with a state and audio, of which engines can be made in many processes."""

from soundstage.graph.check import build
from soundstage.graph.spec import parse

ALLOW = ["small_stages", "tone_stages"]


def tones(chunk_s=0.4, placement=None, count="count", **params):
    """Builds a counter by `step`, and the noise of its numbers: (n + 1) * step in chunk n.

    `params` are those of the stage that makes the noise.
    """
    counter = {
        "use": "small_stages:Add",
        "inputs": {"a": "in.step", "b": {"from": f"{count}.sum", "delay": 1, "init": 0}},
    }
    tone = {
        "use": "tone_stages:Tone",
        "params": params,
        "inputs": {"a": f"{count}.sum"},
    }
    spec = {
        "schema": 1,
        "name": "tones",
        "format": {"chunk_s": chunk_s, "context_s": 2 * chunk_s, "sample_rate_hz": 8000},
        "inputs": {"step": 1},
        "outputs": {"audio": "tone.audio"},
        "stage": {count: counter, "tone": tone},
        "placement": placement or {},
    }
    return build(parse(spec), ALLOW)
