"""The interface that every stage of a pipeline implements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from soundstage.graph.format import Format
from soundstage.graph.port import Port, Tensor

if TYPE_CHECKING:
    import jax


class Stage(Protocol):
    """A pure function from named tensors to named tensors.

    The class is the declaration: `inputs`, `outputs` and `Params` are read by `check` before
    anything is loaded. The instance is ready: weights loaded, functions built. A stage keeps
    nothing between calls; what must survive is wired as feedback. Every tensor has a leading row
    axis, one row per stream; rows do not see each other. Inputs are read-only. An input whose
    parameter of `__call__` has the default None may be left unwired.

    Optional class attributes:
        Params: a frozen dataclass, filled from `params = {...}`; absent = the stage takes none.
        refusal: a static method that gets one stream's control values by input name, None for an
            input that is not wired, and returns why the stage cannot honour them, or None. The
            runner asks before it makes a tick, so that a bad request never reaches a running
            stream.
        lacking: a static method that gets the stage's params and returns the names of the published
            models that it needs and that are not on this machine. A graph that lacks any is
            refused before a stage is built, with the command that fetches them.
        device_arrays: True for a stage that takes arrays of JAX: its inputs are on its device, and
            its outputs may be. Lists and int64 are as for other stages, which get and return
            arrays of NumPy.
        encoder: of a stage that decodes tokens to audio, the stage class that encodes audio to
            tokens: `audio` is its only input, `tokens` its only output, and it takes the same
            params. A session that continues a clip encodes the clip with it.

        uses_device: False for a stage that computes without JAX: its `device` may be None, and a
            process that runs only this stage does not load JAX; absent = True.

        memo: the names of fed-back inputs that the stage's memo is a function of, such as
            `("past",)`; each is an output of the same port, too. Absent = the stage has no memo.
            A memo is what the stage would otherwise derive from that state in every tick, such as
            the keys and values of a transformer: a mapping of arrays of NumPy or JAX, each with a
            leading row axis and of the same shape in every tick. The stage then has two pure
            functions: `rebuild(past)` returns the memo of a state as new arrays, and
            `__call__(..., memo)` returns its outputs and the memo of the state among them. It may
            let JAX overwrite the memo that it is given. The host keeps memos by the content of the
            state, and rebuilds those that it does not have, bit for bit the same.

    Optional instance attributes, read for provenance:
        weights_digest: SHA-256 of the stage's learned arrays, as hex digits.
        weights_note: where the arrays come from, for people; contains "random" if they are random.
    """

    inputs: ClassVar[Mapping[str, Port]]
    outputs: ClassVar[Mapping[str, Port]]

    def __init__(self, params: Any, format: Format, device: jax.Device | None) -> None: ...

    def __call__(self, **inputs: Any) -> dict[str, Tensor]:
        """Computes one tick; the parameters' names are the keys of `inputs`.

        Args:
            **inputs: by name, an array `[row, *shape]` of the port's dtype, read-only; for a ragged
                or a text port, a list with one entry a row.

        Returns:
            By name, an array `[row, *shape]` of the output port's dtype, or such a list.
        """
        ...
