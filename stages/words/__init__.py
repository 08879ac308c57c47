"""What the words of a prompt say about music: genres, tempo, sound, instruments, moods and keys.

The vocabulary is data, in the TOML files of this folder. `understand` reads a prompt with it, and
`describe` writes the result in the words that the style towers were trained on.
"""

from soundstage.stages.words.description import describe
from soundstage.stages.words.meaning import Meaning
from soundstage.stages.words.reading import understand

__all__ = ["Meaning", "describe", "understand"]
