from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from airflow_provider_trifacta.client import errors
from airflow_provider_trifacta.client.errors import APIError, TrifactaError
from airflow_provider_trifacta.client.failures import api_error_class

CLASSES = [
    member
    for _, member in inspect.getmembers(errors, inspect.isclass)
    if issubclass(member, TrifactaError)
]


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("clone", [lambda error: pickle.loads(pickle.dumps(error)), copy.deepcopy])
def test_every_error_survives_pickle_and_copy(cls, clone):
    keywords = {}
    if issubclass(cls, APIError):
        keywords = {
            "method": "POST",
            "path": "/v4/x",
            "status": 503,
            "name": "N",
            "request_id": "r",
            "retry_after": 2.0,
            "from_api": True,
        }
    error = cls("what happened", **keywords)
    error.unsent, error.standing = True, "Release 12 is live."
    twin = clone(error)
    assert type(twin) is cls
    assert str(twin) == "what happened Release 12 is live."
    assert twin.__dict__ == error.__dict__
    assert all(getattr(twin, key) == value for key, value in keywords.items())


@pytest.mark.parametrize("cls", CLASSES)
def test_errors_have_one_root_and_a_passing_failure_is_always_retryable(cls):
    assert issubclass(cls, TrifactaError)
    assert not cls.transient or cls.retryable


@pytest.mark.parametrize(
    ("status", "name", "retryable"),
    [
        (400, "BadRequestError", False),
        (401, "AuthenticationError", False),
        (403, "PermissionDeniedError", False),
        (404, "NotFoundError", False),
        (405, "BadRequestError", False),
        (408, "ServerError", True),
        (409, "BadRequestError", False),
        (410, "GoneError", False),
        (413, "PayloadTooLargeError", False),
        (415, "BadRequestError", False),
        (425, "ServerError", True),
        (429, "RateLimitError", True),
        (500, "ServerError", True),
        (502, "ServerError", True),
        (503, "ServerError", True),
        (599, "ServerError", True),
    ],
)
def test_each_status_has_its_class(status, name, retryable):
    cls = api_error_class(status)
    assert cls.__name__ == name
    assert cls.retryable is retryable


def test_the_tree_at_the_beginning_is_the_hierarchy():
    bases, path = {}, []
    for line in errors.__doc__.splitlines():
        branch = re.fullmatch(r"    ((?:│   |    )*(?:[├└]── )?)([A-Z]\w+Error)( .*)?", line)
        if branch:
            path[len(branch[1]) // 4 :] = [branch[2]]
            bases[branch[2]] = path[-2] if len(path) > 1 else "Exception"
    assert bases == {cls.__name__: cls.__base__.__name__ for cls in CLASSES}


def test_each_class_has_a_code_of_its_own():
    codes = [vars(cls)["code"] for cls in CLASSES]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


def test_a_class_without_a_code_cannot_be_made():
    with pytest.raises(TypeError, match="code"):
        type("NamelessError", (TrifactaError,), {})


def test_codes_are_stable():
    """Programs compare them: change one only with a note in the changelog."""
    names = {cls.__name__.removesuffix("Error"): cls.code for cls in CLASSES}
    assert names == {name: re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in names}


def test_an_unknown_field_is_refused():
    with pytest.raises(TypeError, match="release"):
        TrifactaError("what happened", release=7)
