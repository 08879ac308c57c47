"""Everyday prompts: the list is sound, and landings, reports and misses are counted."""

import numpy as np
from everyday_prompts import PROMPTS, EverydayPrompt, everyday_report, nearest_genres, read_prompts

from soundstage.stages.words.lexicon import load_lexicon

GENRES = ("jazz", "techno")


def embed(text):
    """A vector with a one for each genre that a text names."""
    return np.array([float(genre in text) for genre in GENRES]) + 1e-3


def rows_of(report, title):
    return next(section.rows for section in report.sections if section.title == title)


def test_list_has_150_prompts_for_genres_that_exist():
    prompts = read_prompts(PROMPTS)
    assert len({prompt.text for prompt in prompts}) == len(prompts) == 150
    genres = {genre for prompt in prompts for genre in prompt.genres}
    assert genres <= load_lexicon().genres.keys()
    assert all(prompt.nonsense != bool(prompt.genres) for prompt in prompts)


def test_nearest_genre_is_that_of_the_nearest_phrase():
    assert nearest_genres(embed, ["some techno", "jazz"], GENRES) == ["techno", "jazz"]


def test_landings_reports_and_facts_are_counted():
    prompts = [
        EverydayPrompt("jazz", ("jazz",)),
        EverydayPrompt("techno at 130 bpm", ("techno",), bpm=130),
        EverydayPrompt("techno, no drums", ("jazz",), drums=False),
        EverydayPrompt("jazz flrbgl", ("jazz",), not_understood=("flrbgl",)),
        EverydayPrompt("jazz gloop", ("jazz",)),
        EverydayPrompt("quux", nonsense=True),
    ]
    report = everyday_report(prompts, embed, GENRES)
    hits = [(row["by"], row["acceptable"], row["prompts"]) for row in rows_of(report, "Genres")]
    assert hits == [("lexicon", 4, 5), ("embedding", 4, 5)]
    words = [(row["reported"], row["number"]) for row in rows_of(report, "Words")]
    assert words == [(1, 1), (1, 1), (1, 4)]
    assert [(row["right"], row["prompts"]) for row in rows_of(report, "Facts")] == [(1, 1), (1, 1)]
    misses = rows_of(report, "Misses")
    assert [row["prompt"] for row in misses] == ["techno, no drums", "jazz gloop"]
    assert misses[1]["not understood"] == "gloop"
