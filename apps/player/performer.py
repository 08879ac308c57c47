"""Makes the chunks of live music just in time, on a thread of its own; steered meanwhile."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from soundstage.apps.player.cues import label_of
from soundstage.apps.player.live_input import LiveSource
from soundstage.apps.player.note_source import NoteSource
from soundstage.apps.player.ring import Ring
from soundstage.errors import StageError
from soundstage.runners.runner import Chunk
from soundstage.runners.sessions.controls import complete
from soundstage.runners.sessions.injection import inject_control
from soundstage.runners.sessions.notes import notes_control
from soundstage.runners.sessions.prompts import written_out
from soundstage.runners.sessions.session import Session
from soundstage.runners.timing.lateness import REMEMBERED, Late, Lateness
from soundstage.runners.timing.realtime import Verdict
from soundstage.runners.timing.timings import busy_s

# The longest time between two looks at how much music is buffered.
LOOK_S = 0.25
# The share of `ahead` that counts as a full buffer: chunks do not begin at the very sample.
_FULL = 0.9


@dataclass(frozen=True)
class ChunkReport:
    """The times of one chunk.

    Attributes:
        chunk: the chunk's index.
        wall_s: seconds that making it took.
        chunk_s: seconds of music in it.
        slack_s: seconds of music that were buffered when it was finished; 0.0 = it came too late,
            None = before anything was heard.
        buffered_s: seconds of music buffered with this chunk.
        underruns: underruns so far.
        silent_s: seconds of silence since the chunk before.
        ran_out: whether the buffer ran out before this chunk.
        late: the stage that caused this; None if no stage did.
        not_understood: by text prompt, its words that the pipeline does not understand.
        key_to_sound_s: seconds from the first key that this chunk plays until it is heard, without
            the output device's own buffer; None = it plays no new key.
    """

    chunk: int
    wall_s: float
    chunk_s: float
    slack_s: float | None
    buffered_s: float
    underruns: int
    silent_s: float
    ran_out: bool
    late: Late | None
    not_understood: Mapping[str, str]
    key_to_sound_s: float | None

    @property
    def rtf(self) -> float:
        """Time taken over the length of the music: above 1.0 is too slow."""
        return self.wall_s / self.chunk_s


class Performer:
    """Keeps a ring filled with `ahead` chunks. Methods may be called from any thread.

    Attributes:
        reports: a report for each chunk, for one reader.
        error: the error that ended the music early, if any.
        ahead: chunks kept buffered.
        clipped_samples: samples, over all channels, that were too loud and cut to full scale.
    """

    def __init__(
        self,
        session: Session,
        ring: Ring,
        ahead: int,
        total_samples: int | None = None,
        live_source: LiveSource | None = None,
        note_source: NoteSource | None = None,
    ) -> None:
        """Makes nothing yet.

        Args:
            session: one stream; from now on only the performer may use it.
            ring: receives the music; has room for at least two chunks more than `ahead`.
            ahead: chunks to keep buffered, at least 1.
            total_samples: samples per channel after which the music ends; None = without end.
            live_source: the live input, for a pipeline that takes it; None = none.
            note_source: the notes, for a pipeline that hears them; None = none.
        """
        self.reports: queue.SimpleQueue[ChunkReport] = queue.SimpleQueue()
        self.error: Exception | None = None
        self.ahead = ahead
        self.clipped_samples = 0
        self._session, self._ring = session, ring
        self._live_source, self._note_source = live_source, note_source
        self._format = session.graph.format
        self._ahead_samples = ahead * self._format.dims["sample"]
        self._chunk_samples = self._format.dims["sample"]
        self._left_samples = total_samples
        self._controls = self._applied = session.controls[0]
        self._last_state = session.state
        self._lateness = Lateness(self._format.chunk_s)
        self._walls_s: deque[float] = deque(maxlen=REMEMBERED)
        self._reported_underruns = self._reported_silent_samples = 0
        self._steered = self._reset = self._compiled = False
        self._label = ""  # what the next chunk changes
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._full = threading.Event()
        self._thread = threading.Thread(target=self._run, name="performer", daemon=True)

    def start(self) -> None:
        """Starts to make music; returns at once."""
        self._thread.start()

    def wait_until_full(self) -> None:
        """Waits until `ahead` chunks are buffered, or the music has ended."""
        self._full.wait()

    @property
    def verdict(self) -> Verdict | None:
        """Whether the last chunks were made in real time; None before the second one."""
        walls_s = list(self._walls_s)
        return Verdict.of(self._format.chunk_s, walls_s) if walls_s else None

    @property
    def controls(self) -> Mapping[str, Any]:
        """Every control's value, as steered last."""
        return self._controls

    def steer(self, changes: Mapping[str, Any]) -> None:
        """Changes controls from the next chunk on; "prompts" is short for the prompt controls.

        Raises:
            ControlError: a value is refused; no control has changed.
        """
        graph = self._session.graph
        changes = written_out(changes, graph)
        with self._lock:
            self._controls = complete(graph, changes, self._controls)
            self._steered = True

    def reset(self) -> None:
        """Restarts the stream at chunk 0 and its initial state, with the current controls."""
        with self._lock:
            self._reset = True
        self._wake.set()

    def save(self, path: Path) -> None:
        """Saves the session: its state after the last chunk made, and the current controls.

        Raises:
            OutputError: the file cannot be written.
        """
        with self._lock:
            state, controls = self._last_state, self._controls
        Session(self._session.runner, [controls], state=state).save(path)

    def stop(self) -> None:
        """Makes no further chunk; does not wait for the one being made."""
        self._stopping.set()
        self._wake.set()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set() and self._left_samples != 0:
                if self._is_chunk_due():
                    self._make()
                else:
                    self._full.set()
                    self._wake.wait(self._idle_s())
                    self._wake.clear()
        # The outermost frame of the thread: `Performance.raise_error` raises it again.
        except Exception as error:
            self.error = error
        self._ring.end()
        self._full.set()

    def _is_chunk_due(self) -> bool:
        due = self._reset or self._ring.buffered_samples < self._ahead_samples
        return due and self._ring.room_samples >= self._chunk_samples

    def _idle_s(self) -> float:
        """Returns the seconds until a chunk may be due, unless there is a reset."""
        spare = self._ring.buffered_samples - self._ahead_samples + 1
        return min(LOOK_S, spare / self._format.sample_rate_hz)

    def _apply_changes(self) -> bool:
        """Steers or resets the session if that was requested; returns whether it was reset."""
        with self._lock:
            steered, reset = self._steered, self._reset
            self._steered = self._reset = False
            controls = self._controls
        if reset:
            self._session.close()
            self._session = Session(self._session.runner, [controls])
        elif steered:
            self._session.steer(**controls)
        self._label = label_of(self._applied, controls, reset)
        self._applied = controls
        return reset

    def _make(self) -> None:
        restarted = self._apply_changes()
        if self._live_source is not None:
            self._session.steer(**{inject_control(self._session.graph): self._live_source.take()})
        pressed_s = self._play_notes()
        was_full = self._ring.buffered_samples >= _FULL * self._ahead_samples
        start_s = time.perf_counter()
        chunk = next(self._session)
        wall_s = time.perf_counter() - start_s
        with self._lock:
            self._last_state = chunk.state
        slack_samples = self._ring.buffered_samples
        audio = self._clip(chunk.audio[0])
        if restarted:
            self._ring.cut()
            if self._left_samples is not None:
                self._left_samples += slack_samples
        if self._left_samples is not None:
            audio = audio[: self._left_samples]
            self._left_samples -= len(audio)
        if self._label:
            self._ring.mark(self._label)
        self._ring.write(audio)
        self._measure(chunk, wall_s, was_full)
        self._report(chunk, wall_s, slack_samples, pressed_s)

    def _measure(self, chunk: Chunk, wall_s: float, was_full: bool) -> None:
        """Keeps the times of a chunk, unless it is the first: its time contains compilation."""
        if not self._compiled:
            self._compiled = True
            return
        if any(chunk.seconds.values()):  # else no stage had anything to do, as after a reset
            self._walls_s.append(wall_s)
        self._lateness.add(chunk.tick.chunks[0], wall_s, busy_s(chunk), was_full)

    def _play_notes(self) -> float | None:
        """Asks for the notes of the next chunk; returns when the first new key was pressed."""
        if self._note_source is None:
            return None
        notes, pressed_s = self._note_source.take()
        self._session.steer(**{notes_control(self._session.graph): notes})
        return pressed_s

    def _clip(self, audio: np.ndarray) -> np.ndarray:
        """Returns a chunk cut to full scale: float32 [sample, channel]."""
        if not np.isfinite(audio).all():
            raise StageError(
                "the music has samples that are not finite numbers; try a lower temperature, or "
                "check the weights"
            )
        self.clipped_samples += int(np.count_nonzero(np.abs(audio) > 1.0))
        return np.clip(audio, -1.0, 1.0)

    def _report(
        self, chunk: Chunk, wall_s: float, slack_samples: int, pressed_s: float | None
    ) -> None:
        underruns, rate_hz = self._ring.underruns, self._format.sample_rate_hz
        ran_out = underruns > self._reported_underruns
        silent_samples = self._ring.silent_samples - self._reported_silent_samples
        self._reported_underruns = underruns
        self._reported_silent_samples += silent_samples
        slack_s: float | None = 0.0 if ran_out else slack_samples / rate_hz
        if not self._ring.heard_samples:
            slack_s = None
        key_to_sound_s = None
        if pressed_s is not None:
            # The codec looks one fade's length ahead.
            ahead_s = self._session.delayed_chunks * self._format.chunk_s
            buffered_s = slack_samples / rate_hz + ahead_s + self._format.fade_s
            key_to_sound_s = time.perf_counter() - pressed_s + buffered_s
        self.reports.put(
            ChunkReport(
                chunk.tick.chunks[0],
                wall_s,
                self._format.chunk_s,
                slack_s,
                self._ring.buffered_samples / rate_hz,
                underruns,
                silent_samples / rate_hz,
                ran_out,
                self._lateness.blame() if ran_out else None,
                chunk.not_understood[0],
                key_to_sound_s,
            )
        )
