"""The ring buffer between the thread that makes music and the thread that plays it."""

from __future__ import annotations

from collections import deque

import numpy as np

from soundstage.audio.wav import Cue


class Ring:
    """A ring buffer of samples with one writing and one reading thread, neither of which waits.

    Every position is changed by one of the threads only. The output never jumps: when the music is
    paused, over or late, it fades to silence, and fades in again. For this the reader holds back
    the length of a fade. If no more than that is left, the music is late.

    Attributes:
        underruns: how often the music was late.
        silent_samples: samples per channel of silence because of that.
        heard_samples: samples per channel of music that were read.
        cues: the marks that were read, by their place in the output; belongs to the reader.
    """

    def __init__(self, samples: int, channels: int, fade_samples: int) -> None:
        """Makes an empty ring.

        Args:
            samples: its size, in samples per channel.
            channels: audio channels.
            fade_samples: length of a fade, at most a tenth of `samples`.

        Raises:
            ValueError: the fade is too long.
        """
        if not 0 < fade_samples <= samples // 10:
            raise ValueError(
                f"a fade of {fade_samples} samples in a ring of {samples}: must be 1 to a tenth"
            )
        self.underruns = 0
        self.silent_samples = 0
        self.heard_samples = 0
        self.cues: list[Cue] = []
        self._marks: deque[tuple[int, str]] = deque()  # what is written and what is said of it
        self._samples = np.zeros((samples, channels), np.float32)
        steps = (np.arange(fade_samples, dtype=np.float32) + 0.5) / np.float32(fade_samples)
        rise = np.sin(steps * np.float32(np.pi / 2)) ** 2  # [fade_sample]
        # Repeated for every channel, since NumPy would allocate a buffer to broadcast one.
        self._rise = np.repeat(rise[:, None], channels, axis=1)  # [fade_sample, channel]
        self._fall = np.ascontiguousarray(self._rise[::-1])
        self._written = 0  # the writer's: samples ever written
        self._cut = 0  # the writer's: samples before this position are skipped
        self._ended = self._stopped = self._paused = False
        self._read = 0  # the reader's: samples ever read or skipped
        self._gain = 0  # the reader's: position within the fade, 0 = silent
        self._dry = False  # the reader's: silent because the music is late
        self._filled = 0  # the reader's: samples of music and silence that it was given

    # ---- for the writer

    @property
    def buffered_samples(self) -> int:
        """Samples per channel that are written and not yet read."""
        return max(0, self._written - max(self._read, self._cut))

    @property
    def room_samples(self) -> int:
        """Samples per channel that may be written now."""
        return len(self._samples) - (self._written - self._read)

    def write(self, block: np.ndarray) -> None:
        """Appends a block, float32 [sample, channel].

        Raises:
            ValueError: the block is longer than `room_samples`.
        """
        if len(block) > self.room_samples:
            raise ValueError(f"no room for {len(block)} samples, only for {self.room_samples}")
        start = self._written % len(self._samples)
        first = min(len(block), len(self._samples) - start)
        self._samples[start : start + first] = block[:first]
        self._samples[: len(block) - first] = block[first:]
        self._written += len(block)

    def mark(self, label: str) -> None:
        """Marks the sample that is written next; the mark is among `cues` once it was read."""
        self._marks.append((self._written, label))

    def cut(self) -> None:
        """Discards the samples written so far: the reader fades to those that are written next."""
        self._cut = self._written

    def end(self) -> None:
        """Declares that nothing more will be written: the reader plays the rest and is finished."""
        self._ended = True

    # ---- for any thread

    @property
    def paused(self) -> bool:
        """Whether the music is paused."""
        return self._paused

    def pause(self, paused: bool = True) -> None:
        """Pauses the music with a fade, or resumes it where it was."""
        self._paused = paused

    def stop(self) -> None:
        """Ends the music at once, with a fade."""
        self._stopped = True

    @property
    def finished(self) -> bool:
        """Whether the music has ended and has faded out."""
        if self._gain:
            return False
        return self._stopped or (self._ended and not self._fits_fades())

    def peaks(self, samples: int) -> np.ndarray:
        """Returns the peaks of the last `samples` read, for a meter: float32 [channel], 0 to 1."""
        if not self._gain:
            return np.zeros(self._samples.shape[1], np.float32)
        size = len(self._samples)
        recent = np.arange(self._read - min(samples, size), self._read) % size
        return np.abs(self._samples[recent]).max(axis=0)

    # ---- for the reader

    def fill(self, out: np.ndarray) -> None:
        """Writes the next samples into `out`, and silence where there are none.

        Never waits, and allocates no memory of the size of the audio.

        Args:
            out: float32 [sample, channel]; every sample is written.
        """
        done = 0
        while done < len(out):
            if self._can_play():
                done += self._play(out[done:])
            elif self._gain:
                self._count_underrun()
                done += self._fade(out[done:])
            elif self._cut > self._read:
                self._read = self._cut
            else:
                out[done:] = 0.0
                if self._dry and not self._paused:
                    self.silent_samples += len(out) - done
                self._filled += len(out) - done
                return

    def _can_play(self) -> bool:
        """Whether there is music to play, and it is not paused, stopped or cut."""
        if self._paused or self._stopped or self._cut > self._read:
            return False
        if not self._gain:
            return self._fits_fades()
        return self._written - self._read > len(self._rise)

    def _fits_fades(self) -> bool:
        """Whether the buffered music is longer than a fade in and a fade out."""
        return self._written - max(self._read, self._cut) > 2 * len(self._rise)

    def _count_underrun(self) -> None:
        due = not (self._paused or self._stopped or self._ended or self._cut > self._read)
        if due and not self._dry:
            self._dry = True
            self.underruns += 1

    def _play(self, out: np.ndarray) -> int:
        """Reads some samples, fading in if needed; returns how many."""
        self._dry = False
        start, fade = self._read % len(self._samples), len(self._rise)
        count = min(len(out), self._written - self._read - fade, len(self._samples) - start)
        if self._gain < fade:
            count = min(count, fade - self._gain)
            rise = self._rise[self._gain : self._gain + count]
            np.multiply(self._samples[start : start + count], rise, out=out[:count])
            self._gain += count
        else:
            out[:count] = self._samples[start : start + count]
        self._advance(count)
        return count

    def _fade(self, out: np.ndarray) -> int:
        """Reads some samples while fading out; returns how many."""
        start, fade = self._read % len(self._samples), len(self._rise)
        count = min(len(out), self._gain, len(self._samples) - start)
        fall = self._fall[fade - self._gain : fade - self._gain + count]
        np.multiply(self._samples[start : start + count], fall, out=out[:count])
        self._gain -= count
        self._advance(count)
        return count

    def _advance(self, count: int) -> None:
        """Counts samples that were read; keeps the marks among them, and drops those cut off."""
        while self._marks and self._marks[0][0] < self._read + count:
            position, label = self._marks.popleft()
            if position >= self._read:
                self.cues.append(Cue(self._filled + position - self._read, label))
        self._read += count
        self._filled += count
        self.heard_samples += count
