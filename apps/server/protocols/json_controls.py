"""Controls as clients write them in JSON: plain values, and clips by the names of uploads."""

from __future__ import annotations

import reprlib
import secrets
import sys
from collections.abc import Mapping
from typing import Any, TypeGuard

from soundstage.apps.server.protocols.websocket import Refused
from soundstage.apps.server.uploads import Upload, Uploads
from soundstage.graph.format import Format
from soundstage.graph.plan import Graph
from soundstage.graph.scalar import Scalar, scalars
from soundstage.runners.sessions.notes import HELD, OFF, PITCHES
from soundstage.runners.sessions.prompts import PROMPTS, STYLES

CLIPS, CLIP_WEIGHTS, NOTES, SEED = "clips", "clip_weights", "notes", "seed"
# Other values are refused: elsewhere a prompt may be a path, which here would be the server's.
PLAIN = (str, int, float)
# A request may name so many prompts, and clips of so much audio: 320 s.
MOST_ENTRIES, MOST_CLIPS = 64, 32
LONGEST_NAME = 64
EXPECTED = "a number, a text or a list of them"


def controls_of(values: Mapping[str, Any], uploads: Uploads, format: Format) -> dict[str, Any]:
    """Reads controls; the engine checks whether they fit the pipeline.

    Args:
        values: control names and values from JSON; "clips" are names of uploads, and "notes" MIDI
            pitches.
        uploads: the uploads.
        format: the music format.

    Raises:
        Refused: a value is not one that a control can have, or an upload does not exist.
    """
    for name in values:
        if len(name) > LONGEST_NAME:
            raise Refused(f"{name[:LONGEST_NAME]}...: there is no control of so long a name")
    read = {STYLES: _styles, NOTES: _notes}
    controls = {name: read.get(name, _plain)(name, value) for name, value in values.items()}
    if CLIPS in controls:
        controls |= _clips(controls[CLIPS], controls.get(CLIP_WEIGHTS), uploads, format)
    return controls


def is_number(value: object) -> TypeGuard[int | float]:
    """Returns whether a value from JSON is a number that fits in a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max  # also without inf and nan


def number_of(name: str, value: object, scalar: Scalar) -> int | float:
    """Reads a number of a foreign protocol for a control of the pipeline.

    Args:
        name: the setting's name in that protocol, for the refusal.
        value: the setting's value.
        scalar: the control; the engine checks its range.

    Returns:
        The number, rounded if the control takes whole numbers only.

    Raises:
        Refused: the value is no number that fits in a float.
    """
    if not is_number(value):
        raise Refused(f"{name}: expected a number, got {reprlib.repr(value)}", name)
    return scalar.nearest(value)


def random_seed(graph: Graph) -> dict[str, int]:
    """Returns a random seed as a control, for protocols whose clients expect one.

    Returns:
        `{"seed": 0 to 2**31 - 1}`; nothing if the pipeline has no control `seed`.
    """
    return {SEED: secrets.randbelow(2**31)} if SEED in scalars(graph) else {}


def _plain(name: str, value: object) -> Any:
    if isinstance(value, bool):
        raise Refused(f"{name}: expected {EXPECTED}, not true or false", name)
    if isinstance(value, PLAIN):
        return value
    if not isinstance(value, list):
        raise Refused(f"{name}: expected {EXPECTED}, got {reprlib.repr(value)}", name)
    refuse_long_list(name, value)
    return [_entry(name, entry) for entry in value]


def _notes(name: str, value: object) -> Any:
    """Reads a list of the MIDI pitches that are held; none = the model decides."""
    if not isinstance(value, list) or not all(_is_pitch(pitch) for pitch in value):
        raise Refused(f"{name}: expected a list of MIDI pitches, 0 to {PITCHES - 1}", name)
    return [[HELD if pitch in value else OFF for pitch in range(PITCHES)]] if value else []


def _is_pitch(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < PITCHES


def _styles(name: str, value: object) -> Any:
    """Reads a list of style vectors; the engine checks their sizes."""
    if not isinstance(value, list) or not all(isinstance(vector, list) for vector in value):
        raise Refused(f"{name}: expected a list of lists of numbers", name)
    refuse_long_list(name, value)
    if not all(is_number(number) for vector in value for number in vector):
        raise Refused(f"{name}: expected lists of numbers", name)
    return value


def refuse_long_list(name: str, values: list[Any]) -> None:
    """Refuses a list of more than `MOST_ENTRIES` entries.

    Raises:
        Refused: the list is too long.
    """
    if len(values) > MOST_ENTRIES:
        raise Refused(
            f"{name}: {len(values)} entries exceed the limit of {MOST_ENTRIES}: give fewer", name
        )


def _entry(name: str, entry: object) -> Any:
    if isinstance(entry, PLAIN) and not isinstance(entry, bool):
        return entry
    if name == PROMPTS and isinstance(entry, list) and len(entry) == 2:
        text, weight = entry
        if isinstance(text, str) and is_number(weight):
            return (text, float(weight))
    raise Refused(f"{name}: expected {EXPECTED}, got an entry {reprlib.repr(entry)}", name)


def find_upload(name: str, uploads: Uploads, where: str) -> Upload:
    """Returns an upload.

    Args:
        name: the upload's name.
        uploads: the uploads.
        where: the field that names it, for the refusal.

    Raises:
        Refused: no upload has that name.
    """
    upload = uploads.get(name)
    if upload is None:
        raise Refused(f"{where}: there is no upload {name[:40]!r}: upload it again", where)
    return upload


def _clips(names: object, weights: object, uploads: Uploads, format: Format) -> dict[str, Any]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Refused("clips: expected a list of names of uploads", CLIPS)
    shares = [1.0] * len(names) if weights is None else weights
    if not isinstance(shares, list) or len(shares) != len(names):
        raise Refused("clip_weights: expected a list with a number for each of clips", CLIP_WEIGHTS)
    if not all(is_number(share) for share in shares):
        raise Refused("clip_weights: expected a list of numbers", CLIP_WEIGHTS)
    # An upload that is named twice counts twice, and is kept once.
    weight_of: dict[str, float] = {}
    for name, share in zip(names, shares, strict=True):
        weight_of[name] = weight_of.get(name, 0.0) + float(share)
    files = {name: find_upload(name, uploads, CLIPS).clips for name in weight_of}
    count = sum(map(len, files.values()))
    if count > MOST_CLIPS:
        seconds = MOST_CLIPS * format.clip_s
        raise Refused(
            f"clips: {count} clips of {format.clip_s:g} s exceed the limit of {MOST_CLIPS}: name "
            f"uploads of {seconds:g} s in all, or less",
            CLIPS,
        )
    clips = [clip for samples in files.values() for clip in samples]
    # The clips of a file share its weight, so that its embedding is their mean.
    spread = [weight_of[name] / len(files[name]) for name in files for _ in files[name]]
    return {CLIPS: clips, CLIP_WEIGHTS: spread}
