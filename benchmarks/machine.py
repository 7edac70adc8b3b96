"""What the figures were measured on: stands above every table."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def describe_machine() -> str:
    """Processor, cores, system and the versions that matter, in one line."""
    import openvino
    import torch

    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text("utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name = names[0] if names else name
    versions = f"torch {torch.__version__}, OpenVINO {openvino.__version__.partition('-')[0]}"
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"
