"""Counts the everyday prompts that land on an acceptable genre.

    python benchmarks/everyday_prompts.py
    python benchmarks/everyday_prompts.py --preset demo

prints Markdown tables: genres by the lexicon (stages/words) alone and, with a pipeline, by the
embedding of its stage for prompts; whether nonsense is reported; tempo and drums; every miss. The
prompts are those of `everyday_prompts.toml`.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from evaluation.table import Report, Row, Section, to_json, to_markdown

import soundstage
from soundstage.documents import read_toml
from soundstage.files import replacing
from soundstage.graph.plan import Graph
from soundstage.stages.words import Meaning, understand
from soundstage.stages.words.lexicon import load_lexicon

PROMPTS = Path(__file__).with_suffix(".toml")
STYLE = "style embedding"
GENRE_NOTE = """Prompts that ask for music, and how many of them land on an acceptable genre: the
heaviest in the lexicon, and the genre whose phrase is nearest to the embedding."""
WORD_NOTE = """Nonsense has to be reported. Other words that are reported are words about music, or
beside it, that the lexicon lacks."""
FACT_NOTE = "Prompts that name a tempo in beats a minute, or ask for drums or for none."
MISS_NOTE = "Prompts that land elsewhere, and prompts without nonsense whose words are reported."


@dataclass(frozen=True)
class EverydayPrompt:
    """A prompt as typed, and what a listener accepts for it.

    Attributes:
        text: as typed.
        genres: acceptable genres; empty for nonsense.
        nonsense: whether no word means anything about music.
        not_understood: words that have to be reported although the rest is understood.
        bpm: the tempo that it names; None = none.
        drums: whether it asks for drums or for none; None = neither.
    """

    text: str
    genres: tuple[str, ...] = ()
    nonsense: bool = False
    not_understood: tuple[str, ...] = ()
    bpm: float | None = None
    drums: bool | None = None


def read_prompts(path: Path) -> list[EverydayPrompt]:
    """Reads a list of prompts."""
    tables = read_toml(path.read_text("utf-8"))["prompt"]
    for table in tables:
        for name in ("genres", "not_understood"):
            table[name] = tuple(table.get(name, ()))
    return [EverydayPrompt(**table) for table in tables]


def nearest_genres(
    embed: Callable[[str], np.ndarray], texts: Sequence[str], genres: Sequence[str]
) -> list[str]:
    """Names the genre whose phrase lies nearest to each text, by the cosine of their embeddings.

    Args:
        embed: embeds a text as float32 [style_dim].
        texts: the texts.
        genres: names of the lexicon's genres to choose from.
    """
    phrases = [load_lexicon().genres[name].phrase for name in genres]
    names = np.stack([_unit(embed(phrase)) for phrase in phrases])  # [genre, style_dim]
    return [genres[int(np.argmax(names @ _unit(embed(text))))] for text in texts]


def everyday_report(
    prompts: Sequence[EverydayPrompt],
    embed: Callable[[str], np.ndarray] | None = None,
    genres: Sequence[str] = (),
    about: str = "the lexicon",
) -> Report:
    """Measures where prompts land.

    Args:
        prompts: the prompts.
        embed: embeds a text with a pipeline; None = the lexicon alone is measured.
        genres: the genres that the pipeline's embeddings are compared with.
        about: what is measured.
    """
    meanings = [understand(prompt.text) for prompt in prompts]
    landings = {"lexicon": [heaviest_genre(meaning) for meaning in meanings]}
    if embed is not None:
        texts = [prompt.text for prompt in prompts]
        landings["embedding"] = nearest_genres(embed, texts, genres)
    hits = [_hits(prompts, name, lands) for name, lands in landings.items()]
    sections = [
        Section("Genres", GENRE_NOTE, hits),
        Section("Words", WORD_NOTE, _word_rows(prompts, meanings)),
        Section("Facts", FACT_NOTE, _fact_rows(prompts, meanings)),
        Section("Misses", MISS_NOTE, _misses(prompts, meanings, landings)),
    ]
    return Report({"measured": about, "prompts": len(prompts)}, sections)


def heaviest_genre(meaning: Meaning) -> str:
    """Returns the genre with the largest share, the first by name of several; "" = none."""
    return min(meaning.genres, key=lambda name: (-meaning.genres[name], name), default="")


def _hits(prompts: Sequence[EverydayPrompt], name: str, lands: Sequence[str]) -> Row:
    pairs = [(prompt, land) for prompt, land in zip(prompts, lands, strict=True) if prompt.genres]
    right = sum(land in prompt.genres for prompt, land in pairs)
    return {"by": name, "prompts": len(pairs), "acceptable": right, "share": right / len(pairs)}


def _word_rows(prompts: Sequence[EverydayPrompt], meanings: Sequence[Meaning]) -> list[Row]:
    pairs = list(zip(prompts, meanings, strict=True))
    nonsense = [meaning for prompt, meaning in pairs if prompt.nonsense]
    partly = [pair for pair in pairs if pair[0].not_understood]
    others = [m for prompt, m in pairs if not prompt.nonsense and not prompt.not_understood]
    return [
        {
            "prompts": "nonsense alone",
            "number": len(nonsense),
            "reported": sum(bool(m.not_understood) and not m.genres for m in nonsense),
        },
        {
            "prompts": "nonsense beside music",
            "number": len(partly),
            "reported": sum(set(p.not_understood) <= set(m.not_understood) for p, m in partly),
        },
        {
            "prompts": "no nonsense",
            "number": len(others),
            "reported": sum(bool(meaning.not_understood) for meaning in others),
        },
    ]


def _fact_rows(prompts: Sequence[EverydayPrompt], meanings: Sequence[Meaning]) -> list[Row]:
    pairs = list(zip(prompts, meanings, strict=True))
    tempi = [(p.bpm, m.bpm) for p, m in pairs if p.bpm is not None]
    drums = [(p.drums, m.drums) for p, m in pairs if p.drums is not None]
    return [
        {"fact": name, "prompts": len(both), "right": sum(one == other for one, other in both)}
        for name, both in (("tempo", tempi), ("drums", drums))
    ]


def _misses(
    prompts: Sequence[EverydayPrompt],
    meanings: Sequence[Meaning],
    landings: dict[str, list[str]],
) -> list[Row]:
    rows: list[Row] = []
    for number, (prompt, meaning) in enumerate(zip(prompts, meanings, strict=True)):
        lands = {name: found[number] for name, found in landings.items()}
        missed = prompt.genres and any(land not in prompt.genres for land in lands.values())
        unexpected = set(meaning.not_understood) - set(prompt.not_understood)
        if missed or (unexpected and not prompt.nonsense):
            rows.append(
                {
                    "prompt": prompt.text,
                    "acceptable": ", ".join(prompt.genres),
                    **{name: land or "none" for name, land in lands.items()},
                    "not understood": ", ".join(meaning.not_understood),
                }
            )
    return rows


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def embedder(graph: Graph) -> Callable[[str], np.ndarray]:
    """Builds the first stage of a graph that embeds prompts; returns its function for one text."""
    for node in graph.nodes.values():
        if any(port.kind == STYLE for port in node.outputs.values()):
            stage = node.cls(node.params, graph.format, jax.devices("cpu")[0])
            return stage.embed_text
    sys.exit(f"the pipeline {graph.name!r} has no stage that embeds prompts")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--preset", help="the name of a preset whose embeddings are measured, too")
    parser.add_argument("--pipeline", type=Path, help="a pipeline file, likewise")
    parser.add_argument("--genres", help="compare with these genres alone, with commas between")
    parser.add_argument("--prompts", type=Path, default=PROMPTS, help="the list of prompts")
    parser.add_argument("--output", type=Path, help="also write the report as JSON")
    args = parser.parse_args()
    prompts, embed, about = read_prompts(args.prompts), None, "the lexicon"
    if args.preset or args.pipeline:
        graph = soundstage.load(args.preset, args.pipeline)
        embed, about = embedder(graph), f"the lexicon and the pipeline {graph.name}"
    genres = args.genres.split(",") if args.genres else list(load_lexicon().genres)
    report = everyday_report(prompts, embed, genres, about)
    if args.output is not None:
        with replacing(args.output) as file:
            file.write(to_json(report).encode())
    print(to_markdown(report), end="")


if __name__ == "__main__":
    main()
