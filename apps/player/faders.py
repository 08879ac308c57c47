"""The mixing desk's faders: one for each prompt and each number control, one selected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from soundstage.apps.player.performer import Performer
from soundstage.apps.player.prompt_mix import PromptFader, PromptMix
from soundstage.graph.control import ControlError, read_number
from soundstage.graph.plan import Graph
from soundstage.graph.scalar import Scalar, scalars
from soundstage.runners.sessions.prompts import parse_text

# How far one key press moves a prompt's weight.
WEIGHT_STEP = 0.1


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
        self._graph = graph
        self._prompts = prompts
        self._scalars = list(scalars(graph).values())
        self._selected = 0

    @property
    def rows(self) -> list[FaderRow]:
        """All faders: prompts first, then numbers."""
        prompts = [(fader.name, fader.weight, True) for fader in self._prompt_faders]
        controls = self._performer.controls
        numbers = [(each.name, _number(controls[each.name]), False) for each in self._scalars]
        return [
            FaderRow(name, value, is_prompt, index == self._selected)
            for index, (name, value, is_prompt) in enumerate([*prompts, *numbers])
        ]

    def select(self, step: int) -> None:
        """Moves the selection by `step` faders: down, or up if it is negative."""
        count = len(self._prompt_faders) + len(self._scalars)
        self._selected = (self._selected + step) % count if count else 0

    def nudge(self, steps: int) -> None:
        """Moves the selected fader by `steps` steps, at most to the end of its range."""
        if not self.rows:
            return
        value, scalar = self.rows[self._selected].value, self._scalar
        step = WEIGHT_STEP if scalar is None else scalar.key_step
        least, greatest = (0.0, float("inf")) if scalar is None else scalar.port.bounds
        self.put(min(max(round(value + steps * step, 6), least), greatest))

    def put(self, value: float | str) -> None:
        """Sets the selected fader to a value; text that is no number is refused."""
        if self._selected < len(self._prompt_faders):
            assert self._prompts is not None  # a prompt is selected
            if isinstance(value, str):
                raise ControlError(f"weight: expected a number, got {value!r}")
            self._play(self._prompts.with_weight(self._selected, value))
        elif self._scalar is not None:
            self._performer.steer({self._scalar.name: value})

    def type_value(self, text: str) -> None:
        """Sets the selected fader to a number typed by the user."""
        self.put(read_number(text))

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
        self._performer.steer(prompts.controls(self._graph))
        self._prompts = prompts

    @property
    def _prompt_faders(self) -> tuple[PromptFader, ...]:
        return self._prompts.faders if self._prompts is not None else ()

    @property
    def _scalar(self) -> Scalar | None:
        """The selected control; None if a prompt is selected."""
        index = self._selected - len(self._prompt_faders)
        return self._scalars[index] if 0 <= index < len(self._scalars) else None


def _number(value: Any) -> float:
    """Returns a control's value as a number, to the 6 digits that a float32 holds."""
    number = value.item() if hasattr(value, "item") else value
    return float(f"{number:.6g}") if isinstance(number, float) else number
