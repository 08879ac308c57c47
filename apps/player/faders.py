"""The mixing desk's faders: one for each prompt and each number control, one selected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soundstage.apps.player.performer import Performer
from soundstage.apps.player.prompt_mix import CONTROLS, PromptFader, PromptMix
from soundstage.graph.control import ControlError
from soundstage.graph.format import Format
from soundstage.graph.plan import Graph
from soundstage.graph.port import Port
from soundstage.runners.sessions.prompts import parse_text

WEIGHT_STEP = 0.1
# How far one key press moves a number. The others move by 1, or by 0.1 if they are floats.
STEPS: Mapping[str, float] = {"guidance": 0.5, "top_k": 5, "seed": 1}


@dataclass(frozen=True)
class FaderRow:
    """One fader as it is drawn.

    Attributes:
        name: a prompt, or a control's name.
        value: the prompt's weight, or the control's value.
        is_prompt: whether it is a prompt.
        selected: whether keys move it.
    """

    name: str
    value: float
    is_prompt: bool
    selected: bool


class Faders:
    """Faders that steer a performance.

    Every method that changes a control raises ControlError if the pipeline refuses the value;
    then nothing has changed.
    """

    def __init__(self, graph: Graph, performer: Performer, prompts: PromptMix | None) -> None:
        """Changes no control yet.

        Args:
            graph: the graph that plays.
            performer: the performer to steer.
            prompts: the prompts it plays; None if the pipeline takes none.
        """
        self._performer = performer
        self._format: Format = graph.format
        self._prompts = prompts
        self._ports: dict[str, Port] = {
            name: control.port
            for name, control in graph.controls.items()
            if not control.port.shape and control.port.dtype != "utf8" and name not in CONTROLS
        }
        self._selected = 0

    @property
    def rows(self) -> list[FaderRow]:
        """All faders: prompts first, then numbers."""
        prompts = [(fader.name, fader.weight, True) for fader in self._prompt_faders]
        controls = self._performer.controls
        numbers = [(name, _number(controls[name]), False) for name in self._ports]
        return [
            FaderRow(name, value, is_prompt, index == self._selected)
            for index, (name, value, is_prompt) in enumerate([*prompts, *numbers])
        ]

    def select(self, step: int) -> None:
        """Moves the selection by `step` faders: down, or up if it is negative."""
        count = len(self._prompt_faders) + len(self._ports)
        self._selected = (self._selected + step) % count if count else 0

    def nudge(self, steps: int) -> None:
        """Moves the selected fader by `steps` steps, at most to the end of its range."""
        if not self.rows:
            return
        row = self.rows[self._selected]
        port = self._port
        if row.is_prompt or port is None:
            step = WEIGHT_STEP
        else:
            step = STEPS.get(row.name, 1.0 if _is_whole(port) else 0.1)
        value = round(row.value + steps * step, 6)
        least, greatest = _ends(port)
        self.put(min(max(value, least), greatest))

    def put(self, value: float) -> None:
        """Sets the selected fader to a value."""
        if self._selected < len(self._prompt_faders):
            assert self._prompts is not None  # a prompt is selected
            self._play(self._prompts.with_weight(self._selected, value))
            return
        port = self._port
        if port is not None:
            name = list(self._ports)[self._selected - len(self._prompt_faders)]
            self._performer.steer({name: int(value) if _is_whole(port) else value})

    def type_value(self, text: str) -> None:
        """Sets the selected fader to a number typed by the user."""
        port = self._port
        try:
            value = int(text) if port is not None and _is_whole(port) else float(text)
        except ValueError as error:
            kind = "a whole number" if port is not None and _is_whole(port) else "a number"
            raise ControlError(f"{text!r} is not {kind}") from error
        self.put(value)

    def add(self, text: str) -> None:
        """Adds a text prompt, such as "jazz trio" or "jazz trio:0.5", and selects its fader."""
        if self._prompts is None:
            raise ControlError("this pipeline takes no prompts")
        prompt = parse_text(text)
        self._play(self._prompts.with_text(prompt))
        names = [fader.name for fader in self._prompt_faders]
        self._selected = names.index(prompt.text)

    def remove(self) -> None:
        """Removes the selected prompt."""
        if self._prompts is not None and self._selected < len(self._prompt_faders):
            self._play(self._prompts.without(self._selected))
            self._selected = min(self._selected, max(0, len(self._prompt_faders) - 1))

    def _play(self, prompts: PromptMix) -> None:
        self._performer.steer(prompts.controls(self._format))
        self._prompts = prompts

    @property
    def _prompt_faders(self) -> tuple[PromptFader, ...]:
        return self._prompts.faders if self._prompts is not None else ()

    @property
    def _port(self) -> Port | None:
        """The port of the selected number; None if a prompt is selected."""
        index = self._selected - len(self._prompt_faders)
        return list(self._ports.values())[index] if 0 <= index < len(self._ports) else None


def _ends(port: Port | None) -> tuple[float, float]:
    """Returns the least and greatest value of a port, or of a prompt's weight if it is None."""
    if port is None:
        return 0.0, float("inf")
    least, greatest = port.limits
    low = least if port.minimum is None else port.minimum
    return low, greatest if port.maximum is None else port.maximum


def _is_whole(port: Port) -> bool:
    return not port.dtype.startswith("float")


def _number(value: Any) -> float:
    """Returns a control's value as a number, to the 6 digits that a float32 holds."""
    number = value.item() if hasattr(value, "item") else value
    return float(f"{number:.6g}") if isinstance(number, float) else number
