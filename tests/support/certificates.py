"""Makes self-signed certificates for localhost, valid for a day."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Files:
    """The files of a certificate.

    Attributes:
        cert: the certificate.
        key: its private key.
        locked: its private key, encrypted with the passphrase "x".
    """

    cert: Path
    key: Path
    locked: Path


def self_signed(folder: Path, name: str, kind: str = "ec") -> Files:
    """Writes a certificate and its key.

    Args:
        folder: the folder of the files.
        name: their name, without extension.
        kind: "ec" or "rsa".
    """
    key = ec.generate_private_key(ec.SECP256R1())
    if kind == "rsa":
        key = rsa.generate_private_key(65_537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.datetime.now(datetime.UTC)
    cert = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    files = Files(*(folder / f"{name}.{end}" for end in ("pem", "key", "locked")))
    files.cert.write_bytes(cert.public_bytes(Encoding.PEM))
    for path, lock in ((files.key, NoEncryption()), (files.locked, BestAvailableEncryption(b"x"))):
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
    return files
