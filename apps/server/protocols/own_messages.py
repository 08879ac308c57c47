"""The messages of soundstage's own protocol, each declared once.

Parsing, refusals and the AsyncAPI description come from these models. docs/protocol.md describes
the same messages for people who write clients. A field's description in a client message says what
fits, because refusals quote it.
"""

from __future__ import annotations

import base64
import reprlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from soundstage.apps.server.protocols.frames import Encoding
from soundstage.apps.server.protocols.websocket import Refused
from soundstage.runners.engine.admission import MOST_AHEAD
from soundstage.runners.engine.schedule import Pace

VERSION = 1
LONGEST_TYPE = 40


def _wire_name(name: str) -> str:
    """A field's name in JSON: names that Python reserves end in an underscore here."""
    return name.removesuffix("_")


def _decode(text: object) -> object:
    """Decodes base64; pydantic refuses all that is not text afterwards."""
    if not isinstance(text, str):
        return text
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        shown = reprlib.repr(text)
        raise ValueError(f"expected base64, as `save` returned it; got {shown}") from error


Number: TypeAlias = int | float
Controls: TypeAlias = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {"type": "object", "additionalProperties": {"type": ["number", "string", "array"]}}
    ),
]
CONTROLS_FIT = (
    "an object of control names and values, as `ready` lists them, or `prompts` for `texts` with "
    "`text_weights`; `clips` are names of uploads, `styles` lists of numbers, `notes` held pitches"
)
Base64: TypeAlias = Annotated[
    bytes,
    BeforeValidator(_decode),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]
UploadName: TypeAlias = Annotated[
    str | None, Field(description="the name of an upload that the music goes on from, or null")
]


class ProtocolMessage(BaseModel):
    """A JSON object with a type."""

    model_config = ConfigDict(frozen=True, strict=True, alias_generator=_wire_name)

    type: str

    @classmethod
    def type_name(cls) -> str:
        """The value of `type` of all messages of this class."""
        return str(cls.model_fields["type"].default)


# ---- messages from a client


class StartMessage(ProtocolMessage):
    """Asks for a stream, which is paused at first; answered by `started`, `full` or `refused`."""

    type: Literal["start"] = "start"
    controls: Controls = Field({}, description=CONTROLS_FIT)
    pace: Pace = Field(
        "realtime",
        description="realtime (a chunk every chunk_s) or fast (as quickly as the client reads)",
    )
    buffer_chunks: Annotated[float, Field(gt=0, le=MOST_AHEAD)] | None = Field(
        None, description=f"chunks made ahead, at most {MOST_AHEAD}; null = one, or 0.2 s of them"
    )
    encoding: Encoding = Field("float32", description="float32 or int16, of the samples sent")
    session: Base64 | None = Field(
        None, description="a session in base64 as `save` returned it, or null"
    )
    continue_: UploadName = None
    resumable: bool = Field(
        False,
        description="true (each chunk has a `session` for a later `start`, on any server) or false",
    )

    @field_validator("continue_")
    @classmethod
    def _refuse_both(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is not None and info.data.get("session") is not None:
            raise ValueError("a stream goes on from a session or from a clip, not both")
        return name


class SteerMessage(ProtocolMessage):
    """Changes controls from the next chunk that is begun; answered by `steered`."""

    type: Literal["steer"] = "steer"
    controls: Controls = Field({}, description=CONTROLS_FIT)
    again: bool = Field(
        False,
        description="true (chunks that are made but not needed yet are made again) or false",
    )


class PrepareMessage(ProtocolMessage):
    """Has a change made beforehand, or no longer; answered by `preparing` or `unprepared`."""

    type: Literal["prepare"] = "prepare"
    controls: Controls | None = Field(None, description=f"{CONTROLS_FIT}; null prepares nothing")


class PlayMessage(ProtocolMessage):
    """Takes a slot, and makes and sends chunks from now on; answered by `full` if none is free."""

    type: Literal["play"] = "play"


class PauseMessage(ProtocolMessage):
    """Begins no further chunk, and frees the slot."""

    type: Literal["pause"] = "pause"
    hold: bool = Field(
        False,
        description="true (the client falls silent at once and goes on later with the chunks it "
        "has) or false",
    )


class ResetMessage(ProtocolMessage):
    """Starts the music again at chunk 0; answered by `restarted`."""

    type: Literal["reset"] = "reset"
    seed: int | None = Field(None, description="a whole number, or null to keep the seed")
    continue_: UploadName = None


class SaveMessage(ProtocolMessage):
    """Asks for the session behind the last chunk that was sent; answered by `session`."""

    type: Literal["save"] = "save"


class StopMessage(ProtocolMessage):
    """Ends the stream; answered by `stopped`."""

    type: Literal["stop"] = "stop"


ClientMessage: TypeAlias = (
    StartMessage
    | SteerMessage
    | PrepareMessage
    | PlayMessage
    | PauseMessage
    | ResetMessage
    | SaveMessage
    | StopMessage
)


# ---- messages from the server


class AudioFormat(BaseModel):
    """The chunks' audio."""

    chunk_s: float = Field(description="length of a chunk in seconds")
    sample_rate_hz: int
    channels: int


class ControlInfo(BaseModel):
    """A control: its type and unit; its default if it is a single value; its bounds if any.

    Controls of one number also have a label, a help text, and the ends and the step of a slider.
    """

    dtype: str
    kind: str
    unit: str
    default: Number | str | None = None
    minimum: Number | None = None
    maximum: Number | None = None
    label: str | None = Field(default=None, description="a short name for people")
    help: str | None = Field(default=None, description="what the number does; may be empty")
    usual: tuple[Number, Number] | None = Field(default=None, description="the ends of a slider")
    step: Number | None = Field(default=None, description="the step of a slider")


class CapacityInfo(BaseModel):
    """How many streams the server has."""

    realtime: int = Field(description="realtime streams that fit")
    streams: int = Field(description="streams at present, prepared ones included")


class TakesInfo(BaseModel):
    """Which audio the pipeline accepts."""

    model_config = ConfigDict(alias_generator=_wire_name, populate_by_name=True)

    continue_: bool = Field(description="uploads that the music goes on from")
    inject: bool = Field(description="live input, as binary messages")


class ServerMessage(ProtocolMessage):
    """A message from the server."""

    def to_json(self) -> dict[str, Any]:
        """The JSON object that is sent, without the fields that were not given."""
        return {"type": self.type, **self.model_dump(by_alias=True, exclude_unset=True)}


class ReadyMessage(ServerMessage):
    """The first message: the pipeline, its controls, and what a client may send."""

    type: Literal["ready"] = "ready"
    protocol: int = Field(description="version of this protocol")
    pipeline: str
    note: str
    format: AudioFormat
    controls: dict[str, ControlInfo]
    capacity: CapacityInfo
    takes: TakesInfo
    warm: bool = Field(description="whether the server accepts streams by now")


class StartedMessage(ServerMessage):
    """The client has a stream."""

    type: Literal["started"] = "started"
    pace: Pace


class SteeredMessage(ServerMessage):
    """The controls have changed."""

    type: Literal["steered"] = "steered"
    steer: int = Field(description="how often the stream has been steered")


class PreparingMessage(ServerMessage):
    """The change is being made beforehand; `prepared` of the chunks tells when it is ready."""

    type: Literal["preparing"] = "preparing"


class UnpreparedMessage(ServerMessage):
    """No change is prepared any more."""

    type: Literal["unprepared"] = "unprepared"


class RestartedMessage(ServerMessage):
    """The music starts again: chunks before the next chunk 0 are old."""

    type: Literal["restarted"] = "restarted"


class ChunkMessage(ServerMessage):
    """Describes the chunk whose samples follow as a binary message."""

    type: Literal["chunk"] = "chunk"
    chunk: int = Field(description="index in the music, from 0")
    steer: int = Field(description="how often the stream had been steered when it was made")
    slack_s: float | None = Field(
        description="seconds from ready to needed; below 0 it is late; null = at once, or never"
    )
    underruns: int = Field(description="late chunks of this stream so far")
    late_stage: str = Field(
        description='the stage that made it late; "queue" = other streams; "" = it is not late'
    )
    again: bool = Field(description="whether it replaces an earlier chunk of the same index")
    prepared: bool = Field(description="whether the prepared change could be heard at once")
    seconds: dict[str, float] = Field(description="wall time by stage")
    not_understood: dict[str, str] = Field(
        description="by text prompt, its words that the pipeline does not understand, with commas"
    )
    session: str | None = Field(
        default=None,
        description="of a resumable stream: a `start` with it goes on from here; null = too big",
        json_schema_extra={"contentEncoding": "base64"},
    )


class SessionMessage(ServerMessage):
    """A saved session."""

    type: Literal["session"] = "session"
    data: str = Field(json_schema_extra={"contentEncoding": "base64"})


class StoppedMessage(ServerMessage):
    """The stream has ended and its slot is free."""

    type: Literal["stopped"] = "stopped"


class RefusedMessage(ServerMessage):
    """A message from the client cannot be used; nothing has changed."""

    type: Literal["refused"] = "refused"
    of: str = Field(description="the type of that message")
    reason: str
    where: str = Field(description='the field or control that is wrong; "" = none or unknown')


class FullMessage(ServerMessage):
    """No more streams fit; the client may send the same message again."""

    type: Literal["full"] = "full"
    of: str = Field(description="the type of the message that asked for one")
    reason: str
    retry_after_s: float = Field(description="when a slot is likely to be free")


class FailedMessage(ServerMessage):
    """A stage failed for this stream alone, which has ended."""

    type: Literal["failed"] = "failed"
    reason: str


CLIENT_MESSAGES: Mapping[str, type[ClientMessage]] = {
    model.type_name(): model for model in get_args(ClientMessage)
}
SERVER_MESSAGES = (
    ReadyMessage,
    StartedMessage,
    SteeredMessage,
    PreparingMessage,
    UnpreparedMessage,
    RestartedMessage,
    ChunkMessage,
    SessionMessage,
    StoppedMessage,
    RefusedMessage,
    FullMessage,
    FailedMessage,
)


def type_of(fields: Mapping[str, Any]) -> str:
    """The type that a message claims to have, in at most 40 characters."""
    name = fields.get("type", "")
    return (name if isinstance(name, str) else reprlib.repr(name))[:LONGEST_TYPE]


def read_message(fields: Mapping[str, Any]) -> ClientMessage:
    """Reads a message from a client; unknown fields are ignored.

    Raises:
        Refused: the type is unknown, or a field does not fit.
    """
    name = type_of(fields)
    model = CLIENT_MESSAGES.get(name)
    if model is None:
        raise Refused(f"type {name!r} is none of {', '.join(CLIENT_MESSAGES)}", "type")
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise _refusal(model, error) from None


def _refusal(model: type[ClientMessage], error: ValidationError) -> Refused:
    problem = error.errors(include_url=False)[0]
    where = str(problem["loc"][0])
    if problem["type"] == "value_error":
        return Refused(f"{where}: {problem['ctx']['error']}", where)
    fits = next(f.description for f in model.model_fields.values() if f.alias == where)
    value = reprlib.repr(problem["input"])
    return Refused(f"{where}: expected {fits}; got {value}", where)
