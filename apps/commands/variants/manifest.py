"""The manifest of a folder of variants: the facts and the provenance of each file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from soundstage.audio.provenance import PromptRecord, Provenance, StageWeights
from soundstage.documents import read_json
from soundstage.errors import InputError
from soundstage.files import replacing, reporting

SCHEMA = 1
NAME = "manifest.json"


@dataclass(frozen=True)
class ManifestEntry:
    """One finished variant.

    Attributes:
        file: the file's name within the folder.
        name: the variant's name in its list; "" = none.
        prompts: as in the file's tags.
        seed: None when the pipeline takes none.
        controls: the values of the pipeline's scalar controls but the seed, by name.
        weights: by stage name; only stages that have weights.
        pipeline: the pipeline's name.
        graph: hex digest of the graph.
        version: soundstage's version.
        random_weights: whether a stage's weights are random, so that the file is noise.
        seconds: duration.
        peak_dbfs: level of the largest sample; None for digital silence.
        rms_dbfs: root mean square over all channels; None for digital silence.
        clipped_samples: samples, over all channels, that were too loud and cut to full scale.
        sha256: hex digest of the file.
        request: hex digest of everything that determines the file.
    """

    file: str
    name: str
    prompts: tuple[PromptRecord, ...]
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
        provenance: Provenance,
        request: str,
        *,
        seconds: float,
        peak_dbfs: float | None,
        rms_dbfs: float | None,
        clipped_samples: int,
        sha256: str,
    ) -> ManifestEntry:
        """Joins a file's provenance and its measurements."""
        return cls(
            file=file,
            name=name,
            prompts=provenance.prompts,
            seed=provenance.seeds[0] if provenance.seeds else None,
            controls=provenance.controls,
            weights=provenance.weights,
            pipeline=provenance.pipeline,
            graph=provenance.graph_hash,
            version=provenance.version,
            random_weights=provenance.random_weights,
            seconds=seconds,
            peak_dbfs=peak_dbfs,
            rms_dbfs=rms_dbfs,
            clipped_samples=clipped_samples,
            sha256=sha256,
            request=request,
        )


@dataclass(frozen=True)
class Manifest:
    """The files of a folder.

    Attributes:
        variants: the finished variants of the last run, in its order.
        pending: names of files that the last run has not finished; each may or may not exist.
        earlier: finished variants of earlier runs that are not among those of the last one.
    """

    variants: tuple[ManifestEntry, ...] = ()
    pending: tuple[str, ...] = ()
    earlier: tuple[ManifestEntry, ...] = ()

    @property
    def entries(self) -> tuple[ManifestEntry, ...]:
        """All finished variants."""
        return (*self.variants, *self.earlier)

    def owns(self, file: str) -> bool:
        """Whether a run made, or was to make, a file of that name."""
        return file in self.pending or any(entry.file == file for entry in self.entries)


def read_manifest(folder: Path) -> Manifest:
    """Reads a folder's manifest; returns an empty one if the folder has none.

    Raises:
        InputError: the file is not a manifest, is damaged, or has another schema.
    """
    from pydantic import TypeAdapter, ValidationError

    path = folder / NAME
    try:
        record = read_json(path.read_text("utf-8"))
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
    """Writes a folder's manifest, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    path = folder / NAME
    text = json.dumps({"soundstage_variants": SCHEMA, **asdict(manifest)}, indent=2)
    with replacing(path) as stream, reporting(path):
        stream.write(text.encode() + b"\n")


def _foreign(path: Path) -> InputError:
    return InputError(
        f"{path}: is not a manifest that this version of soundstage wrote; move it away, or choose "
        "another folder with --output-dir"
    )
