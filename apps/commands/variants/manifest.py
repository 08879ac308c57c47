"""The manifest of a folder of variants: what each file is, and what made it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from soundstage.audio.provenance import AudioPrompt, Provenance, StageWeights, TextPrompt
from soundstage.errors import InputError
from soundstage.files import replacing, reporting

SCHEMA = 1
NAME = "manifest.json"


@dataclass(frozen=True)
class ManifestEntry:
    """One finished variant.

    Attributes:
        file: its name within the folder.
        name: what a person calls it; "" = nothing.
        prompts: as in the file's tags.
        seed: None when the pipeline takes none.
        controls: the values of the pipeline's scalar controls but the seed, by name.
        weights: by stage name; only stages that have weights.
        pipeline: the pipeline's name.
        graph: hex digest of what the graph computes.
        version: soundstage's version.
        random_weights: some stage's weights are random, so this is noise and not music.
        seconds: duration.
        peak_dbfs: level of the largest sample; None for digital silence.
        rms_dbfs: root mean square over all channels; None for digital silence.
        clipped_samples: samples, over all channels, that were too loud and cut to full scale.
        sha256: hex digest of the file.
        request: hex digest of everything that determines the file.
    """

    file: str
    name: str
    prompts: tuple[TextPrompt | AudioPrompt, ...]
    seed: int | None
    controls: Mapping[str, float | int]
    weights: Mapping[str, StageWeights]
    pipeline: str
    graph: str
    version: str
    random_weights: bool
    seconds: float
    peak_dbfs: float | None
    rms_dbfs: float | None
    clipped_samples: int
    sha256: str
    request: str

    @classmethod
    def of(
        cls,
        file: str,
        name: str,
        made: Provenance,
        request: str,
        *,
        seconds: float,
        peak_dbfs: float | None,
        rms_dbfs: float | None,
        clipped_samples: int,
        sha256: str,
    ) -> ManifestEntry:
        """Puts together what made a file and what was measured of it."""
        return cls(
            file=file,
            name=name,
            prompts=made.prompts,
            seed=made.seeds[0] if made.seeds else None,
            controls=made.controls,
            weights=made.weights,
            pipeline=made.pipeline,
            graph=made.graph_hash,
            version=made.version,
            random_weights=made.random_weights,
            seconds=seconds,
            peak_dbfs=peak_dbfs,
            rms_dbfs=rms_dbfs,
            clipped_samples=clipped_samples,
            sha256=sha256,
            request=request,
        )


@dataclass(frozen=True)
class Manifest:
    """What a folder holds.

    Attributes:
        variants: what the last run asked for and is finished, in its order.
        pending: names of files that the last run has still to make; each may or may not be there.
        earlier: what runs before it have made and it did not ask for.
    """

    variants: tuple[ManifestEntry, ...] = ()
    pending: tuple[str, ...] = ()
    earlier: tuple[ManifestEntry, ...] = ()

    @property
    def entries(self) -> tuple[ManifestEntry, ...]:
        """Everything that is finished."""
        return (*self.variants, *self.earlier)

    def owns(self, file: str) -> bool:
        """Whether a file of that name is one of ours."""
        return file in self.pending or any(entry.file == file for entry in self.entries)


def read_manifest(folder: Path) -> Manifest:
    """Reads a folder's manifest; an empty one if there is none.

    Raises:
        InputError: the file is something else, damaged or of a newer schema.
    """
    from pydantic import TypeAdapter, ValidationError

    path = folder / NAME
    try:
        record = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return Manifest()
    except (OSError, ValueError) as error:
        raise _foreign(path) from error
    if not isinstance(record, dict) or record.pop("soundstage_variants", None) != SCHEMA:
        raise _foreign(path)
    try:
        return TypeAdapter(Manifest).validate_json(json.dumps(record), strict=True)
    except ValidationError as error:
        raise _foreign(path) from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes it; whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    path = folder / NAME
    text = json.dumps({"soundstage_variants": SCHEMA, **asdict(manifest)}, indent=2)
    with replacing(path) as stream, reporting(path):
        stream.write(text.encode() + b"\n")


def _foreign(path: Path) -> InputError:
    return InputError(
        f"{path}: is no manifest that this version of soundstage wrote; move it away, or choose "
        "another folder"
    )
