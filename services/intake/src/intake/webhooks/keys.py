"""What signs an endpoint's posts: keys of both schemes, sealed wherever they are kept.

A seal is Fernet (AES-128-CBC with HMAC-SHA256), whose keys come from the settings: the first one seals, all of them
open, so that a new one can be put in front before the old one goes.
"""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.errors import Misconfigured
from common.ids import new_id
from common.webhooks import sign
from intake.webhooks.domain import Scheme

_SETTING = "FRONTLINE_INTAKE_WEBHOOKS_KEY"
_SECRET_BYTES = 32
"""Standard Webhooks 1.0.0 asks for 24 to 64 random bytes."""


class Sealed(Exception):
    """A secret cannot be opened with the keys that the settings give."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningKey:
    """One key of an endpoint, sealed. `public_key` is "whpk_" and base64, empty with `v1`."""

    key_id: UUID
    endpoint_id: UUID
    scheme: Scheme
    sealed: bytes
    public_key: str
    created_at: datetime
    retires_at: datetime | None = None


class Sealer:
    """Seals and opens secrets."""

    def __init__(self, keys: str) -> None:
        """Args: keys: one or more by commas, each 32 bytes in URL-safe base64.

        Raises:
            Misconfigured: they are something else.
        """
        try:
            self._keys = [Fernet(key.strip()) for key in keys.split(",")]
        except ValueError as malformed:
            # The cause would show the key.
            raise Misconfigured(f"{_SETTING} must be 32 bytes in URL-safe base64, several by commas") from malformed
        self._all = MultiFernet(self._keys)

    def make_secret(self, endpoint_id: UUID, *, now: datetime) -> tuple[SigningKey, str]:
        """A new secret for `v1`: the key to keep, and the text to show once, "whsec_" and base64."""
        secret = secrets.token_bytes(_SECRET_BYTES)
        key = self._key(endpoint_id, Scheme.V1, secret, now=now, public_key="")
        return key, f"whsec_{base64.b64encode(secret).decode()}"

    def make_pair(self, endpoint_id: UUID, *, now: datetime) -> SigningKey:
        """A new pair for `v1a`, whose private half nobody is ever shown."""
        private = Ed25519PrivateKey.generate()
        public_key = f"whpk_{base64.b64encode(private.public_key().public_bytes_raw()).decode()}"
        return self._key(endpoint_id, Scheme.V1A, private.private_bytes_raw(), now=now, public_key=public_key)

    def signatures(self, keys: Sequence[SigningKey], content: bytes) -> list[str]:
        """One signature for each key, in their order.

        Raises:
            Sealed: none of our keys opens one of them.
        """
        return [self._signature(key.scheme, self._open(key.sealed), content) for key in keys]

    def resealed(self, sealed: bytes) -> bytes | None:
        """The same secret under the first key; None where it is already.

        Raises:
            Sealed: none of our keys opens it.
        """
        try:
            self._keys[0].decrypt(sealed)
        except InvalidToken:
            return self._keys[0].encrypt(self._open(sealed))
        return None

    def _key(self, endpoint_id: UUID, scheme: Scheme, secret: bytes, *, now: datetime, public_key: str) -> SigningKey:
        return SigningKey(
            key_id=new_id(),
            endpoint_id=endpoint_id,
            scheme=scheme,
            sealed=self._all.encrypt(secret),
            public_key=public_key,
            created_at=now,
        )

    def _open(self, sealed: bytes) -> bytes:
        try:
            return self._all.decrypt(sealed)
        except InvalidToken as unknown:
            raise Sealed(f"no key of {_SETTING} opens the secret: put the former key behind the new one") from unknown

    @staticmethod
    def _signature(scheme: Scheme, secret: bytes, content: bytes) -> str:
        if scheme is Scheme.V1:
            return sign(secret, content)
        signed = Ed25519PrivateKey.from_private_bytes(secret).sign(content)
        return f"v1a,{base64.b64encode(signed).decode()}"
