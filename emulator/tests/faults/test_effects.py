from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import trifacta_emulator as emulator
from trifacta_emulator import (
    Answer,
    Delay,
    Fault,
    Hold,
    LateActivation,
    LateCommit,
    PackageUuid,
    Reset,
    Truncate,
)
from trifacta_emulator.faults.effects import EFFECTS, effect_from_json, effect_to_json

EXAMPLES = [
    Answer(503, headers={"Retry-After": "7"}, body={"x": [1]}, when="after_body"),
    Answer(200, html="<p>é</p>"),
    Answer.too_many_requests(3),
    Delay(1.5, when="after_commit"),
    Hold("after_body"),
    Reset("in_body", after_bytes=10),
    Reset(),
    Truncate(3),
    PackageUuid("x", answers=("read",)),
    PackageUuid(absent=True),
    LateActivation(2),
    LateCommit(None, reads=0),
]


@pytest.mark.parametrize("effect", EXAMPLES, ids=lambda effect: type(effect).__name__)
def test_json_form_is_the_python_form(effect):
    fault = Fault(effect, method="POST", path="/v4/*", skip=1, times=None)
    again = Fault.from_json(json.loads(json.dumps(fault.to_json())))
    assert again == fault
    assert effect_from_json(effect_to_json(effect)) == effect


def test_every_effect_has_a_type_and_documented_fields():
    assert set(EFFECTS.values()) == {type(effect) for effect in EXAMPLES}
    for kind in (*EFFECTS.values(), Fault):
        assert all(
            f":param {name}:" in kind.__doc__ for name in kind.__dataclass_fields__ if name != "_"
        )


@pytest.mark.parametrize(
    ("effect", "message"),
    [
        (None, "effect must be an object, not None"),
        ({}, "effect.type must be one of answer, delay"),
        ({"type": "explode"}, "late_commit, not 'explode'"),
        ({"type": ["answer"]}, "effect.type must be one of"),
        ({"type": "answer"}, "effect answer: status is required"),
        (
            {"type": "answer", "state": 5},
            "effect answer: there is no 'state'; there are: status, headers",
        ),
        (
            {"type": "answer", "status": 600},
            "status must be a whole number from 200 to 599, not 600",
        ),
        ({"type": "answer", "status": "503"}, "not '503'"),
        ({"type": "answer", "status": True}, "not True"),
        (
            {"type": "answer", "status": 503, "when": "later"},
            "when must be one of before_body, after_body",
        ),
        ({"type": "answer", "status": 503, "headers": ["x"]}, "headers must be an object"),
        ({"type": "answer", "status": 503, "headers": {"a b": "x"}}, "not a header name"),
        ({"type": "answer", "status": 503, "headers": {"a": 5}}, "a must be one line of text"),
        (
            {"type": "answer", "status": 503, "headers": {"a": "x\r\ny: z"}},
            "a must be one line of text",
        ),
        ({"type": "answer", "status": 503, "headers": {"a": "€"}}, "a must be one line of text"),
        (
            {"type": "answer", "status": 503, "headers": {"Content-Length": "9"}},
            "the effect truncate",
        ),
        ({"type": "answer", "status": 503, "body": 1, "html": "x"}, "give body or html, not both"),
        ({"type": "answer", "status": 503, "html": 5}, "html must be a string"),
        ({"type": "answer", "status": 204, "body": {}}, "status 204 has no body"),
        ({"type": "delay"}, "seconds is required"),
        ({"type": "delay", "seconds": -1}, "seconds must be a number of at least 0"),
        ({"type": "delay", "seconds": float("nan")}, "seconds must be"),
        ({"type": "delay", "seconds": float("inf")}, "seconds must be"),
        ({"type": "delay", "seconds": "5"}, "seconds must be"),
        ({"type": "delay", "seconds": 1, "when": "in_body"}, "when must be"),
        ({"type": "hold", "when": None}, "when must be"),
        (
            {"type": "reset", "when": "in_body"},
            "after_bytes must be a whole number of at least 1, not None",
        ),
        ({"type": "reset", "when": "in_body", "after_bytes": 0}, "after_bytes must be"),
        ({"type": "reset", "after_bytes": 5}, "after_bytes needs"),
        ({"type": "reset", "when": "never"}, "when must be"),
        ({"type": "truncate", "send_bytes": -1}, "send_bytes must be"),
        ({"type": "package_uuid", "value": 5}, "value must be a string"),
        ({"type": "package_uuid", "value": "x", "absent": True}, "give value or absent, not both"),
        ({"type": "package_uuid", "absent": 1}, "absent must be"),
        ({"type": "package_uuid", "answers": []}, "answers must be a list"),
        ({"type": "package_uuid", "answers": "list"}, "answers must be a list"),
        (
            {"type": "package_uuid", "answers": ["delete"]},
            "answers must be one of list, read, create",
        ),
        ({"type": "late_activation", "reads": -1}, "reads must be"),
        ({"type": "late_commit", "reads": 1.5}, "reads must be"),
        ({"type": "late_commit", "status": 201}, "status must be a whole number from 400 to 599"),
    ],
)
def test_wrong_effects(effect, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Fault.from_json({"effect": effect})


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({}, "effect is required"),
        ({"effects": []}, "there is no 'effects'; there are: effect, method, path, skip, times"),
        ({"method": 5}, "method must be"),
        ({"method": "*"}, "method must be"),
        ({"path": "v4"}, "path must be"),
        ({"path": "/v4?x=1"}, "path must be"),
        ({"skip": -1}, "skip must be"),
        ({"times": 0}, "times must be a whole number of at least 1"),
        ({"times": "all"}, "times must be"),
    ],
)
def test_wrong_faults(fault, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Fault.from_json(
            {"effect": {"type": "hold"}, **fault} if fault and "effects" not in fault else fault
        )


def test_fault_of_nothing():
    with pytest.raises(ValueError, match="effect must be an effect, not 503"):
        Fault(503)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (120, "120"),
        ("soon", "soon"),
        (-1, "-1"),
        (
            datetime(2024, 2, 29, 14, 0, 1, tzinfo=timezone(timedelta(hours=2))),
            "Thu, 29 Feb 2024 12:00:01 GMT",
        ),
    ],
)
def test_retry_after(value, written):
    assert Answer.unavailable(value).headers == {"Retry-After": written}
    assert Answer.too_many_requests(value).headers == {"Retry-After": written}
    assert Answer.too_many_requests(x_retry_after=57).headers == {"x-retry-after": "57"}


def test_documented_examples():
    page = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r'^\| `(\w.*?)` \| `(\{"type".*?\})` \|', page, re.MULTILINE)
    names = {name: getattr(emulator, name) for name in emulator.__all__}
    seen = set()
    for python, written in rows:
        # The pages of the constructors are longer than those in the table.
        effect, expected = effect_from_json(json.loads(written)), eval(python, names)
        if getattr(effect, "html", None):
            effect, expected = (replace(one, html="") for one in (effect, expected))
        assert effect == expected
        seen.add(type(effect))
    assert seen == set(EFFECTS.values())
    assert len(rows) == page.count('{"type": ') - sum(
        map(page.count, ('{"effect": {"type": ', '{"rule": {"type": '))
    )
