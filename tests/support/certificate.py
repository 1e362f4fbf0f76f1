"""A certificate for loopback that nobody has signed but its own key."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import CertificateBuilder, IPAddress, Name, SubjectAlternativeName, random_serial_number


def tls_of_loopback(path: Path) -> ssl.SSLContext:
    """Write the certificate with its key to `path`, for clients to trust; gives what a server needs."""
    key, nobody, now = generate_private_key(SECP256R1()), Name([]), datetime.now(UTC)
    certificate = (
        CertificateBuilder(nobody, nobody, key.public_key(), random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(SubjectAlternativeName([IPAddress(ip_address("127.0.0.1"))]), critical=True)
        .sign(key, SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(certificate.public_bytes(Encoding.PEM) + secret)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(path)
    return server
