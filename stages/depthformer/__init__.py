"""The Depthformer: Magenta RealTime v1's language model of music, in Flax NNX.

The stages are imported at their first use: other stages need the vocabulary of this package without
its network, whose libraries take half a second.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from soundstage.stages.depthformer.stage import Sample as Sample
    from soundstage.stages.depthformer.stage import SampleOnBeat as SampleOnBeat

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"stage": ["Sample", "SampleOnBeat"]}
)
