"""Compiled graphs (TFLite files), run by LiteRT; only this module imports LiteRT."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from types import ModuleType

import numpy as np

from soundstage.stages.weights.array_source import WeightsError


@dataclass(frozen=True)
class TfliteTensor:
    """An input of a graph, as declared in its file.

    Attributes:
        index: the tensor's number inside the graph.
        dtype: the tensor's type.
        shape: the tensor's shape.
    """

    index: int
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers the tensor holds."""
        return prod(self.shape)


class TfliteGraph:
    """One compiled graph; concurrent calls run one after another.

    Args:
        name: the file's name, for errors.
        content: the file's bytes.

    Raises:
        WeightsError: LiteRT is not installed, or cannot run the bytes as a graph.

    Source: "Files" in the MusicCoCa spec.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        # An interpreter holds the tensors of one call at a time.
        self._lock = threading.Lock()
        litert = _litert()
        try:
            self._interpreter = litert.Interpreter(model_content=content, num_threads=1)
            self._interpreter.allocate_tensors()
            inputs = self._interpreter.get_input_details()
            outputs = self._interpreter.get_output_details()
        except (ValueError, RuntimeError) as error:
            raise WeightsError(
                f"{name}: not a complete TFLite graph ({_one_line(error)}); fetch it again"
            ) from error
        if not outputs:
            raise WeightsError(
                f"{name}: the model file has no output, so it is damaged; fetch it again with "
                "`soundstage models download musiccoca`"
            )
        self.inputs = tuple(
            TfliteTensor(
                detail["index"], np.dtype(detail["dtype"]), tuple(map(int, detail["shape"]))
            )
            for detail in inputs
        )
        self._output = outputs[0]["index"]

    def __call__(self, *values: np.ndarray) -> np.ndarray:
        """Runs the graph once.

        Args:
            values: one array an input, in the order of `inputs`, of its dtype and size; reshaped
                to its shape.

        Returns:
            The first output, flat; a copy that no later call changes.

        Raises:
            WeightsError: the graph fails while running.
        """
        with self._lock:
            try:
                for tensor, value in zip(self.inputs, values, strict=True):
                    self._interpreter.set_tensor(tensor.index, value.reshape(tensor.shape))
                self._interpreter.invoke()
            except RuntimeError as error:
                raise WeightsError(
                    f"{self.name}: failed while running ({_one_line(error)}); fetch MusicCoCa's "
                    "files again"
                ) from error
            return self._interpreter.get_tensor(self._output).reshape(-1)

    def require(self, inputs: Sequence[tuple[str, int]]) -> None:
        """Refuses a graph with other inputs.

        Args:
            inputs: the dtype and the size of every input, in the graph's order.

        Raises:
            WeightsError: names the file, its inputs and the required ones.
        """
        own_inputs = [(tensor.dtype.name, tensor.size) for tensor in self.inputs]
        if own_inputs != list(inputs):
            raise WeightsError(
                f"{self.name}: takes {_listed(own_inputs)} where MusicCoCa and the music format "
                f"need {_listed(inputs)}; check that it is the published file of this name, and "
                "the pipeline's [format]"
            )


def _litert() -> ModuleType:
    try:
        from ai_edge_litert import interpreter
    except ImportError as error:
        raise WeightsError(
            f"MusicCoCa needs LiteRT ({_one_line(error)}): in soundstage's source folder, run "
            "pip install '.[published]'"
        ) from error
    return interpreter


def _listed(inputs: Sequence[tuple[str, int]]) -> str:
    return " and ".join(f"{size} {dtype}" for dtype, size in inputs) or "nothing"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
