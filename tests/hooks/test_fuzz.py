"""Odd connections: nothing but a ConfigurationError leaves the reader, and no secret is in its
text."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace

import pytest

from airflow_provider_trifacta.client.errors import ConfigurationError
from airflow_provider_trifacta.hooks.extras import _READERS
from airflow_provider_trifacta.hooks.trifacta import config_from_connection

pytestmark = pytest.mark.every_airflow

SEED = 12
SECRET = "hushhush"
PEM = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----"
#: What stands around the secret.
ODD = [
    *(
        "",
        " ",
        "\n",
        "\0",
        "\x1b[2J",
        "/",
        "?",
        "#",
        "[",
        "]",
        "@",
        ":",
        "%",
        "%2F",
        "\\",
        "'",
        '"',
        "{",
        "}",
        ",",
    ),
    *(
        "é",
        "日本",
        "\ud83d",
        "\u202e",
        "::1",
        "[::1]",
        "http://",
        "https://",
        "//",
        "proxy:3128",
        "12",
        "***",
    ),
]
PLAIN = [
    None,
    "",
    0,
    -1,
    1.5,
    10**400,
    float("inf"),
    float("nan"),
    True,
    [],
    {},
    [[]],
    [None],
    {"": None},
]
HOSTS = [
    "a.example.com",
    "https://a.example.com:3005/base",
    "http://[::1]",
    "2001:db8::5",
    "a:b",
    "[",
    "a/v4",
    " ",
    "ftp://a",
]
EXTRAS = tuple(_READERS)
SECRET_EXTRAS = ("verify", "cert", "proxies")


def odd(chance: random.Random, secret: str) -> str:
    parts = [chance.choice(ODD) for _ in range(chance.randrange(5))] + [secret]
    chance.shuffle(parts)
    return "".join(parts)


def value(chance: random.Random, secret: str):
    made = odd(chance, secret)
    shapes = [
        made,
        [made],
        [made, made],
        {"https": made},
        {made: made},
        json.dumps([made]),
        made * 500,
    ]
    shapes += [f"http://u:{made}@proxy:3128", "[" * 5_000 + made, "9" * 5_000, chance.choice(PLAIN)]
    return chance.choice([*shapes, PEM] if secret else shapes)


def connection(chance: random.Random) -> SimpleNamespace:
    """Stand for an Airflow connection: Airflow itself refuses some of these texts, by other errors
    in each version."""
    extra = {name: value(chance, SECRET) for name in SECRET_EXTRAS if chance.random() < 0.3}
    extra |= {
        name: value(chance, "")
        for name in EXTRAS
        if name not in SECRET_EXTRAS and chance.random() < 0.15
    }
    text = json.dumps(extra)
    return SimpleNamespace(
        conn_id="c",
        host=chance.choice(
            [*HOSTS, f"https://u:{odd(chance, SECRET)}@a.example.com", odd(chance, "host")]
        ),
        login=chance.choice(["me", None, odd(chance, "me")]),
        password=chance.choice([SECRET, odd(chance, SECRET), None]),
        schema=chance.choice([None, "http", "https", "x"]),
        port=chance.choice([None, 0, 443, -1, 10**6]),
        extra=odd(chance, text) if chance.random() < 0.1 else text,
    )


def test_odd_connections(monkeypatch, rounds, tell):
    count = rounds(3_000)
    chance, taken = random.Random(SEED), 0
    for _ in range(count):
        made = connection(chance)
        if chance.random() < 0.2:
            text = odd(chance, SECRET).replace("\0", "").encode("utf-8", "replace").decode()
            monkeypatch.setenv("HTTPS_PROXY", f"http://u:{text}@proxy:3128")
        else:
            monkeypatch.delenv("HTTPS_PROXY", raising=False)
        config, refused = None, ""
        try:
            config = config_from_connection(made)
        except ConfigurationError as error:
            refused = str(error)
        assert SECRET not in refused + repr(config)
        assert len(refused) < 2_000
        assert refused.isprintable()
        assert config is None or config.password in config.secrets
        taken += config is not None
    assert 0 < taken < count
    tell(f"{count} tried, {taken} of them taken")
