"""Query parameters of lists: paging, sorting, filtering, fields and embedding."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sized
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from starlette.responses import JSONResponse, Response

from trifacta_emulator.errors import EmbedError, ValidationError
from trifacta_emulator.packages.definition import Row

DEFAULT_LIMIT = 25  # [R: D64, VS-143186630]
_EMBED = re.compile(r"([^(),]+)(?:\(([^()]*)\))?(?:,|$)")
_FILTER_TYPES = ("fuzzy", "contains", "exact", "exactIgnoreCase")


@dataclass(frozen=True)
class Paging:
    """The page of a list.

    :param limit: greatest number of rows; ``None`` = all
    :param offset: number of rows to skip first
    """

    limit: int | None
    offset: int

    def cut(self, rows: list[Row]) -> list[Row]:
        """Return the rows of the page.

        :param rows: all rows, in order
        """
        if self.limit is None:
            return rows[self.offset :]
        return rows[self.offset : self.offset + self.limit]


def flag(params: Mapping[str, str], name: str) -> bool:
    """Read a yes/no parameter: only ``true`` is yes.

    :param params: query parameters
    :param name: name of the parameter
    """
    return params.get(name, "").lower() == "true"


def paging(params: Mapping[str, str]) -> Paging:
    """Read ``limit`` (default 25), ``offset`` and ``noLimit`` [R: D64, VS-143186630].

    :param params: query parameters
    :raises ValidationError: one is not a number, or out of range
    """
    limit: int | None = _number(params, "limit", DEFAULT_LIMIT, least=1)
    if flag(params, "noLimit"):
        limit = None
    offset = _number(params, "offset", 0, least=0)
    return Paging(limit, offset)


def number_or_none(params: Mapping[str, str], name: str) -> int | None:
    """Read a parameter that is an id.

    :param params: query parameters
    :param name: name of the parameter
    :returns: the id, or ``None`` if the parameter is missing
    :raises ValidationError: it is not a number
    """
    text = params.get(name)
    if text is None:
        return None
    # isdecimal alone would accept digits of every script, and int() limits the length.
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ValidationError(f"{name} must be a number, not {text!r}")
    return int(text)


def list_answer(
    rows: list[Row],
    params: Mapping[str, str],
    filter_field: str = "name",
) -> dict[str, Any]:
    """Answer a list request: filter, sort, count and page the rows [R: D64] [P: AAC25].

    :param rows: all rows, in the default order
    :param params: query parameters
    :param filter_field: field for ``filter`` without ``filterFields``
    :raises ValidationError: a parameter has a wrong value
    """
    rows = _filtered(rows, params, filter_field)
    if "sort" in params:
        rows = _sorted(rows, params["sort"])
    page = paging(params).cut(rows)
    answer: dict[str, Any] = {"data": select_fields(page, params)}
    if flag(params, "includeCount"):
        answer["count"] = len(rows)
    return answer


def count_answer(rows: Sized) -> Response:
    """Answer a request for the number of rows of a list. That the path exists is [P: AYX]; the body
    is [M].

    :param rows: all rows
    """
    return JSONResponse({"count": len(rows)})


def embedded_list(
    rows: list[Row],
    options: Mapping[str, str],
    filter_field: str = "name",
) -> dict[str, Any]:
    """Write a list within another object: all rows, unless its own options have a limit.

    :param rows: all rows, in the default order
    :param options: options of the embed, see :func:`embeds`
    :param filter_field: see :func:`list_answer`
    """
    if "limit" not in options:
        options = {**options, "noLimit": "true"}
    return list_answer(rows, options, filter_field)


def select_fields(rows: list[Row], params: Mapping[str, str]) -> list[Row]:
    """Keep only the fields of ``fields=id;name`` and of ``embed``. The id stays ("may return more"
    [P: AAC25]).

    :param rows: the rows
    :param params: query parameters. Unknown names are ignored; without ``fields`` all stay
    """
    fields = params.get("fields")
    if not fields:
        return rows
    names = {"id", "tokenId"}
    for field in fields.split(";"):
        names.add(field.strip())
    embedded = _embedded_names(params.get("embed", ""))
    return [_only(row, names, embedded) for row in rows]


def _embedded_names(embed: str) -> set[str]:
    """Return the fields that ``embed`` names, in lower case: ``flow`` for ``flow.recipe``."""
    names = set()
    for match in _EMBED.finditer(embed):
        association = match[1].strip()
        names.add(association.partition(".")[0].lower())
    return names


def _only(row: Row, names: set[str], embedded: set[str]) -> Row:
    fields: Row = {}
    for name, content in row.items():
        if name in names or name.lower() in embedded:
            fields[name] = content
    return fields


def embeds(
    params: Mapping[str, str],
    resource: str,
    valid: tuple[str, ...],
) -> dict[str, dict[str, str]]:
    """Read ``embed=releases(limit=1,fields=id,sort=-id)`` [P: AAC25].

    Names may be written in any case of letters: clients send ``flownodes`` and read ``flowNodes``
    [P: CMP, VDC].

    :param params: query parameters
    :param resource: plural name of the resource, for the error
    :param valid: the allowed associations
    :returns: the options of each association, by its name as it is allowed
    :raises EmbedError: another association is requested; the error lists the allowed ones
    """
    text = params.get("embed", "")
    spelled = {name.lower(): name for name in valid}
    wanted: dict[str, dict[str, str]] = {}
    position = 0
    while position < len(text):
        match = _EMBED.match(text, position)
        if match is None:
            raise EmbedError(f"embed: cannot be read: {text!r}")
        position = match.end()
        name = match[1].strip()
        if name.lower() not in spelled:
            # The vendor's own wording [P: AAC25].
            raise EmbedError(
                f"No association {name} in {resource}! Valid associations are {', '.join(valid)}"
            )
        wanted[spelled[name.lower()]] = _embed_options(match[2] or "")
    return wanted


def _embed_options(text: str) -> dict[str, str]:
    """Read ``limit=1,fields=id``."""
    options = {}
    for pair in text.split(","):
        if pair:
            name, _, content = pair.partition("=")
            options[name.strip()] = content.strip()
    return options


def _number(
    params: Mapping[str, str],
    name: str,
    default: int,
    least: int,
) -> int:
    text = params.get(name)
    if text is None:
        return default
    # isdecimal would accept digits of every script, and int() limits the length.
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
        raise ValidationError(f"{name} must be a number of at least {least}, not {text!r}")
    return int(text)


def _sorted(rows: list[Row], sort: str) -> list[Row]:
    # "-id" is descending [P: AAC25]. Missing values come last: our choice [?].
    if not rows:
        return rows
    field = sort.removeprefix("-")
    for row in rows:
        content = row.get(field)
        if content is not None and not isinstance(content, (int, str)):
            raise ValidationError(f"sort: cannot sort by {field!r}")
    if field not in rows[0]:
        raise ValidationError(f"sort: there is no field {field!r}")
    present = [row for row in rows if row[field] is not None]
    missing = [row for row in rows if row[field] is None]
    present.sort(key=itemgetter(field), reverse=sort.startswith("-"))
    return present + missing


def _filtered(
    rows: list[Row],
    params: Mapping[str, str],
    default_field: str,
) -> list[Row]:
    text = params.get("filter")
    if not text:
        return rows
    kind = params.get("filterType", "fuzzy")
    if kind not in _FILTER_TYPES:
        raise ValidationError(f"filterType must be one of {', '.join(_FILTER_TYPES)}, not {kind!r}")
    fields = []
    for name in params.get("filterFields", default_field).split(","):
        fields.append(name.strip())
    if rows:
        unknown = [repr(name) for name in fields if name not in rows[0]]
        if unknown:
            raise ValidationError(f"filterFields: there is no field {', '.join(unknown)}")
    return [row for row in rows if _has_match(row, fields, text, kind)]


def _has_match(
    row: Row,
    fields: list[str],
    text: str,
    kind: str,
) -> bool:
    for name in fields:
        content = row[name]
        # null never matches.
        if content is not None and _matches(str(content), text, kind):
            return True
    return False


def _matches(
    content: str,
    text: str,
    kind: str,
) -> bool:
    # The types are documented by name only [R: D64]. Fuzzy as the default is [I].
    if kind == "exact":
        return content == text
    content = content.lower()
    text = text.lower()
    if kind == "exactIgnoreCase":
        return content == text
    if kind == "contains":
        return text in content
    # Fuzzy: the letters of the text, in this order, with others between them.
    rest = iter(content)
    return all(letter in rest for letter in text)
