"""An OpenID Connect issuer on loopback, with keys of its own: its discovery document and its keys over real HTTP."""

from __future__ import annotations

import json
import ssl
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as new_ec_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as new_rsa_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "orca-reconcile"


class LittleIssuer:
    """Publishes `keys`, signs tokens with them, counts how often its keys were fetched, and can be stopped and started."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.keys: dict[str, RSAPrivateKey | EllipticCurvePrivateKey] = {"first": new_rsa_key(65537, 2048)}
        self.fetched = 0
        self.says: str | None = None
        self.keys_at: str | None = None
        self.use = "sig"
        self.byte_s = 0.0
        self._tls = tls
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    def start(self) -> None:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(issuer.answer(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with suppress(OSError):  # nobody waits for the rest
                    for byte in body:
                        time.sleep(issuer.byte_s)
                        self.wfile.write(bytes([byte]))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def answer(self, path: str) -> dict[str, Any]:
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.says or self.url, "jwks_uri": self.keys_at or f"{self.url}/keys"}
        self.fetched += 1
        return {"keys": [self.jwk(kid) for kid in self.keys]}

    def jwk(self, kid: str) -> dict[str, Any]:
        key = self.keys[kid]
        found = (
            ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
            if isinstance(key, EllipticCurvePrivateKey)
            else RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        )
        return {**found, "kid": kid, "use": self.use}

    def add_ec(self, kid: str) -> None:
        self.keys[kid] = new_ec_key(SECP256R1())

    def add_rsa(self, kid: str, bits: int = 2048) -> None:
        self.keys[kid] = new_rsa_key(65537, bits)

    def token(self, kid: str = "first", *, algorithm: str = "RS256", left_out: str = "", **claims: object) -> str:
        now = int(time.time())
        whole = {"iss": self.url, "aud": AUDIENCE, "sub": "ana", "exp": now + 300, "scope": "orca-reconcile:read"}
        whole |= claims
        whole.pop(left_out, None)
        return jwt.encode(whole, self.keys[kid], algorithm, {"kid": kid})
