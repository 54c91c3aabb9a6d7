"""What a server that does not let us in is said to have done."""

from __future__ import annotations

import ssl

import pytest

from runtime.admission import refusal


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), ConnectionResetError("lost")])
def test_who_hangs_up_under_tls_wants_another_certificate(error: OSError) -> None:
    refused = refusal("nats://there", error, is_secret=True)
    assert refused is not None and "no TLS with the NATS server at nats://there (it hung up)" in str(refused)
    assert refusal("nats://there", error) is None, "without TLS it may have been stopped, and come back"


def test_what_may_be_another_next_time_is_tried_again() -> None:
    assert refusal("nats://there", ConnectionRefusedError(), is_secret=True) is None
    broken = ssl.SSLError(1, "handshake")
    broken.reason = "BAD_CERTIFICATE"  # as OpenSSL's own have it
    assert "(BAD_CERTIFICATE)" in str(refusal("nats://there", broken))
    assert "does not admit us" in str(refusal("nats://there", Exception("nats: 'Authorization Violation'")))
