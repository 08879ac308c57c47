"""Words of prompts that a pipeline does not understand, reported once for each prompt."""

from collections.abc import Iterable, Iterator, Mapping


class WordReports:
    """Reports words that are not understood, once for each prompt."""

    def __init__(self) -> None:
        self._reported: set[str] = set()

    def lines(self, *rows: Mapping[str, str]) -> Iterator[str]:
        """Returns a line for each prompt that is not reported yet.

        Args:
            rows: by text prompt, its words that are not understood, e.g. of
                `Chunk.not_understood`.
        """
        for row in rows:
            for prompt, words in row.items():
                if prompt not in self._reported:
                    self._reported.add(prompt)
                    yield f"not understood: {words}"

    def keep(self, prompts: Iterable[str]) -> None:
        """Forgets all prompts but these, so that a prompt that comes back is reported again."""
        self._reported &= set(prompts)
