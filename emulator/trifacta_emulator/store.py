"""
State of the emulated instance: connections, flows, deployments, their rules, releases and runs, and the history.

Records are immutable and replaced as a whole, and every method holds one lock, so that a reader never sees
half a change.
"""

from __future__ import annotations

from trifacta_emulator.job_store import JobStore


class Store(JobStore):
    """
    All state, in memory. Tests may call any method from any thread while the emulator serves.

    Each resource has a module of its own; later ones build on earlier ones.

    :param options: the instance's options.
    """
