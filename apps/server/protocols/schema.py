"""The server described for machines: OpenAPI of its addresses, AsyncAPI of its WebSocket."""

from __future__ import annotations

from typing import Any

from soundstage.apps.server.connection import ServerContext
from soundstage.apps.server.protocols import own_protocol, plain_http
from soundstage.graph.scalar import Scalar, scalars
from soundstage.version import version

REFUSED = {"description": "Refused; `error` says why."}
FULL = {"description": "Full, or not warm yet; `retry-after` says when to ask again."}
BYTES = {"schema": {"type": "string", "format": "binary"}}
AUDIO = dict.fromkeys(plain_http.MIME.values(), BYTES)
NUMBER, TEXT, FLAG = {"type": "number"}, {"type": "string"}, {"type": "boolean"}
CONTROLS = {
    "type": "object",
    "description": "Controls by name, as `ready` lists them; `prompts` is short for texts and "
    "text_weights; `clips` names uploads.",
}

# Messages of our own protocol, with their fields beside "type".
SAID: dict[str, dict[str, Any]] = {
    "start": {
        "controls": CONTROLS,
        "pace": {"enum": ["realtime", "fast"]},
        "buffer_chunks": NUMBER,
        "encoding": {"enum": ["float32", "int16"]},
        "session": TEXT,
        "continue": TEXT,
    },
    "steer": {"controls": CONTROLS, "again": FLAG},
    "prepare": {"controls": CONTROLS | {"type": ["object", "null"]}},
    "play": {},
    "pause": {"hold": FLAG},
    "reset": {"seed": {"type": "integer"}, "continue": TEXT},
    "save": {},
    "stop": {},
}
HEARD: dict[str, dict[str, Any]] = {
    "ready": {
        "protocol": NUMBER,
        "pipeline": TEXT,
        "note": TEXT,
        "format": {"type": "object"},
        "controls": {"type": "object"},
        "capacity": {"type": "object"},
        "takes": {"type": "object"},
        "warm": FLAG,
    },
    "started": {"pace": TEXT},
    "steered": {"steer": {"type": "integer"}},
    "preparing": {},
    "unprepared": {},
    "restarted": {},
    "chunk": {
        "chunk": {"type": "integer"},
        "steer": {"type": "integer"},
        "slack_s": {"type": ["number", "null"]},
        "underruns": NUMBER,
        "late_stage": TEXT,
        "again": FLAG,
        "prepared": FLAG,
        "seconds": {"type": "object"},
    },
    "session": {"data": TEXT},
    "stopped": {},
    "refused": {"of": TEXT, "reason": TEXT, "where": TEXT},
    "full": {"of": TEXT, "reason": TEXT, "retry_after_s": NUMBER},
    "failed": {"reason": TEXT},
}


def openapi(desk: ServerContext) -> dict[str, Any]:
    """An OpenAPI 3.1 document."""
    numbers = {name: _number(scalar) for name, scalar in scalars(desk.graph).items()}
    asked = {
        "type": "object",
        "properties": {
            "duration_s": {"type": "number", "maximum": desk.limits.generate_s},
            "format": {"enum": [suffix[1:] for suffix in plain_http.MIME]},
            "prompts": {"type": "array", "items": TEXT},
            "continue": {"type": "string", "description": "An upload to go on from."},
            **numbers,
        },
        "additionalProperties": True,
    }
    query = [
        {"name": name, "in": "query", "schema": schema}
        for name, schema in {plain_http.PROMPT: TEXT, **numbers}.items()
    ]
    paths = {
        "/healthz": {"get": _plain("The process answers.")},
        "/readyz": {"get": _plain("Warm and taking streams: 200, else 503.")},
        "/metrics": {"get": _plain("Figures for Prometheus.")},
        "/generate": {"post": _posting("Makes an audio file.", asked, {"200": _audio()})},
        "/uploads": {
            "post": _plain("Takes an audio file as a prompt; answers with its name, `upload`.")
        },
        "/style": {
            "post": _plain("The embedding of a text, as the original web demo asks for it.")
        },
        "/stream_info": {"get": _plain("What the chunks of `/stream` are.")},
    }
    for suffix in plain_http.STREAMED:
        listening = _plain("Music without end, for any player.") | {"parameters": query}
        listening["responses"] = {"200": _audio(), "400": REFUSED, "503": FULL}
        paths[f"/stream{suffix}"] = {"get": listening}
    return {
        "openapi": "3.1.0",
        "info": {"title": "soundstage", "version": version()},
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}] if desk.settings.token else [],
    }


def asyncapi(desk: ServerContext) -> dict[str, Any]:
    """An AsyncAPI 3.0 document of `own_protocol`."""
    messages = {f"say_{name}": _message(name, fields) for name, fields in SAID.items()}
    messages |= {f"hear_{name}": _message(name, fields) for name, fields in HEARD.items()}
    messages["say_audio"] = {
        "contentType": "application/octet-stream",
        "summary": "A header of 16 bytes and audio that is played in; docs/protocol.md.",
    }
    messages["hear_samples"] = {
        "contentType": "application/octet-stream",
        "summary": "A header of 32 bytes and the samples; docs/protocol.md.",
    }
    address = "#/channels/stream"
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "soundstage", "version": version()},
        "channels": {"stream": {"address": own_protocol.PATH, "messages": messages}},
        "operations": {
            "say": _operation("receive", address, [name for name in messages if "say_" in name]),
            "hear": _operation("send", address, [name for name in messages if "hear_" in name]),
        },
    }


def _number(scalar: Scalar) -> dict[str, Any]:
    """The JSON schema of a scalar control."""
    schema: dict[str, Any] = {
        "type": "integer" if scalar.port.whole else "number",
        "default": scalar.default,
        "description": scalar.port.help or scalar.port.kind,
    }
    if scalar.port.minimum is not None:
        schema["minimum"] = scalar.port.minimum
    if scalar.port.maximum is not None:
        schema["maximum"] = scalar.port.maximum
    return schema


def _plain(summary: str) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": {"description": summary}, "400": REFUSED}}


def _posting(summary: str, schema: object, responses: dict[str, Any]) -> dict[str, Any]:
    body = {"content": {"application/json": {"schema": schema}}, "required": True}
    others = {"400": REFUSED, "503": FULL}
    return {"summary": summary, "requestBody": body, "responses": responses | others}


def _audio() -> dict[str, Any]:
    return {"description": "Music.", "content": AUDIO}


def _message(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    properties = {"type": {"const": name}} | fields
    return {
        "name": name,
        "contentType": "application/json",
        "payload": {"type": "object", "required": ["type"], "properties": properties},
    }


def _operation(action: str, channel: str, names: list[str]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in names],
    }
