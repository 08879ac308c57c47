"""Whether the music is what was asked for, and whether it is like real music as a whole."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from evaluation.distances import frechet
from evaluation.player import Performer
from evaluation.probe import PLACE_SIZE, Probe
from evaluation.probe_material import Ears, Heard, Material, Say, hear_played
from evaluation.scores import TEMPO_TOLERANCE, agreement, standard_error
from evaluation.settings import Settings
from evaluation.table import Cell, Row, Section
from evaluation.windows import labels_of, of_kind


def play_prompts(
    performer: Performer, material: Material, settings: Settings, guidance: float, say: Say
) -> Heard:
    """Plays the held-out wordings of every held-out piece.

    Row n has the same seed whatever the guidance weight.
    """
    texts = [
        (number, text)
        for number, piece in enumerate(material.pieces)
        for text in piece.heldout_texts[: settings.texts]
    ]
    rows = [
        {"prompts": [text], "guidance": guidance, "seed": settings.seed + row}
        for row, (_, text) in enumerate(texts)
    ]
    say(f"playing {len(rows)} prompts at guidance {guidance:g}")
    labels = labels_of(material.pieces, [number for number, _ in texts])
    played = performer.play(rows, settings.window_chunks)
    return hear_played(material.listener, played, labels)


def style_sections(
    material: Material, generated: Mapping[float, Heard], settings: Settings
) -> list[Section]:
    """Genre, tempo and brightness of what was asked for, as the probes hear it."""
    ears, coded = material.ears, material.coded
    usual = float(ears.lessons.labels.brightness.mean())
    error = float(np.abs(material.real.labels.brightness - usual).mean())
    note = f"""A probe that has heard real training pieces only ({len(ears.lessons)} windows of
        {material.window_s:g} s, {len(ears.probe.genres)} genres) judges windows of real
        held-out pieces and what the model plays for held-out wordings of those pieces. "by chance"
        is what the same judgements would get if they were dealt to the windows anew; "from" and
        "to" hold 95 % of draws of the pieces. Tempo is right within {TEMPO_TOLERANCE:.0%}, half
        and double time included; a wording does not always tell the tempo. Brightness runs from 0
        to 1; always saying the mean of the training pieces errs by {error:.3f}."""
    sets = sets_of(material, generated)
    found = [Section("What was asked for", note, _styles(ears.probe, sets, settings.seed))]
    if coded is not None:
        coded_note = f"""The same windows, judged by a probe that has heard real training pieces
            behind the codec ({len(coded.ears.lessons)} windows): it forgives what the codec does to
            every sound and judges what the tokens say. Neither probe has heard anything that the
            model played."""
        rows = _styles(coded.ears.probe, sets, settings.seed)
        found.append(Section("The same, to ears used to the codec", coded_note, rows))
    return found


def sets_of(material: Material, generated: Mapping[float, Heard]) -> dict[str, Heard]:
    """What is compared, by name."""
    sets = {"real held-out pieces": material.real}
    if material.coded is not None:
        sets["the same behind the codec"] = material.coded.real
    return sets | {
        f"generated, guidance {guidance:g}": heard for guidance, heard in generated.items()
    }


def _styles(probe: Probe, sets: Mapping[str, Heard], seed: int) -> list[Row]:
    return [
        {"what": name, **agreement(probe.judge(heard.hearing), heard.labels, seed)}
        for name, heard in sets.items()
    ]


def genre_section(material: Material, heard: Heard, guidance: float) -> Section:
    """What every genre that was asked for was taken for."""
    judged = material.fair_ears.probe.judge(heard.hearing).genre
    rows: list[Row] = []
    for genre in sorted(set(heard.labels.genre.tolist())):
        found = judged[heard.labels.genre == genre]
        taken, times = Counter(found.tolist()).most_common(1)[0]
        rows.append(
            {
                "genre asked for": genre,
                "windows": len(found),
                "right": float((found == genre).mean()),
                "mostly taken for": f"{taken} ({times})",
            }
        )
    note = "The judgements of the last table, apart."
    return Section(f"Genre by genre, guidance {guidance:g}", note, rows)


def distribution_sections(
    material: Material, generated: Mapping[float, Heard], settings: Settings
) -> list[Section]:
    """How far sets of windows lie from the real held-out ones as wholes."""
    count, sets = len(material.real), sets_of(material, generated)
    note = f"""Fréchet distance from {count} windows of the real held-out pieces to {count} others,
        in the {PLACE_SIZE} main directions (each of spread 1 in the training pieces) of what the
        probe hears: mean and spread of every mel band and of its onsets, and loudness. The first
        row is what real music gets with so few windows, the last two what a model gets that plays
        one genre whatever it is asked for. The standard error tells how far a figure would stray
        with other held-out pieces."""
    rows = _distances(material.ears, material.real, sets, settings.seed)
    found = [Section("Like real music as a whole", note, rows)]
    if material.coded is not None:
        coded_note = """The same from the held-out pieces behind the codec, in the main directions
            of training pieces behind the codec, which the first row and the last two are, too."""
        rows = _distances(material.coded.ears, material.coded.real, sets, settings.seed)
        found.append(Section("Like real music behind the codec", coded_note, rows))
    return found


def _distances(ears: Ears, wanted: Heard, sets: Mapping[str, Heard], seed: int) -> list[Row]:
    labels, count = ears.lessons.labels, len(wanted)

    def alike(genres: np.ndarray) -> Heard:
        return ears.lessons[of_kind(labels.genre, genres, seed)]

    def row(what: str, *found: Heard) -> Row:
        return {"what": what, **_distance(ears.probe, wanted, found)}

    alone = [alike(np.array([genre] * count)) for genre in ears.probe.genres]
    goal = ears.probe.place(wanted.hearing)
    nearest = min(alone, key=lambda one: frechet(ears.probe.place(one.hearing), goal))
    return [
        row("training pieces of the same genres", alike(wanted.labels.genre)),
        *(row(name, heard) for name, heard in sets.items() if heard is not wanted),
        row("training pieces of one genre: the mean over genres", *alone),
        row("the same: the nearest genre", nearest),
    ]


def _distance(probe: Probe, wanted: Heard, found: Sequence[Heard]) -> dict[str, Cell]:
    """The mean distance of some sets, all in the order of the wanted one's pieces."""
    goal, *places = (probe.place(heard.hearing) for heard in (wanted, *found))
    pieces = len(np.unique(wanted.labels.piece))

    def far(*left_out: int) -> float:
        kept = _without(goal, pieces, left_out)
        return float(np.mean([frechet(_without(one, pieces, left_out), kept) for one in places]))

    # One piece less must leave two points.
    error = standard_error(far, pieces) if pieces > 2 else None
    return {"distance": far(), "standard error": error}


def _without(points: np.ndarray, pieces: int, left_out: Sequence[int]) -> np.ndarray:
    """Points, some to a piece and in the order of the pieces, but for those of some pieces."""
    parts = np.array_split(points, pieces)
    return np.concatenate([part for number, part in enumerate(parts) if number not in left_out])
