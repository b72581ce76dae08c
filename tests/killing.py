"""kill -9 of the task that waits for an emulator."""

from __future__ import annotations

import os
import signal
from urllib.parse import urlsplit

import psutil


def clients_of(url: str) -> set[int]:
    """Return the processes that have a connection to a server, other than this one."""
    port = urlsplit(url).port
    connections = psutil.net_connections("tcp")
    return {one.pid for one in connections if one.raddr and one.raddr.port == port and one.pid} - {
        os.getpid()
    }


def kill_client_of(url: str) -> None:
    """Kill the one process that has a connection to a server: the task whose request is
    held there.
    """
    (task,) = clients_of(url)
    os.kill(task, signal.SIGKILL)
