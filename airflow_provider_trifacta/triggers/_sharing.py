"""Which waits share an instance: those that would get the same answers.

The triggers of one triggerer run in one process. Waits on the same instance as the same user share one
:class:`.PollingInstance`, which the first of them opens and the last of them closes.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields
from typing import TYPE_CHECKING

from ._polling import PollingInstance

if TYPE_CHECKING:
    from ..client import ClientConfig

#: Settings that do not change an answer. They may differ between waits that share one.
_HOW_TO_ASK = (
    "connect_timeout",
    "read_timeout",
    "upload_timeout",
    "total_timeout",
    "upload_total_timeout",
    "read_retries",
)


def sharing_key(config: ClientConfig) -> str:
    """Return what two waits must have in common to share answers: the instance, the user, TLS and proxies.

    It is a digest, because it covers the credentials. The id of the Airflow connection is not part of it: two
    connections may lead to the same instance as the same user.

    :param config: where and how to ask
    """
    what = [(one.name, getattr(config, one.name)) for one in fields(config) if one.init and one.name not in _HOW_TO_ASK]
    return hashlib.sha256(repr(what).encode()).hexdigest()


#: The instances with waits on them. Only code of the event loop uses it, between two awaits, so it needs no lock.
instances: dict[str, PollingInstance] = {}


class Lease:
    """The share of one wait in an instance. The last wait on an instance closes it.

    :param job_groups: how many job groups the wait waits for
    """

    def __init__(self, job_groups: int = 0) -> None:
        self._job_groups = job_groups
        self._key = ""
        self.instance: PollingInstance | None = None

    def move(self, config: ClientConfig) -> PollingInstance:
        """Take the instance of a configuration, and give back the one before.

        A wait moves when the Airflow connection holds new credentials.

        :param config: where and how to ask
        :returns: the instance
        """
        key = sharing_key(config)
        instance = instances.get(key)
        if instance is None:
            instance = instances[key] = PollingInstance(config)
        instance.users += 1
        instance.job_groups += self._job_groups
        self.close()
        self._key, self.instance = key, instance
        return instance

    def close(self) -> None:
        """Give back the instance."""
        instance, self.instance = self.instance, None
        if instance is None:
            return
        instance.users -= 1
        instance.job_groups -= self._job_groups
        if not instance.users:
            del instances[self._key]
            instance.close()
