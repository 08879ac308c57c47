"""A listener's handle on one stream of an engine; for use on the engine's event loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from runners.server.made import Made

Pace: TypeAlias = Literal["realtime", "fast"]


class EngineStream:
    """One endless piece of music that an engine makes; a row of its batch.

    It joins paused. Iterate to get chunks: each `async for` step waits for the next one, or for
    `play`. Iteration ends when the stream is closed or the engine has drained.

    None of the methods but iteration and `close` waits; each is in force at the next tick border.
    """

    @property
    def controls(self) -> Mapping[str, Any]:
        """Every control's present value, by name."""
        raise NotImplementedError

    @property
    def playing(self) -> bool:
        """Whether chunks are being made."""
        raise NotImplementedError

    def steer(self, changes: Mapping[str, Any]) -> int:
        """Changes controls from the next chunk to be made on.

        Args:
            changes: new values by name; "prompts" is short for the four prompt controls.

        Returns:
            How often the stream has been steered: `Made.steer` of the first chunk with it.

        Raises:
            ControlRefused: a value is refused; nothing has changed and the music goes on.
            StreamEnded: the stream is closed.
        """
        raise NotImplementedError

    def play(self) -> None:
        """Makes chunks, from where it is."""
        raise NotImplementedError

    def pause(self) -> None:
        """Makes no further chunk; what is made already can be read. Keeps its place."""
        raise NotImplementedError

    def reset(self, seed: int | None = None) -> None:
        """Forgets the context: the next chunk is chunk 0 again. Unread chunks are dropped.

        Args:
            seed: another seed; None keeps it, and with it the music.

        Raises:
            ControlRefused: the seed is refused.
        """
        raise NotImplementedError

    def save(self) -> bytes:
        """The session behind the last chunk that was read, as `soundstage.resume` opens it."""
        raise NotImplementedError

    def __aiter__(self) -> EngineStream:
        return self

    async def __anext__(self) -> Made:
        """Waits for the next chunk.

        Raises:
            StreamFailed: a stage failed for this stream; it is closed.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Leaves the batch at the next tick border; its place is free at once. Idempotent."""
        raise NotImplementedError
