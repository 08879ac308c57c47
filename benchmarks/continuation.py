"""Measures whether music that continues a clip keeps the clip's tempo.

    python benchmarks/continuation.py --preset demo --corpus corpus

Takes 12 s of held-out pieces with drums, continues each with the clip as its only prompt, and
compares the tempo that librosa's beat tracker hears in the new music with the tempo of the score.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import soundfile
from evaluation.measures.rhythm import pulse_clarity, same_tempo, tempo_bpm
from evaluation.player import PipelineChoice
from evaluation.table import Report, Row, Section, to_markdown

from soundstage.audio.beat import find_beat
from soundstage.errors import Error
from soundstage.graph.plan import Graph
from soundstage.runners.api import open_runner
from soundstage.runners.sessions.continuation import ClipContinuer, read_clip
from soundstage.runners.sessions.prompts import clip_controls
from soundstage.runners.sessions.session import Session
from soundstage.training.corpus.manifest import Piece, read_manifest
from soundstage.training.corpus.music_facts import MusicFacts, facts_path

CLIP_START_S, CLIP_S = 8.0, 12.0
# The first seconds, in which clip and music are blended, are not measured.
START_S = 2.0


def has_drums(piece: Piece) -> bool:
    """Whether drums play at a clip's start and end."""
    facts = MusicFacts.read(facts_path(piece.path))
    strokes = facts.onset_s[facts.is_drum]
    return all(
        np.abs(strokes - moment_s).min(initial=np.inf) < 1.0
        for moment_s in (CLIP_START_S + 1, CLIP_START_S + CLIP_S - 1)
    )


def cut(piece: Piece, path: Path) -> None:
    """Writes the clip of a piece as a WAV file."""
    audio, rate_hz = soundfile.read(piece.path, dtype="float32", always_2d=True)
    start = round(CLIP_START_S * rate_hz)
    soundfile.write(path, audio[start : start + round(CLIP_S * rate_hz)], rate_hz, "FLOAT")


def continue_all(graph: Graph, pieces: list[Piece], seconds: float, seed: int) -> list[Row]:
    """Continues the clip of every piece, and returns a row of figures for each."""
    chunks = round((seconds + START_S) / graph.format.chunk_s)
    rate_hz = graph.format.sample_rate_hz
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        ClipContinuer(graph) as continuer,
        open_runner(graph) as runner,
    ):
        path = Path(folder) / "clip.wav"
        for piece in pieces:
            cut(piece, path)
            clip = read_clip(path, graph)
            controls = clip_controls(path, {}, graph) | {"seed": seed}
            with Session(runner, [controls], state=continuer.state(clip)) as session:
                played = np.concatenate([next(session).audio[0] for _ in range(chunks)])
            music = played[round(START_S * rate_hz) :]
            beat, heard = find_beat(clip, rate_hz), tempo_bpm(music, rate_hz)
            rows.append(
                {
                    "genre": piece.genre,
                    "tempo": piece.tempo_bpm,
                    "found in the clip": round(beat.tempo_bpm) if beat else None,
                    "heard in the music": round(heard),
                    "tempo kept": int(same_tempo(piece.tempo_bpm, heard)),
                    "pulse clarity": pulse_clarity(music, rate_hz),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", help="the name of a preset")
    parser.add_argument("--pipeline", type=Path, help="a pipeline file")
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--pieces", type=int, default=24, help="at most so many")
    parser.add_argument("--seconds", type=float, default=12.0, help="measured length of each")
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    if args.pieces < 1:
        parser.error("--pieces must be at least 1")
    try:
        graph = PipelineChoice(args.preset, args.pipeline).load()
        held_out = [piece for piece in read_manifest(args.corpus) if piece.split == "heldout"]
        pieces = [piece for piece in held_out if has_drums(piece)][: args.pieces]
    except (Error, OSError) as error:
        parser.error(str(error))
    if not pieces:
        parser.error(f"{args.corpus}: has no held-out piece with drums")
    rows = continue_all(graph, pieces, args.seconds, args.seed)
    kept = float(np.mean([row["tempo kept"] for row in rows]))
    clear = float(np.median([row["pulse clarity"] for row in rows]))
    note = f"{args.seconds:g} s after each clip, seed {args.seed}; halves and doubles count."
    total: list[Row] = [{"pieces": len(rows), "tempo kept": kept, "median pulse clarity": clear}]
    sections = [Section("Continued clips", note, rows), Section("All clips", "", total)]
    print(to_markdown(Report({}, sections)), end="")


if __name__ == "__main__":
    main()
