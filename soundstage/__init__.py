"""Live-music generation as a pipeline of pluggable, typed stages.

    import itertools
    import soundstage

    with soundstage.open(preset="tiny", prompts=["warm ambient pads"], seed=7) as session:
        for chunk in itertools.islice(session, 5):
            chunk.audio  # float32 [row, sample, channel], 48 kHz, two seconds
        session.steer(prompts=[("warm ambient pads", 0.3), ("jazz trio", 0.7)])
        session.save("evening.session")

`__init__.pyi` lists the public names. Each is imported at its first use, so `import soundstage`
takes a few milliseconds and needs neither a GPU nor Ray.
"""

from pathlib import Path

import lazy_loader

# Archives and some file systems drop symbolic links; then the rooms are beside this folder.
if not (Path(__file__).parent / "graph").is_dir():
    __path__.append(str(Path(__file__).parents[1]))

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
