"""The tests. Here, before anything is imported, is said how many threads a worker may have."""

from __future__ import annotations

import os

if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    # Each worker would take all cores; their threads then wait for each other, and busily.
    share = max(1, (os.cpu_count() or 1) // int(workers))
    os.environ.setdefault("OMP_NUM_THREADS", str(share))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(share))
