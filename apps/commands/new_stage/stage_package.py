"""The files of a new package with a stage."""

from __future__ import annotations

import keyword
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from soundstage.errors import OutputError, UsageError
from soundstage.files import making_folder, replacing
from soundstage.graph.check import RESERVED
from soundstage.presets.preset import preset_path

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_AUDIO = re.compile(r'^(audio\s*=\s*)"([^"]+)"', re.MULTILINE)
_PIPELINE_NAME = re.compile(r'^(name\s*=\s*)"[^"]*"', re.MULTILINE)


@dataclass(frozen=True)
class NewStage:
    """A stage to be written.

    Attributes:
        name: of the stage and of its module.
        preset: the pipeline that it is put into.
        pipeline: the preset's file, as text.
    """

    name: str
    preset: str
    pipeline: str

    @classmethod
    def of(cls, name: str, preset: str) -> NewStage:
        """Checks the name, and reads the preset.

        Raises:
            UsageError: the name is none for a module or a stage, or is taken.
            PipelineError: there is no such preset.
        """
        if not _NAME.fullmatch(name) or keyword.iskeyword(name):
            raise UsageError(f"{name!r} is no name of a module: use a-z, 0-9 and _, such as warmth")
        text = preset_path(preset).read_text("utf-8")
        if name in (*RESERVED, *tomllib.loads(text)["stage"]):
            raise UsageError(f"{name}: the preset {preset} has a stage of this name: use another")
        if Path(name).exists():
            raise OutputError(f"{name}: exists: use another name, or remove it")
        if find_spec(name) is not None:
            raise UsageError(f"{name}: Python has a module of this name: use another")
        return cls(name, preset, text)

    @property
    def class_name(self) -> str:
        """The name of the class: "warm_tape" -> "WarmTape"."""
        return "".join(word.capitalize() for word in self.name.split("_"))

    @property
    def source(self) -> str:
        """The port that makes the preset's audio."""
        source: str = tomllib.loads(self.pipeline)["outputs"]["audio"]
        return source

    def purposes(self) -> Mapping[str, str]:
        """Returns what each file is for, by its name."""
        return {
            f"{self.name}.py": "the stage",
            f"test_{self.name}.py": "its test",
            f"{self.name}.toml": f"the preset {self.preset}, its audio played through the stage",
            "pyproject.toml": "what pip installs",
        }

    def contents(self) -> Mapping[str, str]:
        """Returns the text of each file, by its name."""
        return {
            f"{self.name}.py": self._filled("stage.py"),
            f"test_{self.name}.py": self._filled("test.py"),
            f"{self.name}.toml": self._pipeline(),
            "pyproject.toml": self._filled("pyproject.toml"),
        }

    def lines(self) -> str:
        """Returns the lines of a pipeline file that put the stage behind a port."""
        return self._filled("pipeline_lines.toml")

    def commands(self) -> tuple[str, ...]:
        """Returns what a user types next."""
        file = f"{self.name}/{self.name}.toml"
        return (
            f"pip install -e ./{self.name} pytest",
            f"pytest {self.name}",
            f"soundstage check {file} --allow {self.name}",
            f'soundstage generate "bells" --pipeline {file} --allow {self.name} --duration 4 '
            f"--output {self.name}.wav",
        )

    def _pipeline(self) -> str:
        text = _AUDIO.sub(rf'\1"{self.name}.audio"', self.pipeline, count=1)
        text = _PIPELINE_NAME.sub(rf'\1"{self.name}"', text, count=1)
        return text.rstrip("\n") + "\n" + self.lines()

    def _filled(self, template: str) -> str:
        text = files(__package__).joinpath(f"{template}.template").read_text("utf-8")
        return Template(text).substitute(
            name=self.name,
            class_name=self.class_name,
            project=self.name.replace("_", "-"),
            source=self.source,
        )


def write_package(stage: NewStage, folder: Path) -> None:
    """Writes all files into a new folder.

    Raises:
        OutputError: the folder or a file cannot be written.
    """
    with making_folder(folder):
        for name, text in stage.contents().items():
            with replacing(folder / name) as file:
                file.write(text.encode())
