from __future__ import annotations

import pytest
from trifacta_emulator import EmulatorOptions, PresetConnection, PresetFlow, PresetToken, User
from trifacta_emulator.options import SETTLED_BY, choices


@pytest.mark.parametrize(
    "wrong",
    [
        {"unknown_id_status": 500},
        {"inactive_value": 0},
        {"embed_paging": 1},
        {"instance_type": "test"},
        {"users": ()},
        {"users": (User("a", "b"), User("a", "c"))},
        {"tokens": (PresetToken("t", "nobody@example.com"),)},
        {"connections": (PresetConnection("a", "u"), PresetConnection("b", "u"))},
        {"flows": (PresetFlow("a", owner="nobody@example.com"),)},
        {"flows": (PresetFlow("a", dataset_path="/x.csv", dataset_parameters={"y": "z"}),)},
        {"users": (User("a", "b", ("boss",)),)},
        {"job_run_seconds": float("nan")},
        {"job_start_seconds": float("inf")},
        {"job_run_seconds": -1},
        {"missing_paths": ("",)},
    ],
)
def test_refuses(wrong):
    with pytest.raises(
        ValueError, match=r"must be one of|user|same uuid|a number of at least 0|missing path|once"
    ):
        EmulatorOptions(**wrong)


def test_every_choice_takes_all_its_values():
    for name, values in choices().items():
        for value in values:
            assert getattr(EmulatorOptions(**{name: value}), name) == value


def test_every_option_is_documented():
    assert all(
        f":param {name}:" in EmulatorOptions.__doc__
        for name in EmulatorOptions.__dataclass_fields__
    )


def test_each_choice_names_what_would_settle_it():
    assert SETTLED_BY.keys() == choices().keys()
