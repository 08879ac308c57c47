"""The choice of a pipeline by the options that all commands share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundstage.apps.commands import options
from soundstage.apps.commands.command import QUIET, OptionGroup
from soundstage.errors import UsageError
from soundstage.standard_streams import print_message

if TYPE_CHECKING:
    from soundstage.graph.plan import Graph
    from soundstage.graph.spec import PipelineSpec

# The pipeline file that is used if a command names none and the working directory has it.
FOUND = "pipeline.toml"


@dataclass(frozen=True)
class PipelineChoice:
    """A pipeline as the arguments of `runners.api.read_spec` and `load`.

    Attributes:
        preset: a pipeline that ships with soundstage, by name; None = not given.
        pipeline: a pipeline file; None = not given.
        settings: overrides such as "decode.use=stages.toy:SineDecode".
        placements: overrides such as "decode=cpu".
        allow: prefixes of modules, besides "stages.", whose classes `use` may name.
        found: whether `pipeline` was found in the working directory, and not named by an option.
    """

    preset: str | None = None
    pipeline: Path | None = None
    settings: tuple[str, ...] = ()
    placements: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    found: bool = False

    @property
    def names_a_graph(self) -> bool:
        """Whether an option names a graph or changes it, rather than only its placement."""
        return bool(self.preset or (self.pipeline and not self.found) or self.settings)

    def read(self) -> PipelineSpec:
        """Reads the pipeline and applies the overrides; checks nothing.

        Raises:
            PipelineError: as `runners.api.read_spec`.
        """
        from soundstage.runners.api import read_spec

        self.announce()
        return read_spec(self.preset, self.pipeline, self.settings, self.placements)

    def load(self) -> Graph:
        """Reads and checks the pipeline.

        Raises:
            PipelineError: as `runners.api.load`.
        """
        from soundstage.runners.api import load

        self.announce()
        return load(self.preset, self.pipeline, self.settings, self.placements, self.allow)

    def announce(self) -> None:
        """Prints that the pipeline was found and not named, unless the command is quiet."""
        from soundstage.presets.preset import DEFAULT

        if self.found and not QUIET.get():
            print_message(
                f"soundstage: uses {FOUND} of this folder; without it, --preset {DEFAULT}"
            )


def choose(
    named: options.Named = None,
    preset: options.Preset = None,
    pipeline: options.Pipeline = None,
    set_: options.Set = None,
    place: options.Place = None,
    allow: options.Allow = None,
) -> PipelineChoice:
    """Returns the choice that a command's options make.

    Without any, it is the file `FOUND` of the working directory, if there is one.

    Raises:
        UsageError: two pipelines or two presets were named.
    """
    # late, as NumPy and Arrow come with it
    from soundstage.presets.preset import is_pipeline_file

    if named is not None:
        is_file = is_pipeline_file(named)
        if (pipeline if is_file else preset) is not None:
            option = "--pipeline" if is_file else "--preset"
            raise UsageError(f"{named!r} and {option} name two pipelines; give one of them")
        if is_file:
            pipeline = Path(named)
        else:
            preset = named
    found = preset is None and pipeline is None and Path(FOUND).is_file()
    settings, placements, allowed = (tuple(values or ()) for values in (set_, place, allow))
    file = Path(FOUND) if found else pipeline
    return PipelineChoice(preset, file, settings, placements, allowed, found)


# The parameters of commands: with the pipeline as an argument too, by options alone, or given.
NamedPipeline = Annotated[PipelineChoice, OptionGroup.of(choose)]
PipelineOptions = Annotated[PipelineChoice, OptionGroup.of(choose, without=["named"])]
PlacementOptions = Annotated[
    PipelineChoice, OptionGroup.of(choose, without=["named", "preset", "pipeline", "set_"])
]
