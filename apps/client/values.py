"""Controls as people give them to a session, as the JSON of soundstage's own protocol."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping
from typing import Any

import numpy as np

from soundstage.graph.control import ControlError
from soundstage.runners.sessions.prompts import PROMPTS, OnePrompt, Style, Text, listed


def values_of(controls: Mapping[str, Any], known: Container[str]) -> dict[str, Any]:
    """Returns controls without `prompts`, which is written out as in a session.

    Args:
        controls: the values by name.
        known: the names of the server's controls.

    Raises:
        ControlError: a prompt cannot be sent.
    """
    values = dict(controls)
    if PROMPTS in values:
        values |= _prompt_values(listed(values.pop(PROMPTS)), known)
    return values


def message_of(kind: str, **fields: Any) -> str:
    """Returns a message; arrays are sent as lists.

    Raises:
        ControlError: a value has no counterpart in JSON.
    """
    try:
        return json.dumps({"type": kind, **fields}, default=_as_list)
    except (TypeError, ValueError) as error:
        raise ControlError(f"a control cannot be sent to a server: {error}") from error


def _prompt_values(prompts: Iterable[OnePrompt], known: Container[str]) -> dict[str, Any]:
    values: dict[str, list[Any]] = {
        name: [] for kind in ("text", "clip", "style") for name in (f"{kind}s", f"{kind}_weights")
    }
    for prompt in prompts:
        kind, content = _content(prompt)
        values[f"{kind}s"].append(content)
        values[f"{kind}_weights"].append(prompt.weight)
    return {name: value for name, value in values.items() if value or name in known}


def _content(prompt: OnePrompt) -> tuple[str, Any]:
    if isinstance(prompt, Text):
        return "text", prompt.text
    if isinstance(prompt, Style) and isinstance(prompt.vector, np.ndarray):
        return "style", prompt.vector
    raise ControlError(
        "files are not sent to a server: give an audio prompt as the style vector that "
        "`soundstage.open(...).embed` returns for it, and a .npy file as numpy.load(path)"
    )


def _as_list(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no number, text or list of them")
