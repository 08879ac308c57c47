"""The ring between the thread that makes music and the one that must have it in time."""

from __future__ import annotations

import numpy as np


class Ring:
    """Samples on their way to a sound card.

    One thread writes, another one reads, and neither ever waits for the other: every position is
    changed by one side only. What is read never jumps: whenever music has to stop, because it is
    paused, over or late, it fades to silence, and fades in again. For that the reader holds a
    fade's length back; when no more than that is left, it is late.

    Attributes:
        underruns: how often music ran out that was due.
        silent_samples: how much silence that has made so far.
        heard_samples: how much music was read.
    """

    def __init__(self, samples: int, channels: int, fade_samples: int) -> None:
        """Makes an empty ring.

        Args:
            samples: room for so many per channel.
            channels: audio channels.
            fade_samples: length of a fade; a tenth of the room at most.
        """
        if not 0 < fade_samples <= samples // 10:
            raise ValueError(f"a fade of {fade_samples} samples in a ring of {samples}")
        self.underruns = 0
        self.silent_samples = 0
        self.heard_samples = 0
        self._samples = np.zeros((samples, channels), np.float32)
        steps = (np.arange(fade_samples, dtype=np.float32) + 0.5) / np.float32(fade_samples)
        rise = np.sin(steps * np.float32(np.pi / 2)) ** 2  # [fade_sample]
        # For every channel, since NumPy would allocate a buffer to spread one over all of them.
        self._rise = np.repeat(rise[:, None], channels, axis=1)  # [fade_sample, channel]
        self._fall = np.ascontiguousarray(self._rise[::-1])
        self._written = 0  # the writer's: samples ever written
        self._cut = 0  # the writer's: what was written before it is not wanted any more
        self._ended = self._stopped = self._paused = False
        self._read = 0  # the reader's: samples ever read or passed over
        self._gain = 0  # the reader's: how far it has faded in, in fade samples
        self._dry = False  # the reader's: it is silent because music is late

    # ---- what the writer calls

    @property
    def buffered_samples(self) -> int:
        """Samples that are there and not heard yet."""
        return max(0, self._written - max(self._read, self._cut))

    @property
    def room_samples(self) -> int:
        """Samples that may be written now."""
        return len(self._samples) - (self._written - self._read)

    def write(self, block: np.ndarray) -> None:
        """Appends float32 [sample, channel].

        Raises:
            ValueError: there is no room for it.
        """
        if len(block) > self.room_samples:
            raise ValueError(f"no room for {len(block)} samples, only for {self.room_samples}")
        start = self._written % len(self._samples)
        first = min(len(block), len(self._samples) - start)
        self._samples[start : start + first] = block[:first]
        self._samples[: len(block) - first] = block[first:]
        self._written += len(block)

    def cut(self) -> None:
        """What was written so far is not wanted: the reader fades to what is written next."""
        self._cut = self._written

    def end(self) -> None:
        """Nothing more will be written: what is there is played to its end."""
        self._ended = True

    # ---- what anybody may call

    @property
    def paused(self) -> bool:
        """Whether the reader rests."""
        return self._paused

    def pause(self, paused: bool = True) -> None:
        """Lets the reader rest, or go on where it was."""
        self._paused = paused

    def stop(self) -> None:
        """Ends the music with a fade, now."""
        self._stopped = True

    @property
    def finished(self) -> bool:
        """Whether the music has ended and is silent."""
        if self._gain:
            return False
        return self._stopped or (self._ended and not self._is_enough())

    def peaks(self, samples: int) -> np.ndarray:
        """The loudest of the samples heard last, for a meter: float32 [channel]."""
        if not self._gain:
            return np.zeros(self._samples.shape[1], np.float32)
        size = len(self._samples)
        recent = np.arange(self._read - min(samples, size), self._read) % size
        return np.abs(self._samples[recent]).max(axis=0)

    # ---- what the reader calls

    def fill(self, out: np.ndarray) -> None:
        """Writes the next samples into `out`; silence where there are none. Waits for nothing.

        No memory of the size of the audio is allocated.

        Args:
            out: float32 [sample, channel], written whole.
        """
        done = 0
        while done < len(out):
            if self._sounds():
                done += self._play(out[done:])
            elif self._gain:
                self._notice_lateness()
                done += self._fade(out[done:])
            elif self._cut > self._read:
                self._read = self._cut
            else:
                out[done:] = 0.0
                if self._dry and not self._paused:
                    self.silent_samples += len(out) - done
                return

    def _sounds(self) -> bool:
        """Whether there is music to play, and it may be played."""
        if self._paused or self._stopped or self._cut > self._read:
            return False
        if not self._gain:
            return self._is_enough()
        return self._written - self._read > len(self._rise)

    def _is_enough(self) -> bool:
        """Whether what is there can be faded in and out again."""
        return self._written - max(self._read, self._cut) > 2 * len(self._rise)

    def _notice_lateness(self) -> None:
        wanted = not (self._paused or self._stopped or self._ended or self._cut > self._read)
        if wanted and not self._dry:
            self._dry = True
            self.underruns += 1

    def _play(self, out: np.ndarray) -> int:
        """Reads some samples, faded in as far as they must be; returns how many."""
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
        self._read += count
        self.heard_samples += count
        return count

    def _fade(self, out: np.ndarray) -> int:
        """Reads some samples on the way to silence; returns how many."""
        start, fade = self._read % len(self._samples), len(self._rise)
        count = min(len(out), self._gain, len(self._samples) - start)
        fall = self._fall[fade - self._gain : fade - self._gain + count]
        np.multiply(self._samples[start : start + count], fall, out=out[:count])
        self._gain -= count
        self._read += count
        self.heard_samples += count
        return count
