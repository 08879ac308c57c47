"""Published files, opened to see whether they are what their names say."""

from pathlib import Path

from soundstage.stages.weights.array_source import ArraySource, WeightsError
from soundstage.stages.weights.safetensors_files import SafetensorsSource
from soundstage.stages.weights.t5x import T5xSource

# Where a TFLite file says what it is.
MARK = slice(4, 8)
TFLITE = b"TFL3"


def open_published(path: Path, name: str) -> ArraySource | None:
    """Opens a published file and reads what it says of itself.

    Args:
        path: where it is.
        name: what it is published as; its ending decides what it must be.

    Returns:
        Its arrays, to be closed; None for files whose arrays soundstage does not read itself.

    Raises:
        WeightsError: it is damaged or something else.
    """
    if name.endswith(".tar"):
        return T5xSource(path)
    if name.endswith(".safetensors"):
        return SafetensorsSource([path])
    with path.open("rb") as stream:
        start = stream.read(MARK.stop)
    if name.endswith(".tflite") and start[MARK] != TFLITE:
        raise WeightsError(f"{path}: is no TFLite graph; fetch it again")
    if not start:
        raise WeightsError(f"{path}: is empty; fetch it again")
    return None
