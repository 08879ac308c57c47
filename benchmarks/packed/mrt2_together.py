"""Times Magenta RealTime 2 and its decoder in one pipeline, or plays them for minutes.

    python benchmarks/packed/mrt2_together.py --frames 200 --rounds 5
    python benchmarks/packed/mrt2_together.py --minutes 10

Weights are random, one stream, ticks of one frame, `step` in int8. All --convolutions are measured
in turns. Two ticks are in flight: the decoder runs beside the next step. Prints wall milliseconds a
frame, least and median of the rounds; CPU milliseconds of the process, and of each stage's calls;
the real-time factor, 40 ms over the median; and the load of the machine.

With --minutes, a player without a sound card plays the last of --convolutions in real time, as
`soundstage play --window 2` does, with --latency seconds buffered. A key is pressed and released
every two seconds. A chunk is late if the buffer ran out before it. The exit code is 1 if more than
--most-late were.
"""

import argparse
import itertools
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import soundstage
from soundstage.apps.player.performer import ChunkReport, Performer
from soundstage.apps.player.ring import Ring
from soundstage.apps.player.sink import Paced
from soundstage.graph.plan import Graph
from soundstage.runners.local import LocalRunner
from soundstage.runners.sessions.notes import HeldNotes
from soundstage.runners.sessions.session import Session
from soundstage.runners.timing.realtime import chunks_ahead
from soundstage.stages.spectrostream.stage import Convolution

FRAME_S, WARM_FRAMES = 0.04, 8
RANDOM = (
    "embed.use=stages.style:Embed",
    "quantize.use=stages.style:Quantize",
    *(f"{name}.params.weights=random:0" for name in ("embed", "quantize", "step")),
    "decode.params.weights=random:0",
)
PRESS_S, FADE_SAMPLES = 2.0, 100


def loaded(size: str, dtype: str, convolution: str) -> Graph:
    """Returns the graph of the preset, with random weights."""
    forms = (f"step.params.dtype={dtype}", f"decode.params.convolution={convolution}")
    random = () if size == "tiny" else RANDOM
    return soundstage.load(f"mrt2-{size}", settings=[*random, *forms])


def timed(sessions: dict[str, Session], frames: int, rounds: int) -> dict[str, np.ndarray]:
    """Makes rounds of frames in turns; by name, seconds a frame [round, 4].

    They are wall seconds, CPU seconds, and the median seconds of `step` and `decode`.
    """
    times: dict[str, list[tuple[float, ...]]] = {name: [] for name in sessions}
    for session in sessions.values():
        list(itertools.islice(session, WARM_FRAMES))
    for _ in range(rounds):
        for name, session in sessions.items():
            start, start_cpu = time.perf_counter(), time.process_time()
            chunks = list(itertools.islice(session, frames))
            wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
            stages = [[chunk.seconds[stage] for chunk in chunks] for stage in ("step", "decode")]
            times[name].append((wall / frames, cpu / frames, *np.median(stages, axis=1)))
    return {name: np.array(taken) for name, taken in times.items()}


class Live:
    """A performance without a sound card."""

    def __init__(self, session: Session, latency_s: float) -> None:
        format = session.graph.format
        ahead = chunks_ahead(format.chunk_s, latency_s)
        self._ring = Ring((ahead + 2) * format.dims["sample"], format.channels, FADE_SAMPLES)
        self._keys = HeldNotes(format)
        self._sink = Paced("nowhere", lambda block: None, format.sample_rate_hz, format.channels)
        self.performer = Performer(session, self._ring, ahead, note_source=self._keys)

    def play(self, seconds: float) -> tuple[list[ChunkReport], int]:
        """Plays; returns a report for each chunk, and how often the buffer ran out."""
        reports = self.performer.reports
        self.performer.start()
        self.performer.wait_until_full()
        self._sink.start(self._ring)
        end_s = time.monotonic() + seconds
        for pitch in itertools.cycle((60, 64, 67)):
            if time.monotonic() >= end_s or self.performer.error:
                break
            self._keys.press(pitch)
            time.sleep(PRESS_S / 2)
            self._keys.release(pitch)
            time.sleep(PRESS_S / 2)
        underruns = self._ring.underruns
        self.performer.stop()
        self._sink.close()
        if self.performer.error:
            raise self.performer.error
        return [reports.get() for _ in range(reports.qsize())], underruns


def live_line(reports: Sequence[ChunkReport], underruns: int, cpu_s: float) -> str:
    """Returns the figures of a performance."""
    walls = 1e3 * np.array([report.wall_s for report in reports])
    slack = [report.slack_s for report in reports if report.slack_s is not None]
    keys = [report.key_to_sound_s for report in reports if report.key_to_sound_s is not None]
    buffer_ms, keys_ms = 1e3 * min(slack, default=0), 1e3 * np.median(keys)
    return (
        f"{len(reports)} chunks, {underruns} late; a chunk took {np.median(walls):.1f} ms, the "
        f"slowest 1 % {np.percentile(walls, 99):.1f}, CPU {1e3 * cpu_s / len(reports):.1f}; least "
        f"buffer {buffer_ms:.0f} ms; key to sound {keys_ms:.0f} ms, "
        f"load {os.getloadavg()[0]:.1f}"
    )


def arguments() -> Any:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", default="small", choices=("tiny", "small", "base"))
    parser.add_argument("--dtype", default="int8")
    forms = get_args(Convolution)
    parser.add_argument("--convolutions", nargs="+", default=["winograd", "int16"], choices=forms)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--most-late", type=int, default=0)
    return parser.parse_args()


def main() -> int:
    """Measures and prints; returns the exit code."""
    args = arguments()
    names = args.convolutions[-1:] if args.minutes else args.convolutions
    runners = {name: LocalRunner(loaded(args.size, args.dtype, name)) for name in names}
    sessions = {
        name: Session(runner, lookahead=1, keep_ahead=True, owns_runner=True)
        for name, runner in runners.items()
    }
    if args.minutes:
        (session,) = sessions.values()
        list(itertools.islice(session, WARM_FRAMES))
        start_cpu = time.process_time()
        reports, underruns = Live(session, args.latency).play(60 * args.minutes)
        print(live_line(reports, underruns, time.process_time() - start_cpu))
        session.close()
        return int(underruns > args.most_late)
    for name, taken in timed(sessions, args.frames, args.rounds).items():
        median, least = np.median(taken, axis=0), taken.min(axis=0)
        print(
            f"{name:<9} {1e3 * median[0]:6.1f} ms a frame, least {1e3 * least[0]:6.1f}, "
            f"CPU {1e3 * median[1]:6.1f} (least {1e3 * least[1]:.1f}), step {1e3 * least[2]:.1f}, "
            f"decode {1e3 * least[3]:.1f}, RTF {FRAME_S / median[0]:.2f}, "
            f"load {os.getloadavg()[0]:.1f}"
        )
        sessions[name].close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
