"""What is too much: every limit on files, by name.

Each can be set in the environment, ``ANYFIND_`` before its name: ``ANYFIND_MAX_PIXELS=2e9``.

==================  =============  =============================================================
name                default        meaning
==================  =============  =============================================================
MAX_BYTES           4 GiB          size of any file
MAX_PICTURE_BYTES   512 MiB        size of a picture file (some decoders read it whole)
MAX_PIXELS          500 million    width x height of a picture as stored
MAX_DECODED_BYTES   1 GiB          memory that decoding one picture may take; JPEGs are decoded
                                   at reduced scale, so only huge PNG, TIFF, ... come near it
HEAVY_BYTES         128 MiB        pictures that take more than this are decoded one at a time
MAX_SECONDS         43200 (12 h)   length of a sound or a film
MAX_FRAMES          1200           pictures taken from one film
MAX_FRAME_PIXELS    40 million     width x height of a film as stored
MAX_CHANNELS        64             channels of a sound
MIN_RATE, MAX_RATE  1000, 1000000  sample rate of a sound, hertz
MAX_DOCUMENT_BYTES  256 MiB        size of a PDF or a Word file, and of a Word file's text unpacked
MAX_PASSAGES        20,000         passages used of one text, rows of one table
MAX_PAGES           5,000          pages used of one PDF
MAX_PAGE_BYTES      32 MiB         any part of a PDF, unpacked
MAX_PDF_SECONDS     120            seconds of work on one PDF
MAX_GRAPH_BYTES     128 MiB        size of a file that holds a graph
MAX_NODES           200,000        nodes of a graph
MAX_EDGES           2,000,000      edges of a graph
SILENCE             1e-4 (-80 dB)  a sound that never swings further from its middle is silent
==================  =============  =============================================================
"""

from __future__ import annotations

import math
import os
import warnings


def setting(name: str, default: float) -> float:
    """The number in the environment variable ANYFIND_`name`, or `default` when it is not set.

    What is not a number above 0 is named in a warning and not used.
    """
    text = os.environ.get(f"ANYFIND_{name}")
    if not text:
        return default
    try:
        value = float(text.replace("_", ""))
    except ValueError:
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        warnings.warn(
            f"ANYFIND_{name}={text!r} is not a number above 0, so {default:,} is used", stacklevel=2
        )
        return default
    return value


MAX_BYTES = int(setting("MAX_BYTES", 4 << 30))
MAX_PICTURE_BYTES = int(setting("MAX_PICTURE_BYTES", 512 << 20))
MAX_PIXELS = int(setting("MAX_PIXELS", 500_000_000))
MAX_DECODED_BYTES = int(setting("MAX_DECODED_BYTES", 1 << 30))
HEAVY_BYTES = int(setting("HEAVY_BYTES", 128 << 20))
MAX_SECONDS = setting("MAX_SECONDS", 12 * 3600)
MAX_FRAMES = int(setting("MAX_FRAMES", 1200))
MAX_FRAME_PIXELS = int(setting("MAX_FRAME_PIXELS", 40_000_000))
MAX_CHANNELS = int(setting("MAX_CHANNELS", 64))
MIN_RATE = setting("MIN_RATE", 1000)
MAX_RATE = setting("MAX_RATE", 1_000_000)
MAX_DOCUMENT_BYTES = int(setting("MAX_DOCUMENT_BYTES", 256 << 20))
MAX_PASSAGES = int(setting("MAX_PASSAGES", 20_000))
MAX_PAGES = int(setting("MAX_PAGES", 5_000))
MAX_PAGE_BYTES = int(setting("MAX_PAGE_BYTES", 32 << 20))
MAX_PDF_SECONDS = setting("MAX_PDF_SECONDS", 120)
MAX_GRAPH_BYTES = int(setting("MAX_GRAPH_BYTES", 128 << 20))
MAX_NODES = int(setting("MAX_NODES", 200_000))
MAX_EDGES = int(setting("MAX_EDGES", 2_000_000))
SILENCE = setting("SILENCE", 1e-4)
