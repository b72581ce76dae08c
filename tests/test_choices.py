"""Each choice of the emulator is run through one whole story, so that the client handles every
choice."""

from __future__ import annotations

import random
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import mkdtemp

import pytest
from trifacta_emulator import (
    Emulator,
    EmulatorOptions,
    PresetConnection,
    PresetFlow,
    PresetToken,
    User,
)
from trifacta_emulator.options import choices

pytest.register_assert_rewrite("story", "story_tasks")
from story import Story  # noqa: E402

START = datetime.now(timezone.utc)
EMAIL, PASSWORD, TOKEN = "admin@example.com", "admin-password", "a-long-access-token"
#: What the story needs of its instance.
NEEDED = {
    "connections": (PresetConnection("Warehouse"), PresetConnection("Production")),
    "flows": (
        PresetFlow("Orders", connections=("Warehouse",), dataset_path="s3://dev/orders.csv"),
        PresetFlow("No output", adhoc_output=False),
    ),
}
#: Values of the options that may have any: the first is the story's default.
ANY = {
    "product_version": ["9.7.0", "6.0.1", "6.8.0", "8.0.0"],
    "edition": ["Enterprise", "Dataprep"],
    "users": [
        (User(EMAIL, PASSWORD, roles),) for roles in (("admin", "deployment"), ("deployment",), ())
    ],
    "tokens": [
        (PresetToken(TOKEN, EMAIL),),
        (),
        (PresetToken(TOKEN, EMAIL, START - timedelta(days=1)),),
    ],
    "max_token_lifetime_days": [-1, 1],
    "missing_paths": [(), ("s3://prod/orders.csv",)],
    "job_start_seconds": [0.5, 0, 20],
    "job_run_seconds": [1.5, 0, 20],
    "list_lag_seconds": [0.0, 3],
}
#: The values of each option but the default.
OTHER = {
    **{
        name: [one for one in values if one != getattr(EmulatorOptions(), name)]
        for name, values in choices().items()
    },
    **{name: values[1:] for name, values in ANY.items()},
}
EACH = [
    pytest.param(name, value, id=f"{name}-{value if name in choices() else number}")
    for name, values in OTHER.items()
    for number, value in enumerate(values)
]
#: Most random stories leave these alone, since nothing can be deployed with some of their values.
STOPS = ("deployment_manager", "edition", "instance_type", "users")


@pytest.fixture
def story(virtual_time, execute, use_connection, store, tmp_path):
    """Return a function that tells the story of an instance with these options."""

    def tell(**options):
        # The server's clock moves by a second for each request, and with the client's sleeps: jobs
        # end without a wait.
        seen = []
        clock = lambda: START + timedelta(seconds=virtual_time.now + len(seen))  # noqa: E731
        options = EmulatorOptions(
            **{**NEEDED, "tokens": ANY["tokens"][0], **options, "clock": clock}
        )
        emulator = Emulator(options)
        emulator.calls = seen
        with emulator:
            use_connection(emulator.url)
            use_connection(emulator.url, "by_token", login="", password=TOKEN)
            use_connection(emulator.url, "refused", password="wrong-password")
            use_connection(emulator.url, "bad_token", login="", password="not-a-token")
            token_works = options.api_tokens_enabled and options.tokens == ANY["tokens"][0]
            Story(
                emulator, execute, type(store), Path(mkdtemp(dir=tmp_path)), token_works=token_works
            ).tell()

    return tell


def test_no_choice_is_forgotten():
    assert {one.name for one in fields(EmulatorOptions)} == {*OTHER, *NEEDED, "clock"}
    assert [name for name, values in OTHER.items() if not values] == []


def test_the_defaults(story):
    story()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "value"), EACH)
def test_each_value_of_a_choice(story, name, value):
    story(**{name: value})


#: What an embed may do, and what the readers of a list must handle at the same time.
EMBEDS = [
    {"embed_paging": False},
    {"releases_order": "oldest"},
    {"embed_paging": False, "releases_order": "oldest", "list_lag_seconds": 3},
    {"unknown_id_status": 403, "deleted_id_status": 404},
    {"unknown_id_status": 400, "unauthorized_body": "text"},
]


@pytest.mark.parametrize("others", EMBEDS, ids=str)
def test_releases_that_are_read_with_their_deployment(story, others):
    story(release_list="embed", **others)


def test_random_choices(story, rounds, tell):
    count = rounds(4)
    for seed in range(count):
        rng = random.Random(seed)
        chosen = {name: rng.choice(values) for name, values in OTHER.items() if rng.random() < 0.3}
        if seed % 8:
            chosen = {name: value for name, value in chosen.items() if name not in STOPS}
        try:
            story(**chosen)
        except (Exception, pytest.fail.Exception) as error:
            raise AssertionError(f"seed {seed}: {chosen}") from error
    tell(f"{count} stories with random choices")
