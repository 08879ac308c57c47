"""A pipeline of tones that reports the words of its prompts which are not understood."""

from pathlib import Path

import soundstage
from soundstage.graph.plan import Graph

WORDED = Path(__file__).with_name("worded.toml")


def lengths(chunk_s):
    """Returns the settings for short chunks."""
    return [f"format.chunk_s={chunk_s}", f"format.context_s={2 * chunk_s}"]


def worded(chunk_s=0.2) -> Graph:
    return soundstage.load(pipeline=WORDED, settings=lengths(chunk_s))
