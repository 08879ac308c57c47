"""What a player's hands are on: one row a prompt, one row a number, one of them selected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from soundstage.apps.player.performer import Performer
from soundstage.apps.player.prompt_mix import PromptMix
from soundstage.graph.control import ControlError, read_number
from soundstage.graph.format import Format
from soundstage.graph.plan import Graph
from soundstage.graph.scalar import Scalar, scalars
from soundstage.runners.sessions.prompts import parse_text

# How far one key press moves a prompt's weight.
WEIGHT_STEP = 0.1


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
        self._scalars = list(scalars(graph).values())
        self._selected = 0

    @property
    def rows(self) -> list[FaderRow]:
        """Prompts first, then numbers."""
        parts = [(part.name, part.weight, True) for part in self._parts]
        controls = self._performer.controls
        numbers = [(each.name, _number(controls[each.name]), False) for each in self._scalars]
        return [
            FaderRow(name, value, is_prompt, index == self._selected)
            for index, (name, value, is_prompt) in enumerate([*parts, *numbers])
        ]

    def select(self, step: int) -> None:
        """Moves the selection down, or up."""
        count = len(self._parts) + len(self._scalars)
        self._selected = (self._selected + step) % count if count else 0

    def nudge(self, steps: int) -> None:
        """Moves the selected fader by so many steps, at most to its end."""
        if not self.rows:
            return
        value, scalar = self.rows[self._selected].value, self._scalar
        step = WEIGHT_STEP if scalar is None else scalar.key_step
        least, greatest = (0.0, float("inf")) if scalar is None else scalar.port.bounds
        self.put(min(max(round(value + steps * step, 6), least), greatest))

    def put(self, value: float | str) -> None:
        """Sets the selected fader; text that is no number is refused."""
        if self._selected < len(self._parts):
            assert self._mix is not None  # it has parts
            if isinstance(value, str):
                raise ControlError(f"weight: expected a number, got {value!r}")
            self._play(self._mix.weighted(self._selected, value))
        elif self._scalar is not None:
            self._performer.steer({self._scalar.name: value})

    def type_value(self, text: str) -> None:
        """Sets the selected fader to a number that was typed."""
        self.put(read_number(text))

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
    def _scalar(self) -> Scalar | None:
        """The selected control; None if a prompt is selected."""
        index = self._selected - len(self._parts)
        return self._scalars[index] if 0 <= index < len(self._scalars) else None


def _number(value: Any) -> float:
    """A control's value, as short as its float32 can be told."""
    number = value.item() if hasattr(value, "item") else value
    return float(f"{number:.6g}") if isinstance(number, float) else number
