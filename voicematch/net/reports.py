"""Reports that packages we build on would send to their makers, switched off before these are imported.

voicematch sends nothing anywhere, and neither does what it stands on. Each of these packages reads its switch once, at
its import or its first use. So the package's ``__init__`` calls `switch_off`, which every process that runs any part of
voicematch loads first: commands, workers, Ray's actors, the pages, training.
"""

from __future__ import annotations

import os

# What each package would send otherwise.
SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime from 1.29: machine, models and run times, about 9 s into a run
    "ORT_TELEMETRY_DISABLED": "1",  # the same switch under the name some of its releases read
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub: which library asks for which model
    "DISABLE_TELEMETRY": "1",  # the older name of the same
    "PYANNOTE_METRICS_ENABLED": "false",  # pyannote.audio: each file's length and number of speakers
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray: what the cluster is made of
    "OTEL_SDK_DISABLED": "true",  # mcp: a span for each request, where somebody has installed what sends them
    "DO_NOT_TRACK": "1",  # whoever else heeds the common one
}


def switch_off() -> None:
    """Tell every package that would report to its makers not to, in this process and in those it starts."""
    os.environ.update(SWITCHES)


def switch_off_ray() -> None:
    """Keep Ray, where it makes a cluster on this machine, from starting the process that reports for it.

    Told not to report, and without a dashboard, that process has nothing else to do. It yet begins with questions to
    the clouds' servers of metadata (169.254.169.254, metadata.google.internal), and Ray has no switch for it.
    """
    from ray._private.node import Node

    Node.start_api_server = lambda node, **_: None
