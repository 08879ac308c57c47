"""Pickles values as Ray does when it sends them to another process."""

from typing import Any

from ray import cloudpickle


def pickled(value: Any) -> Any:
    """Returns what a process gets to which Ray sends a value.

    Raises:
        Exception: the value cannot be pickled, or not be read back.
    """
    return cloudpickle.loads(cloudpickle.dumps(value))
