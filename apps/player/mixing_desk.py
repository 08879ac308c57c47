"""The mixing desk: shows a performance on a terminal and steers it by keys.

No other file imports textual.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Footer, Input, Static

from soundstage.apps.player import gauges
from soundstage.apps.player.faders import Faders
from soundstage.apps.player.lines import Warnings, underrun_cause
from soundstage.apps.player.performance import Performance
from soundstage.apps.player.performer import ChunkReport
from soundstage.apps.player.piano_keys import PianoKeys
from soundstage.errors import Error
from soundstage.graph.control import ControlError
from soundstage.graph.legible import legible

LOOK_S = 0.1
METER_S = 0.1
LINES = 3
# A terminal tells when a key goes down and not when it comes up.
NOTE_S = 0.4
PIANO = "keys play notes: a w s e d f ... ; z x octave, ! all notes off, n back"


def show_mixing_desk(performance: Performance) -> None:
    """Shows the mixing desk until the music is over or the user quits.

    Raises:
        KeyboardInterrupt: the user pressed Ctrl-C, or the process received a signal.
        RuntimeError: the mixing desk itself failed.
    """
    mixing_desk = MixingDesk(performance)
    mixing_desk.run(mouse=False)
    if mixing_desk.stopped:
        raise KeyboardInterrupt
    if mixing_desk.return_code:
        raise RuntimeError("the mixing desk failed")


def _key(keys: str, action: str, label: str = "", shown_as: str | None = None) -> Binding:
    """Returns a binding of the app that comes before those of its widgets, so keys keep order."""
    return Binding(keys, action, label, show=bool(label), key_display=shown_as, priority=True)


class MixingDesk(App[None]):
    """The terminal program: faders, meters and the last messages.

    Attributes:
        stopped: whether Ctrl-C or a signal ended it.
    """

    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = ""  # keys move the faders until the input line is opened
    CSS = """
    Screen { layout: vertical; }
    #title { height: auto; padding: 0 1; text-style: bold; background: $panel; }
    #scroll { height: 1fr; }
    #faders { height: auto; padding: 1 1 0 1; }
    #gauges { height: auto; padding: 0 1; }
    #messages { height: auto; padding: 0 3; color: $text-muted; }
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
        _key("n", "piano", "notes"),
        _key("exclamation_mark", "panic"),
        _key("q", "quit", "quit"),
        _key("escape", "close", "cancel"),
        _key("ctrl+c", "stop"),
    ]

    def __init__(self, performance: Performance) -> None:
        super().__init__()
        self.stopped = False
        self._performance = performance
        self._faders = Faders(performance.graph, performance.performer, performance.prompts)
        self._typing: Literal["prompt", "value"] = "prompt"
        self._report: ChunkReport | None = None
        self._key_to_sound_s: float | None = None
        self._cause = ""
        self._warnings = Warnings(performance)
        self._lines: list[str] = []
        self._piano: PianoKeys | None = None  # while letters play notes

    def compose(self) -> ComposeResult:
        """Lays out the widgets."""
        yield Static(id="title")
        with VerticalScroll(id="scroll", can_focus=False):
            yield Static(id="faders")
            yield Static(id="gauges")
            yield Static(id="messages")
        yield Input(id="typed", disabled=True)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Starts to follow the performance."""
        self.set_interval(LOOK_S, self._update)
        self._update()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Whether a key acts now: letters typed into the input line do not."""
        if action == "stop":
            return True
        if action in ("piano", "panic") and self._performance.keys is None:
            return False
        if self._piano is not None:
            return action in ("piano", "panic", "select")
        typing = self.is_running and self.query_one("#typed", Input).has_class("open")
        return (action == "close") == typing

    # ---- keys

    def action_select(self, step: int) -> None:
        """Moves the selection."""
        self._faders.select(step)
        self._draw()

    def action_nudge(self, steps: int) -> None:
        """Moves the selected fader."""
        self._steer(lambda: self._faders.nudge(steps))

    def action_remove(self) -> None:
        """Removes the selected prompt."""
        self._steer(self._faders.remove)

    def action_pause(self) -> None:
        """Pauses or resumes the music."""
        ring = self._performance.ring
        ring.pause(not ring.paused)
        self._draw()

    def action_reset(self) -> None:
        """Restarts the stream."""
        self._performance.performer.reset()
        self._say("restarts with the next chunk")

    def action_save(self) -> None:
        """Saves the session."""
        path = self._performance.save or Path(time.strftime("soundstage-%Y%m%d-%H%M%S.session"))
        try:
            self._performance.performer.save(path)
        except Error as error:
            self._say(str(error))
        else:
            self._say(f"saved {path}")

    def action_piano(self) -> None:
        """Makes letters play notes, or gives them back their meaning."""
        self._piano = PianoKeys() if self._piano is None else None
        self._say(PIANO if self._piano is not None else "keys steer again")
        self.refresh_bindings()

    def action_panic(self) -> None:
        """Ends all notes."""
        if self._performance.keys is not None:
            self._performance.keys.panic()
            self._say("all notes off")

    def on_key(self, event: events.Key) -> None:
        """Plays a note for a letter, while letters play notes."""
        keys = self._performance.keys
        pitch = None if self._piano is None else self._piano.pitch(event.key)
        if pitch is not None and keys is not None:
            keys.press(pitch)
            self.set_timer(NOTE_S, lambda: keys.release(pitch))

    def action_stop(self) -> None:
        """Ends the program as Ctrl-C does."""
        self.stopped = True
        self.exit()

    def action_type(self, what: Literal["prompt", "value"]) -> None:
        """Opens the input line for a prompt or a value."""
        self._typing = what
        line = self.query_one("#typed", Input)
        line.placeholder = {"prompt": "a prompt, or prompt:weight", "value": "a number"}[what]
        line.value = ""
        line.disabled = False
        line.add_class("open")
        self.set_focus(line)  # at once, so that the next key is for the line
        self.refresh_bindings()

    def action_close(self) -> None:
        """Closes the input line."""
        line = self.query_one("#typed", Input)
        line.remove_class("open")
        line.disabled = True
        self.set_focus(None)
        self.refresh_bindings()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Applies the text of the input line."""
        text = event.value.strip()
        self.action_close()
        if text:
            apply = self._faders.add if self._typing == "prompt" else self._faders.type_value
            self._steer(lambda: apply(text))

    def _steer(self, change: Callable[[], None]) -> None:
        try:
            change()
        except ControlError as error:
            self._say(str(error))
        self._draw()

    # ---- display

    def _update(self) -> None:
        if self._performance.interrupted.is_set():
            self.action_stop()
        elif self._performance.over:
            self.exit()
        while True:
            try:
                self._report = self._performance.performer.reports.get_nowait()
            except queue.Empty:
                break
            if self._report.key_to_sound_s is not None:
                self._key_to_sound_s = self._report.key_to_sound_s
            if self._report.ran_out:
                self._cause = underrun_cause(self._report)
            for line in self._warnings.about(self._report):
                self._say(line)
        self._draw()

    def _say(self, line: str) -> None:
        self._lines = [*self._lines, legible(line)][-LINES:]
        self._draw()

    def _draw(self) -> None:
        if not self.query("#title"):  # the desk is closing
            return
        performance, width = self._performance, max(20, self.size.width - 4)
        ring, format = performance.ring, performance.graph.format
        rate_hz = format.sample_rate_hz
        minutes, seconds = divmod(int(ring.heard_samples / rate_hz), 60)
        state, name = "paused" if ring.paused else "playing", legible(performance.graph.name)
        title = f"{name}  {state}  {minutes}:{seconds:02}  on {performance.sink.name}"
        self.query_one("#title", Static).update(Text(title, no_wrap=True, overflow="ellipsis"))
        self.query_one("#faders", Static).update(gauges.faders(self._faders.rows, width))
        picture = gauges.levels(ring.peaks(round(METER_S * rate_hz)).tolist(), width)
        full_s = (performance.performer.ahead + 1) * format.chunk_s
        buffered_s = ring.buffered_samples / rate_hz
        picture.append(gauges.buffer(buffered_s, full_s, self._report, self._key_to_sound_s, width))
        silent_s = ring.silent_samples / rate_hz
        picture.append(gauges.underruns(ring.underruns, silent_s, self._cause))
        self.query_one("#gauges", Static).update(picture)
        self.query_one("#messages", Static).update(Text("\n".join(["", *self._lines])))
