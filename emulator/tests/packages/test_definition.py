from __future__ import annotations

import pytest
from trifacta_emulator.packages.definition import parse_version, why_not_importable


@pytest.mark.parametrize(
    ("text", "release", "build"),
    [
        ("6.0.1+235.20190426172824.493d6f8", (6, 0, 1), "235.20190426172824.493d6f8"),
        ("9.7.0", (9, 7, 0), ""),
        (" 8.6 ", (8, 6, 0), ""),
    ],
)
def test_parse(text, release, build):
    version = parse_version(text)
    assert (version.release, version.build) == (release, build)


@pytest.mark.parametrize("text", ["", "9", "nine", "9.7.0-rc1", "v9.7"])
def test_parse_refuses(text):
    with pytest.raises(ValueError, match="not a product version"):
        parse_version(text)


@pytest.mark.parametrize(
    ("exporter", "edition", "product", "word"),
    [
        ("9.7.0", "Enterprise", "9.7.0", None),
        ("6.8.0+1.2.3", "Enterprise", "9.7.0", None),
        ("8.0.0", "Dataprep", "9.7.0", None),
        ("9.7.0+9", "Enterprise", "9.7.0+1", None),
        ("9.7.1", "Enterprise", "9.7.0", "later"),
        ("10.4.0", "Enterprise", "9.7.0", "later"),
        ("6.4.2", "Enterprise", "6.8.0", "before 6.8"),
        ("6.0.1", "Enterprise", "9.7.0", "before 6.8"),
        ("6.0.1+1", "Enterprise", "6.0.1+1", None),
        ("6.0.1+1", "Enterprise", "6.0.1", None),
        ("6.0.1+1", "Enterprise", "6.0.1+2", "build"),
        ("6.0.1+1", "AWS", "6.0.1+1", "exported from AWS"),
        ("6.0.1", "Enterprise", "6.4.2", "exported from Enterprise 6.0.1"),
        ("6.8.0", "Enterprise", "6.4.2", "later"),
    ],
)
def test_rules(exporter, edition, product, word):
    reason = why_not_importable(
        parse_version(exporter), edition, parse_version(product), "Enterprise"
    )
    assert (reason is None) if word is None else (word in reason)
