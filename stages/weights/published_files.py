"""Opens published files, and refuses those that are not of the kind that their names say."""

from pathlib import Path

from soundstage.stages.weights.array_source import ArraySource, WeightsError
from soundstage.stages.weights.safetensors_files import SafetensorsSource
from soundstage.stages.weights.t5x import T5xSource

# The bytes by which a TFLite file is known, and where they are.
MARK = slice(4, 8)
TFLITE = b"TFL3"


def open_published(path: Path, name: str) -> ArraySource | None:
    """Opens a published file and reads its header.

    Args:
        path: the file.
        name: its published name; the ending decides which kind of file it must be.

    Returns:
        Its arrays, to be closed by the caller; None for a file whose arrays soundstage does not
        read itself.

    Raises:
        WeightsError: the file is damaged or of another kind.
    """
    if name.endswith(".tar"):
        return T5xSource(path)
    if name.endswith(".safetensors"):
        return SafetensorsSource([path])
    with path.open("rb") as stream:
        start = stream.read(MARK.stop)
    if name.endswith(".tflite") and start[MARK] != TFLITE:
        raise WeightsError(f"{path}: not a TFLite graph; fetch it again")
    if not start:
        raise WeightsError(f"{path}: empty; fetch it again")
    return None
