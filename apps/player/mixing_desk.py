"""A performance on a terminal, steered by keys: the mixing desk. Textual is known here only."""

from __future__ import annotations

import queue
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import ClassVar, Literal

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Footer, Input, Static

from soundstage.apps.player import gauges
from soundstage.apps.player.faders import Faders
from soundstage.apps.player.lines import News, blamed
from soundstage.apps.player.performance import Performance
from soundstage.apps.player.performer import ChunkReport
from soundstage.errors import Error
from soundstage.graph.control import ControlError
from soundstage.graph.legible import legible

LOOK_S = 0.1
METER_S = 0.1
LINES = 3


def watch_at_desk(performance: Performance) -> None:
    """Shows the desk until the music is over or the player leaves.

    Raises:
        KeyboardInterrupt: it was left with Ctrl-C, or a polite kill.
        RuntimeError: the desk itself failed.
    """
    desk = MixingDesk(performance)
    with _stopping(desk.stop_soon):
        desk.run(mouse=False)
    if desk.stopped:
        raise KeyboardInterrupt
    if desk.return_code:
        raise RuntimeError("the mixing desk failed")


@contextmanager
def _stopping(stop: Callable[[], None]) -> Iterator[None]:
    """Calls `stop` for Ctrl-C and a polite kill from outside, so that the terminal is left sane."""

    def heard(number: int, frame: FrameType | None) -> None:
        stop()

    before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _key(keys: str, action: str, said: str = "", shown_as: str | None = None) -> Binding:
    """Keys that the desk hears before anything on it does, so that none overtakes another."""
    return Binding(keys, action, said, show=bool(said), key_display=shown_as, priority=True)


class MixingDesk(App[None]):
    """Faders, meters and the last news.

    Attributes:
        stopped: whether it was ended by Ctrl-C rather than left.
    """

    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = ""  # keys are for the faders, unless somebody asks for the line
    CSS = """
    Screen { layout: vertical; }
    #title { height: auto; padding: 0 1; text-style: bold; background: $panel; }
    #scroll { height: 1fr; }
    #faders { height: auto; padding: 1 1 0 1; }
    #gauges { height: auto; padding: 0 1; }
    #news { height: auto; padding: 0 3; color: $text-muted; }
    #typed { display: none; height: 3; }
    #typed.open { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        _key("up,k", "select(-1)", "select", shown_as="↑↓"),
        _key("down,j", "select(1)"),
        _key("left,minus", "nudge(-1)", "move", shown_as="←→"),
        _key("right,plus", "nudge(1)"),
        _key("pageup", "nudge(10)"),
        _key("pagedown", "nudge(-10)"),
        _key("enter", "type('value')", "value"),
        _key("a", "type('prompt')", "add"),
        _key("x,delete", "remove", "remove"),
        _key("space", "pause", "pause"),
        _key("r", "reset", "reset"),
        _key("s", "save", "save"),
        _key("q", "quit", "quit"),
        _key("escape", "close", "never mind"),
        _key("ctrl+c", "stop"),
    ]

    def __init__(self, performance: Performance) -> None:
        super().__init__()
        self.stopped = False
        self._asked_to_stop = False
        self._performance = performance
        self._faders = Faders(performance.graph, performance.performer, performance.mix)
        self._typing: Literal["prompt", "value"] = "prompt"
        self._made: ChunkReport | None = None
        self._why = ""
        self._news = News(performance)
        self._lines: list[str] = []

    def compose(self) -> ComposeResult:
        """Lays the desk out."""
        yield Static(id="title")
        with VerticalScroll(id="scroll", can_focus=False):
            yield Static(id="faders")
            yield Static(id="gauges")
            yield Static(id="news")
        yield Input(id="typed", disabled=True)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begins to look at the performance."""
        self.set_interval(LOOK_S, self._look)
        self._look()

    def stop_soon(self) -> None:
        """Ends the desk at its next look; may be called from a signal's handler."""
        self._asked_to_stop = True

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Whether a key does now what it is for: letters that are typed are no orders."""
        typing = self.is_running and self.query_one("#typed", Input).has_class("open")
        return action == "stop" or (action == "close") == typing

    # ---- what keys do

    def action_select(self, step: int) -> None:
        """Moves the selection."""
        self._faders.select(step)
        self._draw()

    def action_nudge(self, steps: int) -> None:
        """Moves the selected fader."""
        self._steer(lambda: self._faders.nudge(steps))

    def action_remove(self) -> None:
        """Takes the selected prompt away."""
        self._steer(self._faders.remove)

    def action_pause(self) -> None:
        """Pauses, or goes on."""
        ring = self._performance.ring
        ring.pause(not ring.paused)
        self._draw()

    def action_reset(self) -> None:
        """Begins anew."""
        self._performance.performer.reset()
        self._say("begins anew with the next chunk")

    def action_save(self) -> None:
        """Saves the session."""
        path = self._performance.save or Path(time.strftime("soundstage-%Y%m%d-%H%M%S.session"))
        try:
            self._performance.performer.save(path)
        except Error as error:
            self._say(str(error))
        else:
            self._say(f"saved {path}")

    def action_stop(self) -> None:
        """Ends, as Ctrl-C does everywhere."""
        self.stopped = True
        self.exit()

    def action_type(self, what: Literal["prompt", "value"]) -> None:
        """Opens the line for typing."""
        self._typing = what
        line = self.query_one("#typed", Input)
        line.placeholder = {"prompt": "a prompt, or prompt:weight", "value": "a number"}[what]
        line.value = ""
        line.disabled = False
        line.add_class("open")
        self.set_focus(line)  # at once: what is typed next is for the line
        self.refresh_bindings()

    def action_close(self) -> None:
        """Closes the line for typing."""
        line = self.query_one("#typed", Input)
        line.remove_class("open")
        line.disabled = True
        self.set_focus(None)
        self.refresh_bindings()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Takes what was typed."""
        text = event.value.strip()
        self.action_close()
        if text:
            take = self._faders.add if self._typing == "prompt" else self._faders.type_value
            self._steer(lambda: take(text))

    def _steer(self, change: Callable[[], None]) -> None:
        try:
            change()
        except ControlError as error:
            self._say(str(error))
        self._draw()

    # ---- what eyes see

    def _look(self) -> None:
        if self._asked_to_stop:
            self.action_stop()
        elif self._performance.over:
            self.exit()
        while True:
            try:
                self._made = self._performance.performer.made.get_nowait()
            except queue.Empty:
                break
            if self._made.ran_out:
                self._why = blamed(self._made)
            for line in self._news.about(self._made):
                self._say(line)
        self._draw()

    def _say(self, line: str) -> None:
        self._lines = [*self._lines, legible(line)][-LINES:]
        self._draw()

    def _draw(self) -> None:
        performance, width = self._performance, max(20, self.size.width - 4)
        ring, format = performance.ring, performance.graph.format
        rate_hz = format.sample_rate_hz
        minutes, seconds = divmod(int(ring.heard_samples / rate_hz), 60)
        state, name = "paused" if ring.paused else "playing", legible(performance.graph.name)
        title = f"{name}  {state}  {minutes}:{seconds:02}  on {performance.sink.name}"
        self.query_one("#title", Static).update(Text(title, no_wrap=True, overflow="ellipsis"))
        self.query_one("#faders", Static).update(gauges.faders(self._faders.rows, width))
        picture = gauges.levels(ring.peaks(round(METER_S * rate_hz)).tolist(), width)
        wanted_s = (performance.performer.ahead + 1) * format.chunk_s
        picture.append(gauges.stock(ring.buffered_samples / rate_hz, wanted_s, self._made, width))
        silent_s = ring.silent_samples / rate_hz
        picture.append(gauges.underruns(ring.underruns, silent_s, self._why))
        self.query_one("#gauges", Static).update(picture)
        self.query_one("#news", Static).update(Text("\n".join(["", *self._lines])))
