"""A graph of two stages with a state and audio, of which engines can be made in many processes."""

from soundstage.graph.check import build
from soundstage.graph.spec import parse

ALLOW = ["small_stages", "tone_stages"]


def tones(seconds=0.0, fails=-1, chunk_s=0.4, offset=0, placement=None, count="count", **more):
    """Builds a counter by `step`, and the noise of its numbers: (n + 1) * step in chunk n."""
    counter = {
        "use": "small_stages:Add",
        "inputs": {"a": "in.step", "b": {"from": f"{count}.sum", "delay": 1, "init": 0}},
    }
    tone = {
        "use": "tone_stages:Tone",
        "params": {"seconds": seconds, "fails": fails, "offset": offset},
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
        **more,
    }
    return build(parse(spec), ALLOW)
