"""Reading a capture file of either kind; used by the `window` task.

What cannot be read is counted, never raised: one bad line or a cut file must not cost the rest of the
capture. Only a file of a kind that is not read at all is an error.
"""

import ipsum
import pcap_reader
from packets import Capture

PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"


def read(data: bytes) -> Capture:
    """Packets of a capture file: pcap by its magic number, anything else as packet summaries."""
    if data[:4] == PCAPNG_MAGIC:
        raise ValueError("pcapng is not read; convert the capture with `editcap -F pcap IN OUT`")
    if data[:4] in pcap_reader.MAGICS:
        return pcap_reader.read(data)
    return ipsum.read(data)
