"""Which package may be imported into which release of the product."""

from __future__ import annotations

import re
from typing import NamedTuple

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:\+(.+))?")


class Version(NamedTuple):
    """
    A product version such as ``6.8.0+186.20191205223719.226ea1c``.

    :param release: major, minor and patch number.
    :param build: what follows the ``+``, or ``""``.
    """

    release: tuple[int, int, int]
    build: str

    def __str__(self) -> str:
        text = ".".join(map(str, self.release))
        return f"{text}+{self.build}" if self.build else text


# From here on flows have the new object definition and the answers a new shape [R: D68 Changes to the APIs].
NEW_FLOW_DEFINITION = (6, 8, 0)


def parse_version(text: str) -> Version:
    """
    Read a version.

    :param text: ``major.minor[.patch][+build]``.
    :raises ValueError: it is something else.
    """
    match = _VERSION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a product version: {text!r}")
    major, minor, patch, build = match.groups()
    return Version((int(major), int(minor), int(patch or 0)), build or "")


def why_not_importable(exporter: Version, edition: str, product: Version, product_edition: str) -> str | None:
    """
    Apply the version rules of the vendor's *Import Flow* page [R: SMC87, SMC97 import-flow; D51 overview].

    :param exporter: version that made the package.
    :param edition: edition that made the package.
    :param product: version of the instance.
    :param product_edition: edition of the instance.
    :return: the reason for refusing the package, or ``None``.
    """
    if exporter.release > product.release:
        return f"the package was exported from release {exporter}, which is later than this one ({product})"
    if product.release >= NEW_FLOW_DEFINITION:
        if exporter.release < NEW_FLOW_DEFINITION:
            return f"packages exported before 6.8 (this one: {exporter}) cannot be imported into {product}"
        return None
    if exporter.release != product.release or edition != product_edition:
        return f"exported from {edition} {exporter}, but this is {product_edition} {product}"
    # Without a build in the options there is nothing to compare: our choice.
    if product.build and exporter.build != product.build:
        return f"exported from build {exporter.build!r}, but this is build {product.build!r}"
    return None
