"""Live-music generation as a pipeline of pluggable, typed stages.

    import itertools
    import soundstage

    with soundstage.open(preset="tiny", prompts=["warm ambient pads"], seed=7) as session:
        for chunk in itertools.islice(session, 5):
            chunk.audio  # float32 [row, sample, channel], 48 kHz, two seconds
        session.steer(prompts=[("warm ambient pads", 0.3), ("jazz trio", 0.7)])
        session.save("evening.session")

Everything here is imported when it is first used, so `import soundstage` costs next to nothing and
needs neither a GPU nor Ray.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graph.control import ControlError
    from graph.format import Format
    from graph.plan import Graph
    from graph.port import Port
    from graph.problem import PipelineError, Problem
    from graph.stage import Stage
    from graph.state import State
    from runners.comparison import Comparison
    from runners.diff import diff
    from runners.errors import OutputError
    from runners.front import check, load, open, open_runner, resume
    from runners.preset import preset_names
    from runners.prompts import Audio, Text
    from runners.replay import replay
    from runners.runner import Chunk, Runner, StageFailed, Tick
    from runners.runner_choice import RunnerChoice
    from runners.session import Session
    from runners.session_file import SessionFileError
    from runners.version import version

_HOME = {
    "Audio": "runners.prompts",
    "Chunk": "runners.runner",
    "Comparison": "runners.comparison",
    "ControlError": "graph.control",
    "Format": "graph.format",
    "Graph": "graph.plan",
    "OutputError": "runners.errors",
    "PipelineError": "graph.problem",
    "Port": "graph.port",
    "Problem": "graph.problem",
    "Runner": "runners.runner",
    "RunnerChoice": "runners.runner_choice",
    "Session": "runners.session",
    "SessionFileError": "runners.session_file",
    "Stage": "graph.stage",
    "StageFailed": "runners.runner",
    "State": "graph.state",
    "Text": "runners.prompts",
    "Tick": "runners.runner",
    "check": "runners.front",
    "diff": "runners.diff",
    "load": "runners.front",
    "open": "runners.front",
    "open_runner": "runners.front",
    "preset_names": "runners.preset",
    "replay": "runners.replay",
    "resume": "runners.front",
    "version": "runners.version",
}

__all__ = [
    "Audio",
    "Chunk",
    "Comparison",
    "ControlError",
    "Format",
    "Graph",
    "OutputError",
    "PipelineError",
    "Port",
    "Problem",
    "Runner",
    "RunnerChoice",
    "Session",
    "SessionFileError",
    "Stage",
    "StageFailed",
    "State",
    "Text",
    "Tick",
    "check",
    "diff",
    "load",
    "open",
    "open_runner",
    "preset_names",
    "replay",
    "resume",
    "version",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("runners.version").version()
    if name not in _HOME:
        raise AttributeError(f"module 'soundstage' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
