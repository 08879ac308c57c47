"""Compiled graphs (TFLite files), run by LiteRT: the only file that imports it."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from types import ModuleType

import numpy as np

from soundstage.stages.weights.array_source import WeightsError


@dataclass(frozen=True)
class TfliteTensor:
    """An input of a graph, as its file declares it.

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
        """How many numbers it takes."""
        return prod(self.shape)


class TfliteGraph:
    """One compiled graph; threads that call it at the same time wait for each other.

    Args:
        name: the file's name, for errors.
        content: the file's bytes.

    Raises:
        WeightsError: LiteRT is not installed, or the bytes are no graph that it can run.

    Source: "Files" in the MusicCoCa spec.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        # An interpreter keeps the tensors of the call in progress.
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
            raise WeightsError(f"{name}: is a graph that gives nothing; fetch it again")
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
            values: one array an input, in the order of `inputs`, of its dtype and size; they are
                brought into its shape.

        Returns:
            The output (the first, if there are several), flat; a copy that no later call changes.

        Raises:
            WeightsError: the graph breaks off.
        """
        with self._lock:
            try:
                for socket, value in zip(self.inputs, values, strict=True):
                    self._interpreter.set_tensor(socket.index, value.reshape(socket.shape))
                self._interpreter.invoke()
            except RuntimeError as error:
                raise WeightsError(
                    f"{self.name}: breaks off ({_one_line(error)}); fetch MusicCoCa's files again"
                ) from error
            return self._interpreter.get_tensor(self._output).reshape(-1)

    def require(self, inputs: Sequence[tuple[str, int]]) -> None:
        """Refuses a graph that takes anything else.

        Args:
            inputs: the dtype and the size of every input, in the graph's order.

        Raises:
            WeightsError: naming the file, what it takes and what it should take.
        """
        found = [(socket.dtype.name, socket.size) for socket in self.inputs]
        if found != list(inputs):
            raise WeightsError(
                f"{self.name}: takes {_listed(found)} where MusicCoCa and the music format need "
                f"{_listed(inputs)}; check that the file is the one that its name says, and the "
                "pipeline's [format]"
            )


def _litert() -> ModuleType:
    try:
        from ai_edge_litert import interpreter
    except ImportError as error:
        raise WeightsError(
            f"MusicCoCa needs LiteRT ({_one_line(error)}): pip install 'soundstage[musiccoca]'"
        ) from error
    return interpreter


def _listed(sockets: Sequence[tuple[str, int]]) -> str:
    return " and ".join(f"{size} {dtype}" for dtype, size in sockets) or "nothing"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
