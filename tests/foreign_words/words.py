"""Words that somebody else chose, to steer what reads them."""

from __future__ import annotations

import copy
import html
import io
import json
import zipfile
from urllib.parse import quote

#: The password of the connection, and the value of a run parameter whose name is secret.
PASSWORD = 'canary "pass" <of> ä/connection&1'
PARAMETER = "canary 'of' <b>ä/parameter&2"
#: Credentials that a URL from outside holds. They are nobody's here, so XComs keep them.
OF_URLS = ("canaryOfUrl3", "canaryOfSignature4", "canaryOfToken5")


def forms_of(secret: str) -> list[str]:
    """Return a secret as servers echo it."""
    return [
        secret,
        html.escape(secret),
        html.escape(secret, quote=False),
        html.escape(secret).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
        "".join(f"&#{ord(one)};" for one in secret),
        json.dumps(secret)[1:-1],
        "".join(f"\\u{ord(one):04x}" for one in secret),
        secret.replace("/", "\\/"),
        quote(secret, safe=""),
        quote(secret).lower(),
        html.escape(json.dumps(secret)[1:-1]),
    ]


#: The forms of both, which a reader can turn back.
FORMS = {secret: forms_of(secret) for secret in (PASSWORD, PARAMETER)}

WORDS = [
    *(
        "Orders \ud83d",
        "\udc00",
        "nul\0nul",
        "\x1b[2J\x1b]0;title\x07",
        "\x9b31m",
        "\r\nINFO - lie",
    ),
    *("a\n\n# Approve\n", "\u2028lie", "\u202egnol\u2066", "\u200b", "\ufeff", "\x7f"),
    *("x" * 1_000_000, "é" * 200_000, "\ud83d" * 70_000, " " * 100_000 + "x", "\n" * 100_000),
    *("[Approve](https://evil.example)", "![x](https://evil.example/x.png)", "**Approve**"),
    *("`", "``` \n", "a`[b](https://evil.example)`c", "`` `![x](https://evil.example)", "__bold__"),
    *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<b>Approve</b>", "<!-- x"),
    *("https://evil.example", "www.evil.example", "mail@evil.example", "<https://evil.example>"),
    *("|a|b|", "1. x", "- x", "> x", "    code", "\\`", "[1]: https://evil.example", "&lt;b&gt;"),
    f"s3://KEY:{OF_URLS[0]}/x+y@bucket/key",
    f"https://me:{OF_URLS[0]}@evil.example/?x=1",
    f"https://{OF_URLS[2]}@evil.example/x",
    f"https://b.example/k?X-Amz-Signature={OF_URLS[1]}&X-Amz-Credential={OF_URLS[1]}",
    f"https://b.example/k?sv=1&sig={OF_URLS[1]}%3D&password={OF_URLS[1]}",
    f"s3://KEY:{OF_URLS[0]}{'x' * 500_000}@bucket/key",
    f"{'y' * 190}s3://KEY:{OF_URLS[0]}@bucket/key",
    *(float("inf"), float("-inf"), float("nan"), 1e308, 10**29, -1, 0, True, None),
    *([], {}, [[["\ud83d"]]], {"\ud83d": {"\x1b": "\0"}}, {"message": "\x1b[2J"}),
    *FORMS[PASSWORD],
    *FORMS[PARAMETER],
]


def places(value, path=()):
    """Yield the paths of all values inside a value."""
    yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def with_words(rng, body, count):
    """Return JSON with words in the place of some of its texts, keys and other values."""
    body = copy.deepcopy(body)
    for _ in range(count):
        paths = [path for path in places(body) if path]
        texts = [path for path in paths if isinstance(_at(body, path), (str, type(None)))]
        if not paths:
            return body
        *path, last = rng.choice(texts if texts and rng.random() < 0.8 else paths)
        inside = _at(body, path)
        word = copy.deepcopy(rng.choice(WORDS))
        kind = rng.random()
        if kind < 0.05 and isinstance(inside, dict):
            inside[str(word)[:1000]] = inside.pop(last)
        elif kind < 0.3 and isinstance(inside[last], str) and isinstance(word, str):
            inside[last] += word
        else:
            inside[last] = word
    return body


def _at(value, path):
    for key in path:
        value = value[key]
    return value


def package_with_words(rng, package, count):
    """Return a package whose definition, and the name of whose member, hold words."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as old, zipfile.ZipFile(made, "w") as new:
        for member in old.infolist():
            name, content = member.filename, old.read(member)
            if name.endswith(".json"):
                content = json.dumps(with_words(rng, json.loads(content), count)).encode()
                if rng.random() < 0.3:
                    word = str(rng.choice(WORDS))[:200]
                    name = f"flow {word.replace('/', '')}.json".encode("utf-8", "replace").decode()
            new.writestr(name, content)
    return made.getvalue()
