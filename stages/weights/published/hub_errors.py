"""What can go wrong between here and a hub, in one line each."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

from soundstage.errors import DownloadError

TOO_MANY = 429
PASSING = (408, TOO_MANY, 500, 502, 503, 504)
ELSEWHERE = "use --source with a folder or a mirror that has it"


class HubAnswer(Protocol):
    """A hub's answer, as its library hands it on."""

    status_code: int
    headers: object


def retry_after_s(value: str | None) -> float | None:
    """Seconds that an answer asks to wait, from its `Retry-After`; None = it does not say."""
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


def refused(what: str, status: int, wait_s: float | None) -> DownloadError:
    """A hub's answer that is not the file.

    Args:
        what: the file and the hub.
        status: of the answer.
        wait_s: what the answer asks to wait; None = it does not say.
    """
    if status == TOO_MANY:
        asks = "asks to wait" if wait_s is None else f"asks to wait {wait_s:.0f} s"
        return DownloadError(
            f"{what}: the hub had too many requests (429) and {asks}; run the same command again "
            "then: what has come is kept"
        )
    if status == 404:
        return DownloadError(f"{what}: there is no such file (404); {ELSEWHERE}")
    if status in (401, 403):
        return DownloadError(
            f"{what}: the hub refuses it ({status}); if it asks to accept terms, do so on the "
            "model's page and log in with `hf auth login`"
        )
    return DownloadError(f"{what}: the hub answers {status}; run the same command again later")


def unreachable(what: str, error: Exception) -> DownloadError:
    """No answer at all."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return DownloadError(f"{what}: the hub cannot be reached ({reason}); {ELSEWHERE}")


def cut_off(what: str, have: int, total: int | None) -> DownloadError:
    """A transfer that ended too early, again and again."""
    of = "" if total is None else f" of {total / 1e6:.1f}"
    return DownloadError(
        f"{what}: cut off after {have / 1e6:.1f}{of} MB; what has come is kept: run the same "
        "command again to go on"
    )
