"""Machine-readable descriptions: OpenAPI of the HTTP paths, AsyncAPI of our WebSocket."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from soundstage.apps.server.connection import ServerContext
from soundstage.apps.server.protocols import own_protocol, plain_http
from soundstage.apps.server.protocols.own_messages import (
    CLIENT_MESSAGES,
    SERVER_MESSAGES,
    ProtocolMessage,
)
from soundstage.graph.scalar import Scalar, scalars
from soundstage.version import version

REFUSED = {"description": "Refused; `error` has the reason."}
FULL = {"description": "Full, or not warm yet; `retry-after` is when to ask again, in seconds."}
BYTES = {"schema": {"type": "string", "format": "binary"}}
AUDIO = dict.fromkeys(plain_http.MIME.values(), BYTES)
TEXT = {"type": "string"}


def openapi(context: ServerContext) -> dict[str, Any]:
    """Returns an OpenAPI 3.1 document of the HTTP paths."""
    numbers = {name: _number(scalar) for name, scalar in scalars(context.graph).items()}
    body = {
        "type": "object",
        "properties": {
            "duration_s": {"type": "number", "maximum": context.limits.generate_s},
            "format": {"enum": [suffix[1:] for suffix in plain_http.MIME]},
            "prompts": {"type": "array", "items": TEXT},
            "continue": {
                "type": "string",
                "description": "The name of an upload that the music goes on from.",
            },
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
        "/readyz": {"get": _plain("200 if the server is warm and accepts streams, else 503.")},
        "/metrics": {"get": _plain("Metrics in Prometheus' text format.")},
        "/generate": {"post": _posting("Makes an audio file.", body, {"200": _audio()})},
        "/uploads": {"post": _plain("Keeps an audio file; returns its name, `upload`.")},
        "/style": {"post": _plain("The embedding of a text, for the original web demo.")},
        "/stream_info": {"get": _plain("Length, rate and channels of the chunks of `/stream`.")},
    }
    for suffix in plain_http.STREAMED:
        stream = _plain("Endless music, for any player.") | {"parameters": query}
        stream["responses"] = {"200": _audio(), "400": REFUSED, "503": FULL}
        paths[f"/stream{suffix}"] = {"get": stream}
    return {
        "openapi": "3.1.0",
        "info": {"title": "soundstage", "version": version()},
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}] if context.settings.token else [],
    }


def asyncapi(context: ServerContext) -> dict[str, Any]:
    """Returns an AsyncAPI 3.0 document of soundstage's own WebSocket protocol."""
    schemas: dict[str, Any] = {}
    received = {f"say_{name}": _message(m, schemas) for name, m in CLIENT_MESSAGES.items()}
    sent = {f"hear_{m.type_name()}": _message(m, schemas) for m in SERVER_MESSAGES}
    received["say_audio"] = _binary("A header of 16 bytes and samples of live input")
    sent["hear_samples"] = _binary("A header of 32 bytes and the samples of a chunk")
    address = "#/channels/stream"
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "soundstage", "version": version()},
        "channels": {"stream": {"address": own_protocol.PATH, "messages": received | sent}},
        "operations": {
            "say": _operation("receive", address, received),
            "hear": _operation("send", address, sent),
        },
        "components": {"schemas": schemas},
    }


def _number(scalar: Scalar) -> dict[str, Any]:
    """Returns the JSON schema of a scalar control."""
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


def _message(model: type[ProtocolMessage], schemas: dict[str, Any]) -> dict[str, Any]:
    """Describes a message; the schemas of its parts go to `schemas`."""
    payload = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(payload.pop("$defs", {}))
    payload["required"] = ["type", *payload.get("required", [])]
    return {
        "name": model.type_name(),
        "summary": payload.pop("description"),
        "contentType": "application/json",
        "payload": payload,
    }


def _binary(summary: str) -> dict[str, Any]:
    return {
        "contentType": "application/octet-stream",
        "summary": f"{summary}; docs/protocol.md.",
    }


def _operation(action: str, channel: str, names: Iterable[str]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in names],
    }
