"""Whether TLS can be spoken with a certificate and its key; if not, it is said why, in a line."""

from __future__ import annotations

import ssl
from pathlib import Path

from soundstage.errors import UsageError

CERT, KEY = "--tls-cert", "--tls-key"
# A key of another kind is not even compared.
STRANGERS = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"})


def refuse_certificate(cert: Path, key: Path) -> None:
    """Refuses what a server cannot use.

    Args:
        cert: a certificate, and those it depends on behind it, in PEM.
        key: its private key in PEM; it may be in the same file.

    Raises:
        UsageError: a file cannot be read, holds something else or is damaged; the key is locked;
            the two do not go together.
    """
    _read(CERT, cert, b"CERTIFICATE-----")
    if b"ENCRYPTED" in _read(KEY, key, b"PRIVATE KEY-----"):
        raise UsageError(
            f"{KEY} {key}: it is locked with a passphrase, which nobody is there to enter; "
            f"openssl pkey -in {key} makes one without"
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
    except ssl.SSLError as error:
        raise UsageError(_fault(cert, key, error)) from error


def _read(option: str, path: Path, wanted: bytes) -> bytes:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot be read: {error.strerror or error}") from error
    if wanted not in text:
        noun = wanted.decode().strip("-").lower()
        raise UsageError(f"{option} {path}: there is no {noun} in PEM in it")
    return text


def _fault(cert: Path, key: Path, error: ssl.SSLError) -> str:
    if error.reason in STRANGERS:
        return f"{KEY} {key}: it is not the key of the certificate in {cert}"
    if error.reason:
        return f"{CERT} {cert}: cannot be used: {error.reason.replace('_', ' ').lower()}"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cert)
    except ssl.SSLError:
        return f"{CERT} {cert}: the certificate is damaged"
    return f"{KEY} {key}: the key is damaged"
