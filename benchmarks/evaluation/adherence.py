"""Style adherence: does music follow its prompts, and is it distributed like real music?"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from evaluation.player import PromptPlayer, seeded_rows
from evaluation.probe import PLACE_SIZE, Probe
from evaluation.probe_material import FittedProbe, LabelledWindows, Log, Material, label_audio
from evaluation.scores import TEMPO_TOLERANCE, agreement, frechet, standard_error
from evaluation.settings import Settings
from evaluation.table import Cell, Row, Section
from evaluation.windows import labels_of, of_kind


def play_prompts(
    player: PromptPlayer, material: Material, settings: Settings, guidance: float, log: Log
) -> LabelledWindows:
    """Plays the held-out texts of every held-out piece.

    Row n has the same seed at every guidance weight.
    """
    texts = [
        (number, text)
        for number, piece in enumerate(material.pieces)
        for text in piece.heldout_texts[: settings.texts]
    ]
    rows = seeded_rows([text for _, text in texts], settings.seed, guidance=guidance)
    log(f"playing {len(rows)} prompts at guidance {guidance:g}")
    labels = labels_of(material.pieces, [number for number, _ in texts])
    return label_audio(material.extractor, player.play(rows, settings.window_chunks), labels)


def style_sections(
    material: Material, generated: Mapping[float, LabelledWindows], settings: Settings
) -> list[Section]:
    """Compares the genre, tempo and brightness that the probes judge with those of the prompts."""
    fitted, coded = material.fitted, material.coded
    mean = float(fitted.lessons.labels.brightness.mean())
    error = float(np.abs(material.real.labels.brightness - mean).mean())
    note = f"""A probe fitted to real training pieces only ({len(fitted.lessons)} windows of
        {material.window_s:g} s, {len(fitted.probe.genres)} genres) judges windows of real
        held-out pieces, and windows that the model played for held-out texts of those pieces. "by
        chance" is the result for the same judgements in random order; "from" and "to" are a 95 %
        interval over redrawn pieces. A tempo is right within {TEMPO_TOLERANCE:.0%}, also at half
        or double time; not every text mentions the tempo. Brightness is 0 to 1; the mean of
        the training pieces has an error of {error:.3f}."""
    sets = sets_of(material, generated)
    sections = [Section("Style adherence", note, _styles(fitted.probe, sets, settings.seed))]
    if coded is not None:
        coded_note = f"""The same windows, judged by a probe fitted to real training pieces that
            were encoded and decoded ({len(coded.fitted.lessons)} windows): it ignores the codec's
            distortions and judges the content of the tokens. Neither probe was fitted to music of
            the model."""
        rows = _styles(coded.fitted.probe, sets, settings.seed)
        sections.append(Section("The same, by a probe fitted to decoded music", coded_note, rows))
    return sections


def sets_of(
    material: Material, generated: Mapping[float, LabelledWindows]
) -> dict[str, LabelledWindows]:
    """Returns the sets of windows to compare, by name."""
    sets = {"real held-out pieces": material.real}
    if material.coded is not None:
        sets["the same behind the codec"] = material.coded.real
    return sets | {
        f"generated, guidance {guidance:g}": windows for guidance, windows in generated.items()
    }


def _styles(probe: Probe, sets: Mapping[str, LabelledWindows], seed: int) -> list[Row]:
    return [
        {"what": name, **agreement(probe.judge(windows.features), windows.labels, seed)}
        for name, windows in sets.items()
    ]


def genre_section(material: Material, windows: LabelledWindows, guidance: float) -> Section:
    """Counts the judgements of each requested genre."""
    judged = material.fair_probe.probe.judge(windows.features).genre
    rows: list[Row] = []
    for genre in sorted(set(windows.labels.genre.tolist())):
        judgements = judged[windows.labels.genre == genre]
        most_frequent, count = Counter(judgements.tolist()).most_common(1)[0]
        rows.append(
            {
                "genre asked for": genre,
                "windows": len(judgements),
                "right": float((judgements == genre).mean()),
                "mostly taken for": f"{most_frequent} ({count})",
            }
        )
    note = "The judgements of the previous table, by genre."
    return Section(f"Genre by genre, guidance {guidance:g}", note, rows)


def distribution_sections(
    material: Material, generated: Mapping[float, LabelledWindows], settings: Settings
) -> list[Section]:
    """Measures the distances of sets of windows from the real held-out ones."""
    count, sets = len(material.real), sets_of(material, generated)
    note = f"""Fréchet distance between {count} windows of the real held-out pieces and {count}
        others, in the {PLACE_SIZE} principal directions (each of spread 1 in the training pieces)
        of the probe's features: mean and spread of every mel band and of its onsets, and loudness.
        The first row is the distance of real music at this number of windows; the last two are
        those of a model that plays only one genre. The standard error is over redrawn held-out
        pieces."""
    rows = _distances(material.fitted, material.real, sets, settings.seed)
    sections = [Section("Distance from real music", note, rows)]
    if material.coded is not None:
        coded_note = """The same distances from the decoded held-out pieces, in the principal
            directions of the decoded training pieces; the first row and the last two are of decoded
            pieces, too."""
        rows = _distances(material.coded.fitted, material.coded.real, sets, settings.seed)
        sections.append(Section("Distance from real music behind the codec", coded_note, rows))
    return sections


def _distances(
    fitted: FittedProbe, target: LabelledWindows, sets: Mapping[str, LabelledWindows], seed: int
) -> list[Row]:
    labels, count = fitted.lessons.labels, len(target)

    def lessons_of(genres: np.ndarray) -> LabelledWindows:
        return fitted.lessons[of_kind(labels.genre, genres, seed)]

    def row(what: str, *windows: LabelledWindows) -> Row:
        return {"what": what, **_distance(fitted.probe, target, windows)}

    one_genre = [lessons_of(np.array([genre] * count)) for genre in fitted.probe.genres]
    goal = fitted.probe.place(target.features)
    nearest = min(one_genre, key=lambda one: frechet(fitted.probe.place(one.features), goal))
    return [
        row("training pieces of the same genres", lessons_of(target.labels.genre)),
        *(row(name, windows) for name, windows in sets.items() if windows is not target),
        row("training pieces of one genre: the mean over genres", *one_genre),
        row("the same: the nearest genre", nearest),
    ]


def _distance(
    probe: Probe, target: LabelledWindows, sets: Sequence[LabelledWindows]
) -> dict[str, Cell]:
    """Returns the mean distance of sets whose windows are in the order of the target's pieces."""
    goal, *places = (probe.place(windows.features) for windows in (target, *sets))
    pieces = len(np.unique(target.labels.piece))

    def mean_distance(*left_out: int) -> float:
        kept = _without(goal, pieces, left_out)
        return float(np.mean([frechet(_without(one, pieces, left_out), kept) for one in places]))

    # Without one piece, two points must remain.
    error = standard_error(mean_distance, pieces) if pieces > 2 else None
    return {"distance": mean_distance(), "standard error": error}


def _without(points: np.ndarray, pieces: int, left_out: Sequence[int]) -> np.ndarray:
    """Leaves out the points of some pieces; every piece has the same number of points."""
    parts = np.array_split(points, pieces)
    return np.concatenate([part for number, part in enumerate(parts) if number not in left_out])
