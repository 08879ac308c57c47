"""Makes chunks on a thread of its own, just in time, and lets a person steer meanwhile."""

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

from soundstage.apps.player.live_input import LiveSource
from soundstage.apps.player.ring import Ring
from soundstage.errors import StageError
from soundstage.runners.sessions.controls import complete
from soundstage.runners.sessions.injection import inject_control
from soundstage.runners.sessions.session import Session
from soundstage.runners.timing.lateness import REMEMBERED, Late, Lateness
from soundstage.runners.timing.realtime import Verdict
from soundstage.runners.timing.timings import busy_s

# No longer than this between two looks at how much music is in stock.
LOOK_S = 0.25
# The stock counts as full although the chunk was not begun at the very sample.
_FULL = 0.9


@dataclass(frozen=True)
class ChunkReport:
    """What making one chunk came to.

    Attributes:
        chunk: its index.
        wall_s: how long it took.
        chunk_s: how much music it is.
        slack_s: how much music was in stock when it came; 0.0 = it came too late, None = nothing
            was being played yet.
        buffered_s: how much was in stock behind it.
        underruns: how often music has run out so far.
        silent_s: how much silence there was since the chunk before.
        ran_out: whether music ran out before it came.
        late: the stage to blame for that; None if there is none.
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

    @property
    def rtf(self) -> float:
        """Time taken over the length of the music: above 1.0 is too slow."""
        return self.wall_s / self.chunk_s


class Performer:
    """Keeps so many chunks of music in stock. Methods may be called from any thread.

    Attributes:
        made: news of chunks, for one reader.
        fault: what ended the making of music before its time.
        ahead: chunks kept in stock.
        clipped_samples: samples, over all channels, that were too loud and cut to full scale.
    """

    def __init__(
        self,
        session: Session,
        ring: Ring,
        ahead: int,
        total_samples: int | None = None,
        ear: LiveSource | None = None,
    ) -> None:
        """Prepares; nothing is made yet.

        Args:
            session: one stream, which is the performer's from now on.
            ring: where the music goes, with room for two chunks more than `ahead`.
            ahead: chunks in stock, at least 1.
            total_samples: when to end; None = never.
            ear: what is played into the music, in a pipeline that takes it.
        """
        self.made: queue.SimpleQueue[ChunkReport] = queue.SimpleQueue()
        self.fault: Exception | None = None
        self.ahead = ahead
        self.clipped_samples = 0
        self._session, self._ring, self._ear = session, ring, ear
        self._format = session.graph.format
        self._ahead_samples = ahead * self._format.dims["sample"]
        self._chunk_samples = self._format.dims["sample"]
        self._left_samples = total_samples
        self._controls = session.controls[0]
        self._behind = session.state
        self._lateness = Lateness(self._format.chunk_s)
        self._walls_s: deque[float] = deque(maxlen=REMEMBERED)
        self._underruns_told = self._silent_told = 0
        self._steered = self._reset = False
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._full = threading.Event()
        self._thread = threading.Thread(target=self._run, name="performer", daemon=True)

    def start(self) -> None:
        """Begins to make music; returns at once."""
        self._thread.start()

    def wait_until_full(self) -> None:
        """Waits until there is as much music in stock as there should be, or none will come."""
        self._full.wait()

    @property
    def over(self) -> bool:
        """Whether no more music will be made."""
        return not self._thread.is_alive()

    @property
    def verdict(self) -> Verdict | None:
        """Whether music comes fast enough, by the last chunks; None = nobody knows yet."""
        walls_s = list(self._walls_s)
        return Verdict.of(self._format.chunk_s, walls_s) if walls_s else None

    @property
    def controls(self) -> Mapping[str, Any]:
        """Every control's value, as asked for last."""
        return self._controls

    def steer(self, changes: Mapping[str, Any]) -> None:
        """Changes controls from the next chunk on.

        Raises:
            ControlError: a value is refused; nothing has changed and the music goes on.
        """
        with self._lock:
            self._controls = complete(self._session.graph, changes, self._controls)
            self._steered = True

    def reset(self) -> None:
        """Forgets the music so far and begins again at chunk 0, with the controls of now."""
        with self._lock:
            self._reset = True
        self._wake.set()

    def save(self, path: Path) -> None:
        """Saves the session: behind the last chunk made, with the controls of now.

        Raises:
            OutputError: the file cannot be written.
        """
        with self._lock:
            state, controls = self._behind, self._controls
        Session(self._session.runner, [controls], state=state).save(path)

    def stop(self) -> None:
        """Makes no further chunk; does not wait for the one under way."""
        self._stopping.set()
        self._wake.set()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set() and self._left_samples != 0:
                if self._is_wanted():
                    self._make()
                else:
                    self._full.set()
                    self._wake.wait(self._rest_s())
                    self._wake.clear()
        # The outermost frame of the thread: who plays raises it again.
        except Exception as error:
            self.fault = error
        self._ring.end()
        self._full.set()

    def _is_wanted(self) -> bool:
        wanted = self._reset or self._ring.buffered_samples < self._ahead_samples
        # If warming up has made the first chunk already, the next one tells how long chunks take.
        wanted = wanted or not (self._walls_s or self._full.is_set())
        return wanted and self._ring.room_samples >= self._chunk_samples

    def _rest_s(self) -> float:
        """How long there is nothing to do, unless somebody resets."""
        spare = self._ring.buffered_samples - self._ahead_samples + 1
        return min(LOOK_S, spare / self._format.sample_rate_hz)

    def _take_orders(self) -> bool:
        """Steers or resets the session as asked; says whether it begins anew."""
        with self._lock:
            steered, reset = self._steered, self._reset
            self._steered = self._reset = False
            controls = self._controls
        if reset:
            self._session.close()
            self._session = Session(self._session.runner, [controls])
        elif steered:
            self._session.steer(**controls)
        return reset

    def _make(self) -> None:
        anew = self._take_orders()
        if self._ear is not None:
            self._session.steer(**{inject_control(self._session.graph): self._ear.take()})
        stocked = self._ring.buffered_samples >= _FULL * self._ahead_samples
        start_s = time.perf_counter()
        chunk = next(self._session)
        wall_s = time.perf_counter() - start_s
        with self._lock:
            self._behind = chunk.state
        slack_samples = self._ring.buffered_samples
        audio = self._fit(chunk.audio[0])
        if anew:
            self._ring.cut()
            if self._left_samples is not None:
                self._left_samples += slack_samples
        if self._left_samples is not None:
            audio = audio[: self._left_samples]
            self._left_samples -= len(audio)
        self._ring.write(audio)
        if any(chunk.seconds.values()):  # else warming up has made it already
            self._walls_s.append(wall_s)
        self._lateness.add(chunk.tick.chunks[0], wall_s, busy_s(chunk), stocked)
        self._tell(chunk.tick.chunks[0], wall_s, slack_samples)

    def _fit(self, audio: np.ndarray) -> np.ndarray:
        """A chunk within full scale: float32 [sample, channel]."""
        if not np.isfinite(audio).all():
            raise StageError(
                "the music has samples that are no finite numbers; try a lower temperature, or "
                "check the weights"
            )
        self.clipped_samples += int(np.count_nonzero(np.abs(audio) > 1.0))
        return np.clip(audio, -1.0, 1.0)

    def _tell(self, chunk: int, wall_s: float, slack_samples: int) -> None:
        underruns, rate_hz = self._ring.underruns, self._format.sample_rate_hz
        ran_out = underruns > self._underruns_told
        silent_samples = self._ring.silent_samples - self._silent_told
        self._underruns_told = underruns
        self._silent_told += silent_samples
        slack_s: float | None = 0.0 if ran_out else slack_samples / rate_hz
        if not self._ring.heard_samples:
            slack_s = None
        self.made.put(
            ChunkReport(
                chunk,
                wall_s,
                self._format.chunk_s,
                slack_s,
                self._ring.buffered_samples / rate_hz,
                underruns,
                silent_samples / rate_hz,
                ran_out,
                self._lateness.blame() if ran_out else None,
            )
        )
