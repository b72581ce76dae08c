"""What of an instance's own words may leave it: the structure of its description, and associations.

A description is the vendor's, but an administrator may have added to it: a host, a contact, a
title, an example. So nothing is copied that is not named in this module, and no text at all. What
is copied are paths, names of parameters and fields, types, and words of enums. Each is a word of a
safe form, or it becomes ``other``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

#: Stands for a word that may not leave.
OTHER = "other"
#: What stands before the names in the refusal of an unknown association [P: AAC25].
ASSOCIATIONS = "Valid associations are "

#: One word: letters, and at most two digits together, so that no id and no secret is one.
_WORD = re.compile(r"[A-Za-z_]{1,40}(?:[0-9]{1,2}[A-Za-z_]{0,20})?")
_MOST_PARTS = 6
#: The end of a sentence.
_STOP = re.compile(r"[.!?;](?:\s|$)")
_MOST_ASSOCIATIONS = 100

#: First parts of the paths that are copied, in the order in which they are.
_AREAS = (
    "deployments",
    "releases",
    "objectimportrules",
    "valueimportrules",
    "importrules",
    "flows",
    "flowruns",
    "packages",
    "jobgroups",
    "jobs",
    "joblibrary",
    "people",
)
_METHODS = ("get", "post", "put", "patch", "delete")
_PLACES = frozenset(("path", "query", "header", "cookie", "body", "formData"))
_TYPES = frozenset(("array", "boolean", "file", "integer", "null", "number", "object", "string"))
_FORMATS = frozenset(
    ("binary", "byte", "date", "date-time", "double", "float", "int32", "int64", "uri", "uuid")
)
_MEDIA_TYPES = frozenset(
    (
        "*/*",
        "application/json",
        "application/octet-stream",
        "application/pdf",
        "application/x-www-form-urlencoded",
        "application/zip",
        "multipart/form-data",
        "text/plain",
    )
)
_STATUS = re.compile(r"[1-5](?:[0-9]{2}|XX)|default")
_SWITCHES = ("nullable", "deprecated", "readOnly", "writeOnly")
_COMBINATIONS = ("allOf", "oneOf", "anyOf")
#: Where a description of either generation (OpenAPI 3, Swagger 2) keeps its schemas.
_SCHEMA = re.compile(r"#/(?:components/schemas|definitions)/([^/]{1,100})")
#: Bounds of a copy: words that it holds, schemas within each other, references in a row.
_MOST_WORDS = 20_000
_DEEPEST = 12
_MOST_REFERENCES = 10


class SafeWords:
    """Lets words of a safe form pass.

    :param private: words that name something of the instance, in any case of letters
    :param known: words that pass even then, because they are the vendor's too
    """

    def __init__(self, private: Collection[str], known: Collection[str] = ()) -> None:
        vendors = {word.lower() for word in (*known, *_AREAS)}
        self._private = {word.lower() for word in private} - vendors

    def word(self, text: object, separators: str = "") -> str:
        """Return a word, or ``other``.

        :param text: the word
        :param separators: characters that may stand between its parts
        """
        if not isinstance(text, str) or text.lower() in self._private:
            return OTHER
        parts = re.split(f"[{re.escape(separators)}]", text) if separators else [text]
        safe = len(parts) <= _MOST_PARTS and all(map(self._is_safe, parts))
        return text if safe else OTHER

    def _is_safe(self, part: str) -> bool:
        return bool(_WORD.fullmatch(part)) and part.lower() not in self._private

    def words(self, texts: object, separators: str = "") -> list[str]:
        """Return the words of a list, each once."""
        entries = texts if isinstance(texts, list) else []
        return list(dict.fromkeys(self.word(text, separators) for text in entries))


def associations(body: object, words: SafeWords) -> list[str] | None:
    """Return what can be embedded, as the refusal of an unknown association lists it.

    :param body: the answer
    :param words: lets safe words pass
    :returns: the names; None if the answer does not list them
    """
    exception = body.get("exception") if isinstance(body, Mapping) else None
    texts = exception.values() if isinstance(exception, Mapping) else [exception]
    for text in texts:
        if isinstance(text, str) and ASSOCIATIONS in text:
            sentence = _STOP.split(text.partition(ASSOCIATIONS)[2])[0]
            names = [name.strip().rstrip(".") for name in sentence.split(",", _MOST_ASSOCIATIONS)]
            return words.words(names[:_MOST_ASSOCIATIONS], ".")
    return None


def structure(description: object, words: SafeWords) -> dict[str, Any]:
    """Copy the structure of a description, as far as it is about promotions, flows, jobs and
    people.

    :param description: the answer to ``GET /v4/open-api-spec``
    :param words: lets safe words pass
    :returns: the copy, in the form of OpenAPI 3. ``cut`` says whether something did not fit
    """
    return _Copy(description, words).whole()


def followed(value: Any, description: Any) -> Any:
    """Follow a reference to another place of the description.

    :param value: the reference as ``{"$ref": "#/a/b"}``, or anything else
    :param description: the description
    :returns: what stands there, or the value itself
    :raises LookupError: there is no such place
    :raises TypeError: there is no such place
    """
    for _ in range(_MOST_REFERENCES):
        reference = value.get("$ref") if isinstance(value, Mapping) else None
        if not isinstance(reference, str):
            break
        value = description
        for part in reference.removeprefix("#/").split("/"):
            value = value[part.replace("~1", "/").replace("~0", "~")]
    return value


class _Copy:
    """A copy in the making."""

    def __init__(self, description: object, words: SafeWords) -> None:
        self._description = description
        self._safe = words
        self._left = _MOST_WORDS
        self._cut = False
        #: Names of schemas that the copy refers to, in the order of their use, and where each
        #: stands.
        self._schemas: dict[str, Mapping[str, str]] = {}

    def whole(self) -> dict[str, Any]:
        paths = {path: self._operations(item) for path, item in self._entries(self._paths())}
        schemas: dict[str, Any] = {}
        # A schema may refer to others, so the list grows while it is read.
        while len(schemas) < len(self._schemas) and self._spend():
            name = next(islice(self._schemas, len(schemas), None))
            schemas[name] = self._schema(self._followed(self._schemas[name]), 0)
        return {"paths": paths, "components": {"schemas": schemas}, "cut": self._cut}

    def _paths(self) -> dict[str, Any]:
        """Return the paths of the areas, those of deployments first."""
        chosen: list[tuple[int, str, Any]] = []
        for path, item in _of(self._description, "paths").items():
            parts = [part for part in str(path).split("/") if part]
            area = [part for part in parts if part.lower() != "v4"][:1]
            if area and area[0].lower() in _AREAS:
                number = _AREAS.index(area[0].lower())
                path = "".join(f"/{self._path_part(part)}" for part in parts)
                chosen.append((number, path, item))
        return {path: item for _, path, item in sorted(chosen, key=_area_number)}

    def _path_part(self, part: str) -> str:
        if part.startswith("{") and part.endswith("}"):
            return f"{{{self._safe.word(part[1:-1])}}}"
        return f":{self._safe.word(part[1:])}" if part.startswith(":") else self._safe.word(part)

    def _operations(self, item: Any) -> dict[str, Any]:
        shared = _of(item).get("parameters")
        operations = {name: _of(item, name) for name in _METHODS if name in _of(item)}
        return {
            name: self._operation(operation, shared)
            for name, operation in self._entries(operations)
        }

    def _operation(self, operation: Mapping[str, Any], shared: object) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        parameters = [*_list(shared), *_list(operation.get("parameters"))]
        if parameters:
            copy["parameters"] = [self._parameter(row) for row in self._rows(parameters)]
        body = self._followed(operation.get("requestBody"))
        if body:
            copy["requestBody"] = self._content(body)
        responses = _of(operation, "responses")
        copy["responses"] = {
            status: self._content(self._followed(response))
            for status, response in self._entries(responses)
            if _STATUS.fullmatch(str(status))
        }
        return copy

    def _parameter(self, parameter: object) -> dict[str, Any]:
        described = self._followed(parameter)
        place = described.get("in")
        return {
            "name": self._safe.word(described.get("name"), "-."),
            "in": place if isinstance(place, str) and place in _PLACES else OTHER,
            **({"required": True} if described.get("required") is True else {}),
            # Swagger 2 has the type beside the name.
            "schema": self._schema(described.get("schema", described), 0),
        }

    def _content(self, described: Mapping[str, Any]) -> dict[str, Any]:
        """Copy the schemas of a body, by their media types."""
        content = dict(_of(described, "content"))
        if "schema" in described:  # Swagger 2
            content["application/json"] = described
        if not content:
            return {}
        copy: dict[str, Any] = {}
        for name, media in self._entries(content):
            media_type = str(name).partition(";")[0].strip().lower()
            schema = self._schema(_of(media).get("schema"), 0)
            copy[media_type if media_type in _MEDIA_TYPES else OTHER] = {"schema": schema}
        return {"content": copy}

    def _schema(self, schema: object, depth: int) -> dict[str, Any]:
        described = _of(schema)
        if depth > _DEEPEST:
            self._cut = True
            return {}
        if isinstance(described.get("$ref"), str):
            return self._reference(described["$ref"])
        copy: dict[str, Any] = {}
        kinds = described.get("type")
        if isinstance(kinds, list):
            copy["type"] = [kind for kind in kinds[: len(_TYPES)] if _is_in(kind, _TYPES)]
        elif _is_in(kinds, _TYPES):
            copy["type"] = kinds
        if _is_in(described.get("format"), _FORMATS):
            copy["format"] = described["format"]
        copy |= {name: True for name in _SWITCHES if described.get(name) is True}
        if isinstance(described.get("required"), list):
            copy["required"] = self._safe.words(list(self._rows(described["required"])))
        if isinstance(described.get("enum"), list):
            copy["enum"] = self._enum(described["enum"])
        if isinstance(described.get("properties"), Mapping):
            copy["properties"] = {
                self._safe.word(name): self._schema(field, depth + 1)
                for name, field in self._entries(described["properties"])
            }
        for name in ("items", "additionalProperties"):
            if isinstance(described.get(name), Mapping):
                copy[name] = self._schema(described[name], depth + 1)
        for name in _COMBINATIONS:
            if isinstance(described.get(name), list):
                copy[name] = [self._schema(part, depth + 1) for part in self._rows(described[name])]
        return copy

    def _enum(self, values: list[Any]) -> list[Any]:
        """Copy words, yes and no. A number may be an id."""
        kept = []
        for value in self._rows(values):
            plain = value is None or isinstance(value, bool)
            kept.append(value if plain else self._safe.word(value))
        return list(dict.fromkeys(kept))

    def _reference(self, reference: str) -> dict[str, str]:
        place = _SCHEMA.fullmatch(reference)
        name = self._safe.word(place[1], "-.") if place else OTHER
        if name == OTHER:
            return {}
        self._schemas.setdefault(name, {"$ref": reference})
        return {"$ref": f"#/components/schemas/{name}"}

    def _followed(self, value: object) -> Mapping[str, Any]:
        with suppress(LookupError, TypeError):
            return _of(followed(value, self._description))
        return {}

    def _spend(self) -> bool:
        """Count a word; return whether it still fits."""
        if not self._left:
            self._cut = True
            return False
        self._left -= 1
        return True

    def _entries(self, value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for entry in value.items():
            if not self._spend():
                break
            yield entry

    def _rows(self, value: Sequence[Any]) -> Iterator[Any]:
        for row in value:
            if not self._spend():
                break
            yield row


def _of(value: object, *way: str) -> Mapping[str, Any]:
    """Return the object at the end of a way, or an empty one."""
    for name in way:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_in(value: object, known: Collection[str]) -> bool:
    return isinstance(value, str) and value in known


def _area_number(path: tuple[int, str, Any]) -> int:
    return path[0]
