"""The choice of a pipeline by the options that all commands share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundstage.apps.commands import options
from soundstage.apps.commands.command import OptionGroup
from soundstage.errors import UsageError

if TYPE_CHECKING:
    from soundstage.graph.plan import Graph
    from soundstage.graph.spec import PipelineSpec


@dataclass(frozen=True)
class PipelineChoice:
    """A pipeline as the arguments of `runners.api.read_spec` and `load`.

    Attributes:
        preset: a pipeline that ships with soundstage, by name; None = not given.
        pipeline: a pipeline file; None = not given.
        settings: overrides such as "decode.use=stages.toy:SineDecode".
        placements: overrides such as "decode=cpu".
        allow: prefixes of modules, besides "stages.", whose classes `use` may name.
    """

    preset: str | None = None
    pipeline: Path | None = None
    settings: tuple[str, ...] = ()
    placements: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()

    @property
    def names_a_graph(self) -> bool:
        """Whether an option names a graph or changes it, rather than only its placement."""
        return bool(self.preset or self.pipeline or self.settings)

    def read(self) -> PipelineSpec:
        """Reads the pipeline and applies the overrides; checks nothing.

        Raises:
            PipelineError: as `runners.api.read_spec`.
        """
        from soundstage.runners.api import read_spec

        return read_spec(self.preset, self.pipeline, self.settings, self.placements)

    def load(self) -> Graph:
        """Reads and checks the pipeline.

        Raises:
            PipelineError: as `runners.api.load`.
        """
        from soundstage.runners.api import load

        return load(self.preset, self.pipeline, self.settings, self.placements, self.allow)


def choose(
    named: options.Named = None,
    preset: options.Preset = None,
    pipeline: options.Pipeline = None,
    set_: options.Set = None,
    place: options.Place = None,
    allow: options.Allow = None,
) -> PipelineChoice:
    """Returns the choice that a command's options make.

    A path in place of a preset's name ends in .toml, contains / or exists.

    Raises:
        UsageError: two pipelines or two presets were named.
    """
    if named is not None:
        is_file = named.endswith(".toml") or "/" in named or Path(named).is_file()
        if (pipeline if is_file else preset) is not None:
            option = "--pipeline" if is_file else "--preset"
            raise UsageError(f"{named!r} and {option} name two pipelines; give one of them")
        if is_file:
            pipeline = Path(named)
        else:
            preset = named
    lists = (tuple(values or ()) for values in (set_, place, allow))
    return PipelineChoice(preset, pipeline, *lists)


# The parameters of commands: with the pipeline as an argument too, by options alone, or given.
NamedPipeline = Annotated[PipelineChoice, OptionGroup.of(choose)]
PipelineOptions = Annotated[PipelineChoice, OptionGroup.of(choose, without=["named"])]
PlacementOptions = Annotated[
    PipelineChoice, OptionGroup.of(choose, without=["named", "preset", "pipeline", "set_"])
]
