"""The root of all errors: the fields that they share, and the decisions that they carry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class TrifactaError(Exception):
    """Root of all errors of this package.

    The fields that a reader or a callback may need are given as keywords. They survive pickling.

    The text of an error is its message, then ``standing``, then ``advice``.

    :param message: what happened, and what was and was not changed
    :param fields: values for the fields below, such as ``release_id=7``
    """

    code: ClassVar[str] = "trifacta"
    transient: ClassVar[bool] = (
        False  #: The same *read* may succeed in a moment, so the client sends it again.
    )
    #: A later try of the whole task may succeed, so Airflow's ``retries`` apply. Others need a
    #: person first.
    retryable: bool = False
    #: True where the request did not leave this host, or not as a whole: the server cannot have
    #: acted on it.
    unsent: bool = False
    #: How production stands, where a change was begun before the error. It is part of the text.
    standing: str = ""
    #: What to do next. A task group replaces it where clearing the failed task alone would not
    #: help.
    advice: str = ""
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

    @property
    def told(self) -> str:
        """What happened, and how production stands: the text without the advice."""
        return " ".join(filter(None, (super().__str__(), self.standing)))

    def __str__(self) -> str:
        return " ".join(filter(None, (self.told, self.advice)))
