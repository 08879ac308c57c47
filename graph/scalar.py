"""Scalar controls: those of one number, described for every place that offers them to people.

Command lines, servers, lists of variants and faders take the scalar controls of a pipeline, their
ranges and their steps from here, and so from the ports that the controls feed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soundstage.graph.plan import Graph
from soundstage.graph.port import Port

# How many steps take a slider, and a key that is held, from end to end; about.
_SLIDER_STEPS, _KEY_STEPS = 100, 40


@dataclass(frozen=True)
class Scalar:
    """A control of one number.

    Attributes:
        name: the control's.
        port: the port it feeds.
        default: its value unless something is asked for.
    """

    name: str
    port: Port
    default: int | float

    @property
    def label(self) -> str:
        """A short name for people: the port's, or "Top k" for `top_k`."""
        return self.port.label or self.name.replace("_", " ").capitalize()

    @property
    def usual(self) -> tuple[float, float] | None:
        """The ends of a slider, which reach the default; None if the port names none."""
        port = self.port
        if port.usual is not None:
            least, greatest = port.usual
        elif port.minimum is not None and port.maximum is not None:
            least, greatest = port.minimum, port.maximum
        else:
            return None
        if least == greatest:
            return None
        return min(least, self.default), max(greatest, self.default)

    @property
    def step(self) -> int | float | None:
        """The step of a slider; None = no slider, and any number will do."""
        if self.port.whole:
            return 1
        return self._part(_SLIDER_STEPS)

    @property
    def key_step(self) -> int | float:
        """How far one press of a key moves the control."""
        step = self._part(_KEY_STEPS)
        if self.port.whole:
            return 1 if step is None else max(1, math.ceil(step))
        return 0.1 if step is None else step

    def nearest(self, number: int | float) -> int | float:
        """The number, rounded if the control takes whole numbers only."""
        return round(number) if self.port.whole else number

    def described(self) -> dict[str, Any]:
        """What a client that draws the control needs to know, as JSON; see docs/protocol.md."""
        usual = {} if self.usual is None else {"usual": list(self.usual)}
        step = {} if self.step is None else {"step": self.step}
        return {"label": self.label, "help": self.port.help, **usual, **step}

    def _part(self, parts: int) -> float | None:
        if self.usual is None:
            return None
        least, greatest = self.usual
        return _round_up((greatest - least) / parts)


def scalars(graph: Graph) -> Mapping[str, Scalar]:
    """The controls of a graph that are one number each, by name, in the order of its file."""
    return {
        name: Scalar(name, control.port, _plain(control.default))
        for name, control in graph.controls.items()
        if not control.port.shape and control.port.dtype != "utf8"
    }


def _plain(value: Any) -> int | float:
    """A number of NumPy as Python's; of float32 0.1, 0.1."""
    return int(value) if value.dtype.kind in "iu" else float(str(value))


def _round_up(number: float) -> float:
    """The next of 1, 2 and 5 times a power of ten."""
    power = math.floor(math.log10(number))
    # The smallest digit that reaches it, but for what floating point adds to it.
    digit = next(d for d in (1, 2, 5, 10) if number <= d * 10.0**power * (1 + 1e-9))
    return float(f"{digit}e{power}")
