"""Measures the beat of generated music with a beat tracker that nobody here made.

    python benchmarks/beat.py --preset demo

plays one prompt of each of some genres and prints, for each: the clarity of its pulse, the tempo
that librosa's beat tracker hears beside the one that the prompt names, and the genre whose name
lies nearest to the audio in the pipeline's own style space. Real music of our corpus has a clarity
of 0.6.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import soxr
from evaluation.measures.rhythm import pulse_clarity, same_tempo, tempo_bpm
from evaluation.player import PipelineChoice, PromptPlayer, open_player
from evaluation.table import Report, Row, Section, to_markdown

from soundstage.graph.plan import Graph
from soundstage.runners.devices import find_device
from soundstage.stages.style_towers.stage import Embed

# A prompt of each genre, and the tempo that it names; None = it names none.
PROMPTS: dict[str, tuple[str, float | None]] = {
    "house": ("house at 124 bpm", 124),
    "techno": ("techno at 130 bpm", 130),
    "trance": ("trance at 138 bpm", 138),
    "drum_and_bass": ("drum and bass at 174 bpm", 174),
    "synthwave": ("synthwave at 100 bpm", 100),
    "lofi": ("lo-fi hip hop at 80 bpm", 80),
    "hip_hop": ("boom bap hip hop at 90 bpm", 90),
    "funk": ("funk at 108 bpm", 108),
    "disco": ("disco at 118 bpm", 118),
    "reggae": ("reggae at 76 bpm", 76),
    "rock": ("rock at 120 bpm", 120),
    "metal": ("metal at 150 bpm", 150),
    "bossa_nova": ("bossa nova", None),
    "jazz": ("swing jazz", None),
    "salsa": ("salsa", None),
    "ambient": ("ambient", None),
    "classical_piano": ("classical piano", None),
    "string_quartet": ("string quartet", None),
    "orchestral": ("orchestral film music", None),
    "folk": ("acoustic folk", None),
}
BEATLESS = {"ambient", "classical_piano", "string_quartet", "orchestral"}
# The first seconds, in which the music starts, are not measured.
START_S = 2.0


def play(
    player: PromptPlayer, genres: Sequence[str], seconds: float, seed: int
) -> list[np.ndarray]:
    """Plays the prompts of some genres; float32 [sample, channel] each."""
    chunks = round((seconds + START_S) / player.format.chunk_s)
    rows = [{"prompts": [PROMPTS[genre][0]], "seed": seed} for genre in genres]
    start = round(START_S * player.format.sample_rate_hz)
    return [audio[start:] for audio in player.play(rows, chunks)]


def style_model(graph: Graph) -> Embed:
    """Loads the style towers of a pipeline.

    Raises:
        SystemExit: the pipeline has other style stages.
    """
    for node in graph.nodes.values():
        if node.cls is Embed:
            return Embed(node.params, graph.format, find_device("cpu"))
    raise SystemExit(f"{graph.name}: has no stage stages.style_towers:Embed")


def measured(
    audio: np.ndarray, genre: str, rate_hz: int, embed: Embed, clip_samples: int, clip_rate_hz: int
) -> Row:
    """Returns the row of one prompt."""
    text, named = PROMPTS[genre]
    heard = tempo_bpm(audio, rate_hz)
    mono = soxr.resample(audio.mean(axis=1), rate_hz, clip_rate_hz)[-clip_samples:]
    names = list(embed.genres)
    clip = np.pad(mono.astype(np.float32), (0, clip_samples - len(mono)))
    cosines = np.stack([embed.genres[name] for name in names]) @ embed.embed_clip(clip)
    order = [names[index] for index in np.argsort(-cosines)]
    return {
        "prompt": text,
        "pulse clarity": pulse_clarity(audio, rate_hz),
        "tempo heard": round(heard),
        "tempo right": None if named is None else int(same_tempo(named, heard)),
        "nearest genre": order[0],
        "genre's rank": order.index(genre) + 1,
        "has a beat": int(genre not in BEATLESS),
    }


def summary(rows: list[Row]) -> Row:
    """Returns the medians and shares over all prompts."""
    ranks = np.array([row["genre's rank"] for row in rows])
    clear = [row["pulse clarity"] for row in rows if row["has a beat"]]
    tempos = [row["tempo right"] for row in rows if row["tempo right"] is not None]
    return {
        "median pulse clarity, with a beat": float(np.median(np.array(clear))),
        "tempo right": float(np.mean(np.array(tempos))),
        "genre nearest": float((ranks == 1).mean()),
        "genre among the nearest 3": float((ranks <= 3).mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", help="the name of a preset")
    parser.add_argument("--pipeline", type=Path, help="a pipeline file")
    parser.add_argument("--seconds", type=float, default=12.0, help="measured length of each")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--prompts", type=int, default=len(PROMPTS), help="the first so many")
    args = parser.parse_args()
    if args.prompts < 1:
        parser.error("--prompts must be at least 1")
    genres = list(PROMPTS)[: args.prompts]
    graph = PipelineChoice(args.preset, args.pipeline).load()
    with open_player(graph) as player:
        played = play(player, genres, args.seconds, args.seed)
    embed = style_model(graph)
    form = graph.format
    sizes = form.sample_rate_hz, embed, form.dims["clip_sample"], form.clip_rate_hz
    rows = [measured(audio, genre, *sizes) for audio, genre in zip(played, genres, strict=True)]
    note = f"{args.seconds:g} s of each prompt, seed {args.seed}."
    sections = [Section("Beat", note, rows), Section("All prompts", "", [summary(rows)])]
    print(to_markdown(Report({}, sections)), end="")


if __name__ == "__main__":
    main()
