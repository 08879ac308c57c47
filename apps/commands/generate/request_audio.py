"""The audio that an order names besides its prompts: a clip to go on from, what is played in."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from soundstage.errors import UsageError
from soundstage.graph.plan import Graph


def refuse_contradictions(continue_from: Path | None, keep_clip: bool, resume: Path | None) -> None:
    """Refuses options that do not go together.

    Raises:
        UsageError: with the two that do not.
    """
    if continue_from is not None and resume is not None:
        raise UsageError("--continue-from and --resume both say what to go on from; give one")
    if keep_clip and continue_from is None:
        raise UsageError("--keep-clip needs --continue-from: there is no clip to keep")


def read_order_audio(
    continue_from: Path | None, inject: Path | None, graph: Graph
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Reads both, as the codec of a pipeline that can use them wants them.

    Returns:
        The clip and what is played in, float32 [sample, channel]; None where none was named.

    Raises:
        NotContinuable: the pipeline cannot go on from audio.
        NotInjectable: the pipeline takes no audio.
        InputError: as `audio.clips.read_audio`.
    """
    # late, as decoders come with them
    from soundstage.audio.clips import read_audio
    from soundstage.runners.sessions.continuation import find_ends
    from soundstage.runners.sessions.injection import inject_control

    rate_hz, channels = graph.format.sample_rate_hz, graph.format.channels
    if continue_from is not None:
        find_ends(graph)
    if inject is not None:
        inject_control(graph)
    clip, injected = (
        None if path is None else read_audio(path, rate_hz, channels)
        for path in (continue_from, inject)
    )
    return clip, injected
