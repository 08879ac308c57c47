"""Controls as listeners write them in JSON: only plain values, and clips by the upload's name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from soundstage.apps.server.protocols.websocket import Refused
from soundstage.apps.server.uploads import Upload, Uploads
from soundstage.graph.format import Format
from soundstage.graph.scalar import Scalar
from soundstage.runners.sessions.prompts import PROMPTS

CLIPS, CLIP_WEIGHTS = "clips", "clip_weights"
# An address in a prompt would name a file of the server.
PLAIN = (str, int, float)


def controls_of(asked: object, uploads: Uploads, format: Format) -> dict[str, Any]:
    """Reads what a listener asks for; whether it fits, the engine says.

    Args:
        asked: a JSON object: control names and values. "clips" are names of uploads.
        uploads: where those are.
        format: the music format.

    Raises:
        Refused: it is no object, holds what no control can be, or names an upload that is not
            there.
    """
    if not isinstance(asked, Mapping):
        raise Refused("controls are an object of names and values", "controls")
    found = {str(name): _plain(str(name), value) for name, value in asked.items()}
    if CLIPS in found:
        found |= _clips(found[CLIPS], found.get(CLIP_WEIGHTS), uploads, format)
    return found


def number_of(name: str, value: object, scalar: Scalar) -> int | float:
    """Reads a number from a client that has names and types of its own; rounds it if need be.

    Args:
        name: what the client calls the control, for the refusal.
        value: what it sent.
        scalar: the control; the engine checks its range.

    Raises:
        Refused: the value is no finite number.
    """
    endless = isinstance(value, float) and not math.isfinite(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or endless:
        raise Refused(f"{name} is a number", name)
    return scalar.nearest(value)


def _plain(name: str, value: object) -> Any:
    if isinstance(value, bool):
        raise Refused(f"{name}: true and false are no values of a control", name)
    if isinstance(value, PLAIN):
        return value
    if not isinstance(value, list):
        raise Refused(f"{name}: a number, a text or a list of them", name)
    return [_entry(name, entry) for entry in value]


def _entry(name: str, entry: object) -> Any:
    if isinstance(entry, PLAIN) and not isinstance(entry, bool):
        return entry
    if name == PROMPTS and isinstance(entry, list) and len(entry) == 2:
        text, weight = entry
        if isinstance(text, str) and isinstance(weight, int | float):
            return (text, float(weight))
    raise Refused(f"{name}: a number, a text or a list of them", name)


def upload_of(name: str, uploads: Uploads, where: str) -> Upload:
    """Finds an upload.

    Raises:
        Refused: there is none of that name.
    """
    found = uploads.get(name)
    if found is None:
        raise Refused(f"no upload {name[:40]!r} is here any more: upload it again", where)
    return found


def _clips(names: object, weights: object, uploads: Uploads, format: Format) -> dict[str, Any]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Refused("clips are names of uploads", CLIPS)
    shares = [1.0] * len(names) if weights is None else weights
    if not isinstance(shares, list) or len(shares) != len(names):
        raise Refused("clip_weights has a number for every upload in clips", CLIP_WEIGHTS)
    clips = [np.zeros((0, format.dims["clip_sample"]), np.float32)]
    spread: list[float] = []
    for name, share in zip(names, shares, strict=True):
        found = upload_of(name, uploads, CLIPS).clips
        if not isinstance(share, int | float) or isinstance(share, bool):
            raise Refused("clip_weights are numbers", CLIP_WEIGHTS)
        clips.append(found)
        # The clips of a file share its weight, so that its embedding is their mean.
        spread += [float(share) / len(found)] * len(found)
    return {CLIPS: list(np.concatenate(clips)), CLIP_WEIGHTS: spread}
