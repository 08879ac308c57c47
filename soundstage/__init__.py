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
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soundstage.errors import OutputError
    from soundstage.graph.control import ControlError
    from soundstage.graph.format import Format
    from soundstage.graph.plan import Graph
    from soundstage.graph.port import Port
    from soundstage.graph.problem import PipelineError, Problem
    from soundstage.graph.stage import Stage
    from soundstage.graph.state import State
    from soundstage.presets.preset import preset_names
    from soundstage.runners.api import check, load, open, open_runner, resume
    from soundstage.runners.choice import RunnerChoice
    from soundstage.runners.runner import Chunk, Runner, StageFailed, Tick
    from soundstage.runners.sessions.files import SessionFileError
    from soundstage.runners.sessions.prompts import Audio, Text
    from soundstage.runners.sessions.session import Session
    from soundstage.runners.traces.comparison import Comparison
    from soundstage.runners.traces.diff import diff
    from soundstage.runners.traces.replay import replay
    from soundstage.version import version

# Archives and some file systems keep no symbolic links. The rooms are beside this folder, then.
if not (Path(__file__).parent / "graph").is_dir():
    __path__.append(str(Path(__file__).parents[1]))

_HOME = {
    "Audio": "soundstage.runners.sessions.prompts",
    "Chunk": "soundstage.runners.runner",
    "Comparison": "soundstage.runners.traces.comparison",
    "ControlError": "soundstage.graph.control",
    "Format": "soundstage.graph.format",
    "Graph": "soundstage.graph.plan",
    "OutputError": "soundstage.errors",
    "PipelineError": "soundstage.graph.problem",
    "Port": "soundstage.graph.port",
    "Problem": "soundstage.graph.problem",
    "Runner": "soundstage.runners.runner",
    "RunnerChoice": "soundstage.runners.choice",
    "Session": "soundstage.runners.sessions.session",
    "SessionFileError": "soundstage.runners.sessions.files",
    "Stage": "soundstage.graph.stage",
    "StageFailed": "soundstage.runners.runner",
    "State": "soundstage.graph.state",
    "Text": "soundstage.runners.sessions.prompts",
    "Tick": "soundstage.runners.runner",
    "check": "soundstage.runners.api",
    "diff": "soundstage.runners.traces.diff",
    "load": "soundstage.runners.api",
    "open": "soundstage.runners.api",
    "open_runner": "soundstage.runners.api",
    "preset_names": "soundstage.presets.preset",
    "replay": "soundstage.runners.traces.replay",
    "resume": "soundstage.runners.api",
    "version": "soundstage.version",
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
        return import_module("soundstage.version").version()
    if name not in _HOME:
        raise AttributeError(f"module 'soundstage' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
