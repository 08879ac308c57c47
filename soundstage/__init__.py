"""Live-music generation as a pipeline of pluggable, typed stages.

    import itertools
    import soundstage

    with soundstage.open(preset="tiny", prompts=["warm ambient pads"], seed=7) as session:
        for chunk in itertools.islice(session, 5):
            chunk.audio  # float32 [row, sample, channel], 48 kHz, two seconds
        session.steer(prompts=[("warm ambient pads", 0.3), ("jazz trio", 0.7)])
        session.save("evening.session")

The names that it offers stand in `__init__.pyi`. Each is imported when it is first used, so `import
soundstage` costs next to nothing and needs neither a GPU nor Ray.
"""

from pathlib import Path

import lazy_loader

# Archives and some file systems keep no symbolic links. The rooms are beside this folder, then.
if not (Path(__file__).parent / "graph").is_dir():
    __path__.append(str(Path(__file__).parents[1]))

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
