"""Errors between this machine and a hub, each in one line."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from soundstage.errors import DownloadError

TOO_MANY = 429
# Statuses of answers that may be another one a moment later.
PASSING = (408, TOO_MANY, 500, 502, 503, 504)
ELSEWHERE = "use --source with a folder or a mirror that has it"


def retry_after_s(value: str | None) -> float | None:
    """Reads a `Retry-After` header, seconds or a date.

    Returns:
        The seconds to wait; None = there is no such header, or it cannot be read.
    """
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max(0.0, (then - datetime.now(UTC)).total_seconds())


def refused(name: str, status: int, wait_s: float | None) -> DownloadError:
    """Returns the error for an answer that is not the file.

    Args:
        name: the file, "owner/name/path".
        status: the answer's HTTP status.
        wait_s: the seconds that the answer asks to wait; None = it does not say.
    """
    if status == TOO_MANY:
        wait = "asks to wait" if wait_s is None else f"asks to wait {wait_s:.0f} s"
        return DownloadError(
            f"{name}: the hub had too many requests (429) and {wait}; run the same command again "
            "then: files that are complete are kept"
        )
    if status == 404:
        return DownloadError(f"{name}: there is no such file (404); {ELSEWHERE}")
    if status in (401, 403):
        return DownloadError(
            f"{name}: the hub refuses it ({status}); if it asks to accept terms, do so on the "
            "model's page and log in with `hf auth login`"
        )
    return DownloadError(f"{name}: the hub answers {status}; run the same command again later")


def unreachable(name: str, error: Exception) -> DownloadError:
    """Returns the error for a request without an answer."""
    return DownloadError(f"{name}: the hub cannot be reached ({_reason(error)}); {ELSEWHERE}")


def broken_off(name: str, error: Exception) -> DownloadError:
    """Returns the error for a transfer that ended too early or with too many bytes."""
    return DownloadError(
        f"{name}: the transfer broke off ({_reason(error)}); run the same command again: files "
        "that are complete are kept"
    )


def _reason(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
