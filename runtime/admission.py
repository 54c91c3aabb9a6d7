"""Why a server does not let us in, where trying again would not help."""

from __future__ import annotations

import ssl

from runtime.errors import TransportError

_KEY = "give the file of a key that it knows with --key (JUPITER_KEY), and reload the server after `jupiter keys`"
_CERTIFICATE = "give the authority of its certificate with --tls-ca (JUPITER_TLS_CA), or correct the address"
_HANDSHAKE = "see which certificates it wants: --tls-ca, --tls-cert and --tls-key"


class NotAdmittedError(TransportError):
    """The server is there and refuses us, or we do not trust it."""


def refusal(servers: object, error: Exception, *, is_secret: bool = False) -> NotAdmittedError | None:
    """The sentence about an error of the handshake; None when it may be another next time.

    `is_secret`: it came under TLS. The server judges our certificate after we have heard its own, and when it hangs up
    then, what we were writing may break before its reason is read.
    """
    if isinstance(error, NotAdmittedError):
        return error
    if isinstance(error, ssl.SSLCertVerificationError):
        return NotAdmittedError(f"the NATS server at {servers} is not trusted ({error.verify_message}): {_CERTIFICATE}")
    if isinstance(error, ssl.SSLError):
        return NotAdmittedError(f"no TLS with the NATS server at {servers} ({error.reason}): {_HANDSHAKE}")
    if is_secret and isinstance(error, (BrokenPipeError, ConnectionResetError)):
        return NotAdmittedError(f"no TLS with the NATS server at {servers} (it hung up): {_HANDSHAKE}")
    if "authorization violation" in str(error).lower():
        return NotAdmittedError(f"the NATS server at {servers} does not admit us (Authorization Violation): {_KEY}")
    return None


def no_tls(servers: object) -> NotAdmittedError:
    """We were given certificates, and the server would have all in the open."""
    return NotAdmittedError(f"the NATS server at {servers} offers no TLS: set it up there, or leave --tls-ca away")
