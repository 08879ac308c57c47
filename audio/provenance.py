"""Provenance of audio: a record in the file's tags, which `inspect` reads back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from soundstage.documents import read_json
from soundstage.files import file_sha256

SCHEMA = 1
NOISE = "random weights: noise, not music"


@dataclass(frozen=True)
class TextPrompt:
    """A text prompt.

    Attributes:
        text: the full text.
        weight: the prompt's share, relative to the other prompts.
    """

    text: str
    weight: float = 1.0

    def __str__(self) -> str:
        return self.text if self.weight == 1.0 else f"{self.text} ({self.weight:g})"


@dataclass(frozen=True)
class AudioPrompt:
    """An audio prompt.

    Attributes:
        audio: the file's name, without its folder.
        sha256: hex digest of the file's bytes.
        weight: the prompt's share, relative to the other prompts.

    Raises:
        ValueError: `audio` has a folder, which would publish a path of the user's disk.
    """

    audio: str
    sha256: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if "/" in self.audio:
            raise ValueError(f"{self.audio!r} must be a file name without its folder")

    @classmethod
    def of(cls, path: Path | str, weight: float = 1.0) -> AudioPrompt:
        """Makes the record of a file; reads the file once, for its digest.

        Raises:
            OSError: the file cannot be read.
        """
        # A file name may have bytes that are not UTF-8; a tag may not.
        name = Path(path).name.encode("utf-8", "replace").decode()
        return cls(name, file_sha256(path), weight)

    def __str__(self) -> str:
        return self.audio if self.weight == 1.0 else f"{self.audio} ({self.weight:g})"


@dataclass(frozen=True)
class StylePrompt:
    """A style vector as a prompt.

    Attributes:
        style: the file's name, without its folder, or "style vector".
        sha256: hex digest of the vector's bytes as float32.
        weight: the prompt's share, relative to the other prompts.
    """

    style: str
    sha256: str
    weight: float = 1.0

    def __str__(self) -> str:
        return self.style if self.weight == 1.0 else f"{self.style} ({self.weight:g})"


# A prompt in a record.
PromptRecord: TypeAlias = TextPrompt | AudioPrompt | StylePrompt


@dataclass(frozen=True)
class StageWeights:
    """The learned arrays of one stage.

    Attributes:
        digest: SHA-256 of the arrays, as hex digits.
        note: their source: a file's name, without its folder, or "random weights, seed 0".
    """

    digest: str
    note: str


@dataclass(frozen=True)
class Provenance:
    """The record of how audio was made: enough to make the same audio again.

    Attributes:
        version: soundstage's version.
        pipeline: the preset's name or the pipeline's name; never a path.
        graph_hash: hex digest of the checked graph.
        prompts: the prompts in force at the start.
        seeds: one per stream.
        controls: the scalar controls at the start but the seed, by name.
        weights: by stage name; only stages that have weights.
        chunks: the requested number of chunks; None = until stopped.
        random_weights: some stage's weights are random, so that the audio is noise, not music.
        continues: the audio file that the music continues.
        injected: the audio file that was the live input.
        played: the MIDI file whose notes were played.
    """

    version: str
    pipeline: str
    graph_hash: str
    prompts: tuple[PromptRecord, ...]
    seeds: tuple[int, ...]
    controls: Mapping[str, float | int]
    weights: Mapping[str, StageWeights]
    chunks: int | None = None
    random_weights: bool = False
    continues: AudioPrompt | None = None
    injected: AudioPrompt | None = None
    played: AudioPrompt | None = None

    @property
    def title(self) -> str:
        """The prompts as one printable line of at most 200 characters; marks noise as such."""
        line = _shortened(" + ".join(map(str, self.prompts)) or self.pipeline, 150)
        return f"{line} [{NOISE}]" if self.random_weights else line

    @property
    def software(self) -> str:
        """The program and its version."""
        return f"soundstage {self.version}"

    def to_json(self) -> str:
        """Returns the record as one line of ASCII JSON, which every tag format can hold."""
        return json.dumps({"soundstage": SCHEMA, **asdict(self)}, allow_nan=False)

    def lines(self) -> list[str]:
        """Returns the record for people, one fact a line."""
        facts = [f"made by     {self.software}, pipeline {self.pipeline}, graph {self.graph_hash}"]
        facts += [f"prompt      {_one_line(prompt)}" for prompt in self.prompts]
        files = {"continues": self.continues, "injected": self.injected, "played": self.played}
        for name, file in files.items():
            facts += [] if file is None else [f"{name:<12}{_one_line(file)}"]
        facts.append("seed        " + ", ".join(map(str, self.seeds)))
        facts += [f"{name:<11} {value:g}" for name, value in self.controls.items()]
        facts += [
            f"weights     {stage}: {weights.note} ({weights.digest[:12]})"
            for stage, weights in self.weights.items()
        ]
        if self.chunks is not None:
            facts.append(f"chunks      {self.chunks}")
        if self.random_weights:
            facts.append(f"warning     {NOISE}")
        return facts


def from_comment(comment: str) -> Provenance | None:
    """Reads the record from a file's comment tag; None if the comment is not such a record.

    Raises:
        ValueError: the record is damaged or of a newer schema.
    """
    from pydantic import TypeAdapter  # late: only `inspect` needs it

    try:
        record = read_json(comment)
    except ValueError:
        return None
    if not isinstance(record, dict) or "soundstage" not in record:
        return None
    schema = record.pop("soundstage")
    if schema != SCHEMA:
        raise ValueError(f"provenance has schema {schema}; this version reads schema {SCHEMA}")
    return TypeAdapter(Provenance).validate_python(record)


def _one_line(prompt: PromptRecord) -> str:
    digest = "" if isinstance(prompt, TextPrompt) else f", {prompt.sha256[:12]}"
    return _shortened(str(prompt), 300) + digest


def _shortened(text: str, length: int) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(printable.split())
    return line if len(line) <= length else line[: length - 3] + "..."
