"""Checks a TLS certificate and its key; errors say in one line what is wrong with them."""

from __future__ import annotations

import ssl
from pathlib import Path

from soundstage.errors import UsageError

CERT, KEY = "--tls-cert", "--tls-key"
# OpenSSL's reasons if the key is not the certificate's; keys of another kind are not compared.
NOT_A_PAIR = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"})


def refuse_certificate(cert: Path, key: Path) -> None:
    """Refuses a certificate or key that the server cannot use.

    Args:
        cert: a certificate in PEM, followed by those it depends on.
        key: its private key in PEM; it may be in the same file.

    Raises:
        UsageError: a file cannot be read, holds something else or is damaged; the key has a
            passphrase; the key is not the certificate's.
    """
    _read(CERT, cert, b"CERTIFICATE-----")
    if b"ENCRYPTED" in _read(KEY, key, b"PRIVATE KEY-----"):
        raise UsageError(
            f"{KEY} {key}: the key has a passphrase, and the server cannot ask for it; "
            f"openssl pkey -in {key} writes the key without one"
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
    except ssl.SSLError as error:
        raise UsageError(_reason(cert, key, error)) from error


def _read(option: str, path: Path, marker: bytes) -> bytes:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot be read: {error.strerror or error}") from error
    if marker not in text:
        noun = marker.decode().strip("-").lower()
        raise UsageError(f"{option} {path}: the file holds no {noun} in PEM")
    return text


def _reason(cert: Path, key: Path, error: ssl.SSLError) -> str:
    if error.reason in NOT_A_PAIR:
        return f"{KEY} {key}: the key is not that of the certificate in {cert}"
    if error.reason:
        return f"{CERT} {cert}: cannot be used: {error.reason.replace('_', ' ').lower()}"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cert)
    except ssl.SSLError:
        return f"{CERT} {cert}: the certificate is damaged"
    return f"{KEY} {key}: the key is damaged"
