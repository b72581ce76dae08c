"""The root of all errors: the fields that they share, and the decisions that they carry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class TrifactaError(Exception):
    """Root of all errors of this package.

    The fields that a reader or a callback may need are given as keywords. They survive pickling.

    :param message: the whole text for the reader: what happened, what was and was not changed, what to do next
    :param fields: values for the fields below, such as ``release_id=7``
    """

    code: ClassVar[str] = "trifacta"
    transient: ClassVar[bool] = False  #: The same *read* may succeed in a moment, so the client sends it again.
    #: A later try of the whole task may succeed, so Airflow's ``retries`` apply. Others need a person first.
    retryable: bool = False
    #: True where the request did not leave this host, or not as a whole: the server cannot have acted on it.
    unsent: bool = False
    standing: str = ""  #: How production stands, where a change was begun before the error. It is part of the text.
    deployment_id: int | None = None  #: The deployment that the error is about.
    release_id: int | None = None  #: The release that the error is about.
    live_id: int | None = None  #: The release that is live as far as is known.
    job_group_ids: Sequence[int] = ()  #: The job groups that the error is about, newest first.
    flow_ids: Sequence[int] = ()  #: The flows that the error is about.

    def __init_subclass__(cls, *, code: str, **decisions: bool) -> None:
        cls.code = code
        for name, value in decisions.items():
            setattr(cls, name, value)

    def __init__(self, message: str = "", **fields: Any) -> None:
        super().__init__(message)
        for name, value in fields.items():
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no field {name!r}")
            setattr(self, name, value)

    def __str__(self) -> str:
        return f"{super().__str__()} {self.standing}".rstrip()
