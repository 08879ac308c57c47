"""Whether the music is what was asked for, and whether it is like real music as a whole."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from training.evaluation.distances import frechet
from training.evaluation.material import Heard, Material, Say, hear_played
from training.evaluation.playing import Performer
from training.evaluation.probe import PLACE_SIZE
from training.evaluation.scores import TEMPO_TOLERANCE, agreement
from training.evaluation.settings import Settings
from training.evaluation.table import Row, Section
from training.evaluation.windows import labels_of, of_kind

FLOOR = "real training pieces of the same genres"


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


def name_of(guidance: float) -> str:
    """What a set of generations is called in tables."""
    return f"generated, guidance {guidance:g}"


def style_section(
    material: Material, generated: Mapping[float, Heard], settings: Settings
) -> Section:
    """Genre, tempo and brightness of what was asked for, as the probe hears it."""
    sets = {"real held-out pieces": material.real}
    if material.coded is not None:
        sets["the same behind the codec"] = material.coded
    sets |= {name_of(guidance): heard for guidance, heard in generated.items()}
    rows: list[Row] = []
    for name, heard in sets.items():
        judged = material.probe.judge(heard.hearing)
        rows.append({"what": name, **agreement(judged, heard.labels, settings.seed)})
    usual = float(np.abs(_brightness_left(material)).mean())
    note = f"""A probe that has heard real training pieces only ({len(material.lessons)} windows of
        {material.window_s:g} s, {len(material.probe.genres)} genres) judges windows of real
        held-out pieces and what the model plays for held-out wordings of those pieces. "by chance"
        is what the same judgements would get if they were dealt to the windows anew; "from" and
        "to" hold 95 % of draws of the pieces. Tempo is right within {TEMPO_TOLERANCE:.0%}, half
        and double time included; a wording does not always tell the tempo. Brightness runs from 0
        to 1; always saying the mean of the training pieces errs by {usual:.3f}."""
    return Section("What was asked for", note, rows)


def genre_section(material: Material, heard: Heard, guidance: float) -> Section:
    """What every genre that was asked for was taken for."""
    judged = material.probe.judge(heard.hearing).genre
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
    return Section(f"Genre by genre, guidance {guidance:g}", "The same judgements, apart.", rows)


def distribution_section(
    material: Material, generated: Mapping[float, Heard], settings: Settings
) -> Section:
    """How far sets of windows lie from the real held-out ones as wholes."""
    place, count = material.probe.place, len(material.real)
    wanted = place(material.real.hearing)
    lessons = material.lessons
    alike = of_kind(lessons.labels.genre, material.real.labels.genre, settings.seed)
    rows: list[Row] = [_far(FLOOR, place(lessons[alike].hearing), wanted)]
    if material.coded is not None:
        rows.append(
            _far("the held-out pieces behind the codec", place(material.coded.hearing), wanted)
        )
    rows += [
        _far(name_of(guidance), place(heard.hearing), wanted)
        for guidance, heard in generated.items()
    ]
    alone = []
    for genre in material.probe.genres:
        same = of_kind(lessons.labels.genre, np.array([genre] * count), settings.seed)
        alone.append(frechet(place(lessons[same].hearing), wanted))
    rows.append(
        {"what": "real, one genre alone: the mean over genres", "distance": float(np.mean(alone))}
    )
    rows.append({"what": "real, one genre alone: the nearest genre", "distance": min(alone)})
    note = f"""Fréchet distance from {count} windows of the real held-out pieces to {count} others,
        in the {PLACE_SIZE} main directions (each of spread 1 in the training pieces) of what the
        probe hears: mean and spread of every mel band and of its onsets, and loudness. The first
        row is what real music gets with so few windows, the last two what a model gets that plays
        one genre whatever it is asked for."""
    return Section("Like real music as a whole", note, rows)


def _far(name: str, places: np.ndarray, wanted: np.ndarray) -> Row:
    return {"what": name, "distance": frechet(places, wanted)}


def _brightness_left(material: Material) -> np.ndarray:
    usual = float(material.lessons.labels.brightness.mean())
    return material.real.labels.brightness - usual
