"""What a player's hands are on: one row a prompt, one row a number, one of them selected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soundstage.apps.player.performer import Performer
from soundstage.apps.player.prompt_mix import CONTROLS, PromptMix
from soundstage.graph.control import ControlError
from soundstage.graph.format import Format
from soundstage.graph.plan import Graph
from soundstage.graph.port import Port
from soundstage.runners.sessions.prompts import parse_text

WEIGHT_STEP = 0.1
# How far one key press moves a number; others by one, or by a tenth if they are no whole numbers.
STEPS: Mapping[str, float] = {"guidance": 0.5, "top_k": 5, "seed": 1}


@dataclass(frozen=True)
class FaderRow:
    """One fader, for the eyes.

    Attributes:
        name: a prompt, or a control.
        value: its weight or value.
        is_prompt: which of the two.
        selected: whether keys move it.
    """

    name: str
    value: float
    is_prompt: bool
    selected: bool


class Faders:
    """Turns what a person does into controls; a refusal leaves everything as it was.

    Every method that changes something raises ControlError when the pipeline refuses it.
    """

    def __init__(self, graph: Graph, performer: Performer, mix: PromptMix | None) -> None:
        """Looks at a performance.

        Args:
            graph: what plays.
            performer: who is steered.
            mix: its prompts; None if the pipeline takes none.
        """
        self._performer = performer
        self._format: Format = graph.format
        self._mix = mix
        self._ports: dict[str, Port] = {
            name: control.port
            for name, control in graph.controls.items()
            if not control.port.shape and control.port.dtype != "utf8" and name not in CONTROLS
        }
        self._selected = 0

    @property
    def rows(self) -> list[FaderRow]:
        """Prompts first, then numbers."""
        parts = [(part.name, part.weight, True) for part in self._parts]
        controls = self._performer.controls
        numbers = [(name, _number(controls[name]), False) for name in self._ports]
        return [
            FaderRow(name, value, is_prompt, index == self._selected)
            for index, (name, value, is_prompt) in enumerate([*parts, *numbers])
        ]

    def select(self, step: int) -> None:
        """Moves the selection down, or up."""
        count = len(self._parts) + len(self._ports)
        self._selected = (self._selected + step) % count if count else 0

    def nudge(self, steps: int) -> None:
        """Moves the selected fader by so many steps, at most to its end."""
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
        """Sets the selected fader."""
        if self._selected < len(self._parts):
            assert self._mix is not None  # it has parts
            self._play(self._mix.weighted(self._selected, value))
            return
        port = self._port
        if port is not None:
            name = list(self._ports)[self._selected - len(self._parts)]
            self._performer.steer({name: int(value) if _is_whole(port) else value})

    def type_value(self, text: str) -> None:
        """Sets the selected fader to a number that was typed."""
        port = self._port
        try:
            value = int(text) if port is not None and _is_whole(port) else float(text)
        except ValueError as error:
            raise ControlError(f"{text!r} is not a number that fits") from error
        self.put(value)

    def add(self, text: str) -> None:
        """Adds a text prompt, such as "jazz trio" or "jazz trio:0.5", and selects it."""
        if self._mix is None:
            raise ControlError("this pipeline takes no prompts")
        prompt = parse_text(text)
        self._play(self._mix.joined_by(prompt))
        names = [part.name for part in self._parts]
        self._selected = names.index(prompt.text)

    def remove(self) -> None:
        """Takes the selected prompt away."""
        if self._mix is not None and self._selected < len(self._parts):
            self._play(self._mix.without(self._selected))
            self._selected = min(self._selected, max(0, len(self._parts) - 1))

    def _play(self, mix: PromptMix) -> None:
        self._performer.steer(mix.controls(self._format))
        self._mix = mix

    @property
    def _parts(self) -> tuple[Any, ...]:
        return self._mix.parts if self._mix is not None else ()

    @property
    def _port(self) -> Port | None:
        """The selected number's port; None if a prompt is selected."""
        index = self._selected - len(self._parts)
        return list(self._ports.values())[index] if 0 <= index < len(self._ports) else None


def _ends(port: Port | None) -> tuple[float, float]:
    """The least and greatest value of a fader; of a prompt's weight without a port."""
    if port is None:
        return 0.0, float("inf")
    least, greatest = port.limits
    low = least if port.minimum is None else port.minimum
    return low, greatest if port.maximum is None else port.maximum


def _is_whole(port: Port) -> bool:
    return not port.dtype.startswith("float")


def _number(value: Any) -> float:
    """A control's value, as short as its float32 can be told."""
    number = value.item() if hasattr(value, "item") else value
    return float(f"{number:.6g}") if isinstance(number, float) else number
