"""Calls stages in a new process of Python, which has nothing of this one but its arguments."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from soundstage.errors import StageError
from soundstage.graph.declaration import load_class, make_params, uses_device
from soundstage.graph.format import Format
from soundstage.graph.port import Tensor
from soundstage.graph.problem import PipelineError
from soundstage.runners.compilation import use_compilation_cache
from soundstage.runners.devices import find_device
from soundstage.runners.hosts.device_arrays import DeviceArrays, on_host
from soundstage.runners.hosts.memo import call_alone
from soundstage.testing.example_inputs import digest, read_inputs

_ANSWER = "soundstage digests: "


@dataclass(frozen=True)
class CallRequest:
    """One call of a stage.

    Attributes:
        module: the module of the stage's class.
        name: the class in that module.
        params: its parameters, as in a pipeline file.
        format: the music format.
        message: its inputs, as a message.
    """

    module: str
    name: str
    params: Mapping[str, Any]
    format: Format
    message: bytes

    def answer(self) -> str:
        """Builds the stage, calls it, and returns the digest of its outputs.

        Raises:
            PipelineError: the class cannot be imported.
            Exception: any error of the class.
        """
        cls, problems = load_class("stage", f"{self.module}:{self.name}", (self.module,))
        if problems:
            raise PipelineError(problems)
        stage = build_stage(cls, self.params, self.format)
        return digest(call_stage(stage, read_inputs(cls.inputs, self.message, self.format)))


def build_stage(cls: Any, params: Mapping[str, Any], format: Format) -> Any:
    """Builds a stage on the CPU, or without a device if it says that it uses none.

    Args:
        cls: the class.
        params: its parameters, as in a pipeline file.
        format: the music format.

    Raises:
        PipelineError: the parameters do not fit.
        Exception: any error of the class.
    """
    made, problems = make_params(cls.__name__, cls, params)
    if problems:
        raise PipelineError(problems)
    return cls(made, format, _device_of(cls))


def call_stage(stage: Any, inputs: Mapping[str, Tensor]) -> Any:
    """Calls a stage that `build_stage` built as a runner does, with a rebuilt memo if it has one.

    Returns:
        The outputs, as arrays of NumPy if the stage may return others; else as they are.

    Raises:
        Exception: any error of the stage.
    """
    arrays = device_arrays(stage)
    outputs, _ = call_alone(stage, arrays.given(inputs))
    return outputs if arrays.device is None else on_host(outputs)


def device_arrays(stage: Any) -> DeviceArrays:
    """Returns what a stage that `build_stage` built gets in place of its inputs."""
    return DeviceArrays.of(type(stage), _device_of(type(stage)))


def _device_of(cls: Any) -> Any:
    return find_device("cpu") if uses_device(cls) else None


def digests_of(requests: Sequence[CallRequest]) -> list[str]:
    """Makes calls in one new process, and returns the digest of each call's outputs.

    Raises:
        StageError: the process failed; the message has its last line.
    """
    body = [
        asdict(request) | {"message": base64.b64encode(request.message).decode()}
        for request in requests
    ]
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import main; main()"],
        input=json.dumps(body),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
    )
    last = (done.stdout.strip() or "no answer").splitlines()[-1]
    if done.returncode or not last.startswith(_ANSWER):
        raise StageError((done.stderr.strip() or last).splitlines()[-1])
    digests: list[str] = json.loads(last.removeprefix(_ANSWER))
    return digests


def main() -> None:
    """Answers the requests on standard input, with one line on standard output."""
    use_compilation_cache()
    requests = [
        CallRequest(
            entry["module"],
            entry["name"],
            entry["params"],
            Format(**entry["format"]),
            base64.b64decode(entry["message"]),
        )
        for entry in json.load(sys.stdin)
    ]
    print(_ANSWER + json.dumps([request.answer() for request in requests]))
