"""Webhook: an address that verdicts are sent to. It stands in assay.toml; no caller gives one."""

import base64
from dataclasses import dataclass, field

from assay.schema.errors import InputError

ENCODED = "whsec_"  # Standard Webhooks: what follows is base64


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """An address, and the secret that what is sent there is signed with.

    A secret that begins with `whsec_` is base64 after that, any other is text. Raises InputError where it is not.
    """

    url: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        try:
            key = self.key
        except ValueError:
            key = b""
        if not key:
            raise InputError(
                "The secret of a webhook cannot be read.",
                required=f"{ENCODED} and base64 after it, or any other text",
                got=f"{len(self.secret)} characters",
            )

    @property
    def key(self) -> bytes:
        """What messages are signed with."""
        encoded = self.secret.removeprefix(ENCODED)
        return base64.b64decode(encoded, validate=True) if encoded != self.secret else self.secret.encode()
