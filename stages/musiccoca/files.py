"""The published files of MusicCoCa: found, read and digested."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from soundstage.stages.weights.array_source import WeightsError
from soundstage.stages.weights.models_folder import is_model_name, models_folder

# As published, in one folder.
VOCABULARY = "spm.model"
TEXT_ENCODER = "text_encoder.tflite"
AUDIO_PREPROCESSOR = "audio_preprocessor.tflite"
MUSIC_ENCODER = "music_encoder.tflite"
QUANTIZER = "pretrained_vector_quantizer.tflite"
MAPPER = "mapper.tflite"


@dataclass(frozen=True)
class ModelFiles:
    """Files of one model, in memory, so that the digest is that of the bytes which are run.

    Attributes:
        contents: the bytes of every file by name.
        digest: SHA-256, as hex digits, over the sorted names and each file's SHA-256.
        note: the folder and the files, in words for a report.
    """

    contents: Mapping[str, bytes]
    digest: str
    note: str


def read_files(weights: str, names: Iterable[str]) -> ModelFiles:
    """Reads files of MusicCoCa.

    Args:
        weights: the folder of the files, or the bare name of a folder in
            `stages.weights.models_folder`.
        names: which files.

    Raises:
        WeightsError: the folder does not exist, or a file is missing, empty or unreadable.
    """
    names = sorted(names)
    folder = _folder(weights, names)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise WeightsError(
            f"{folder}: lacks MusicCoCa's {', '.join(missing)}; put the published files there, "
            "under their published names"
        )
    contents = {name: _read(folder / name) for name in names}
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(name.encode())
        digest.update(hashlib.sha256(content).digest())
    return ModelFiles(contents, digest.hexdigest(), f"{folder.name}: {', '.join(names)}")


def _folder(weights: str, names: Iterable[str]) -> Path:
    bare = is_model_name(weights)
    folder = models_folder() / weights if bare else Path(weights).expanduser()
    if folder.is_dir():
        return folder
    if weights.startswith(("random:", "package:")):
        raise WeightsError(
            f"{weights}: MusicCoCa has no such weights; give the folder of its published files, or "
            "use another embedder and quantizer (stages.style)"
        )
    problem = "is a file, not a folder" if folder.is_file() else "no such folder"
    cure = f"`soundstage models download` fetches published models, or give a path (./{weights})"
    raise WeightsError(
        f"{folder}: {problem}; it should hold MusicCoCa's {', '.join(names)}"
        f"{f': {cure}' if bare else ''}"
    )


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from error
    if not content:
        raise WeightsError(f"{path}: is empty; fetch it again")
    return content
