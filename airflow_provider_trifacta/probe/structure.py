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
_NESTED = ("items", "additionalProperties")
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
        parts = [text]
        if separators:
            parts = re.split(f"[{re.escape(separators)}]", text)
        if len(parts) > _MOST_PARTS:
            return OTHER
        return text if all(map(self._is_safe, parts)) else OTHER

    def _is_safe(self, part: str) -> bool:
        if part.lower() in self._private:
            return False
        return _WORD.fullmatch(part) is not None

    def words(self, texts: object, separators: str = "") -> list[str]:
        """Return the words of a list, each once."""
        words = [self.word(text, separators) for text in _list(texts)]
        return _each_once(words)


def associations(body: object, words: SafeWords) -> list[str] | None:
    """Return what can be embedded, as the refusal of an unknown association lists it.

    :param body: the answer
    :param words: lets safe words pass
    :returns: the names; None if the answer does not list them
    """
    if not isinstance(body, Mapping):
        return None
    exception = body.get("exception")
    texts = exception.values() if isinstance(exception, Mapping) else [exception]
    for text in texts:
        if isinstance(text, str) and ASSOCIATIONS in text:
            return words.words(_names_after_associations(text), ".")
    return None


def _names_after_associations(text: str) -> list[str]:
    """Return the names of the list in a refusal, which ends with the sentence."""
    _, _, rest = text.partition(ASSOCIATIONS)
    sentence = _STOP.split(rest)[0]
    names = sentence.split(",", _MOST_ASSOCIATIONS)[:_MOST_ASSOCIATIONS]
    return [name.strip().rstrip(".") for name in names]


def structure(description: object, words: SafeWords) -> dict[str, Any]:
    """Copy the structure of a description, as far as it is about promotions, flows, jobs and
    people.

    :param description: the answer to ``GET /v4/open-api-spec``
    :param words: lets safe words pass
    :returns: the copy, in the form of OpenAPI 3. ``cut`` says whether something did not fit
    """
    return _Copy(description, words).whole()


def followed(part: Any, description: Any) -> Any:
    """Follow a reference to another place of the description.

    :param part: the reference as ``{"$ref": "#/a/b"}``, or anything else
    :param description: the description
    :returns: what stands there, or the part itself
    :raises LookupError: there is no such place
    :raises TypeError: there is no such place
    """
    for _ in range(_MOST_REFERENCES):
        reference = part.get("$ref") if isinstance(part, Mapping) else None
        if not isinstance(reference, str):
            break
        part = description
        for name in reference.removeprefix("#/").split("/"):
            part = part[name.replace("~1", "/").replace("~0", "~")]
    return part


class _Copy:
    """A copy in the making."""

    def __init__(self, description: object, words: SafeWords) -> None:
        self._description = description
        self._safe = words
        #: Words that still fit.
        self._left = _MOST_WORDS
        self._cut = False
        #: Names of schemas that the copy refers to, in the order of their use, and where each
        #: stands.
        self._schemas: dict[str, Mapping[str, str]] = {}

    def whole(self) -> dict[str, Any]:
        paths: dict[str, Any] = {}
        for path, item in self._entries(self._paths()):
            paths[path] = self._operations(item)
        schemas: dict[str, Any] = {}
        # A schema may refer to others, so the list grows while it is read.
        while len(schemas) < len(self._schemas) and self._spend():
            name = list(self._schemas)[len(schemas)]
            schema = self._followed(self._schemas[name])
            schemas[name] = self._schema(schema, 0)
        return {"paths": paths, "components": {"schemas": schemas}, "cut": self._cut}

    def _paths(self) -> dict[str, Any]:
        """Return the paths of the areas, those of deployments first."""
        by_area: dict[str, dict[str, Any]] = {area: {} for area in _AREAS}
        for path, item in _of(self._description, "paths").items():
            parts = [part for part in str(path).split("/") if part]
            area = _area_of(parts)
            if area in by_area:
                safe_path = "".join(f"/{self._path_part(part)}" for part in parts)
                by_area[area][safe_path] = item
        paths: dict[str, Any] = {}
        for paths_of_area in by_area.values():
            paths |= paths_of_area
        return paths

    def _path_part(self, part: str) -> str:
        if part.startswith("{") and part.endswith("}"):
            return f"{{{self._safe.word(part[1:-1])}}}"
        if part.startswith(":"):
            return f":{self._safe.word(part[1:])}"
        return self._safe.word(part)

    def _operations(self, item: Any) -> dict[str, Any]:
        shared = _of(item).get("parameters")
        operations = {name: _of(item, name) for name in _METHODS if name in _of(item)}
        copy: dict[str, Any] = {}
        for name, operation in self._entries(operations):
            copy[name] = self._operation(operation, shared)
        return copy

    def _operation(self, operation: Mapping[str, Any], shared: object) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        parameters = [*_list(shared), *_list(operation.get("parameters"))]
        if parameters:
            copy["parameters"] = [self._parameter(each) for each in self._elements(parameters)]
        body = self._followed(operation.get("requestBody"))
        if body:
            copy["requestBody"] = self._content(body)
        copy["responses"] = self._responses(_of(operation, "responses"))
        return copy

    def _responses(self, responses: Mapping[str, Any]) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        for status, response in self._entries(responses):
            if _STATUS.fullmatch(str(status)):
                copy[status] = self._content(self._followed(response))
        return copy

    def _parameter(self, parameter: object) -> dict[str, Any]:
        described = self._followed(parameter)
        place = described.get("in")
        copy: dict[str, Any] = {
            "name": self._safe.word(described.get("name"), "-."),
            "in": place if _is_in(place, _PLACES) else OTHER,
        }
        if described.get("required") is True:
            copy["required"] = True
        # Swagger 2 has the type beside the name.
        copy["schema"] = self._schema(described.get("schema", described), 0)
        return copy

    def _content(self, described: Mapping[str, Any]) -> dict[str, Any]:
        """Copy the schemas of a body, by their media types."""
        content = dict(_of(described, "content"))
        if "schema" in described:  # Swagger 2
            content["application/json"] = described
        if not content:
            return {}
        copy: dict[str, Any] = {}
        for name, media in self._entries(content):
            schema = self._schema(_of(media).get("schema"), 0)
            copy[_media_type(name)] = {"schema": schema}
        return {"content": copy}

    def _schema(self, schema: object, depth: int) -> dict[str, Any]:
        described = _of(schema)
        if depth > _DEEPEST:
            self._cut = True
            return {}
        reference = described.get("$ref")
        if isinstance(reference, str):
            return self._reference(reference)
        copy = self._type(described)
        for name in _SWITCHES:
            if described.get(name) is True:
                copy[name] = True
        required = described.get("required")
        if isinstance(required, list):
            names = list(self._elements(required))
            copy["required"] = self._safe.words(names)
        enum = described.get("enum")
        if isinstance(enum, list):
            copy["enum"] = self._enum(enum)
        properties = described.get("properties")
        if isinstance(properties, Mapping):
            copy["properties"] = self._properties(properties, depth)
        for name in _NESTED:
            nested = described.get(name)
            if isinstance(nested, Mapping):
                copy[name] = self._schema(nested, depth + 1)
        for name in _COMBINATIONS:
            combined = described.get(name)
            if isinstance(combined, list):
                parts = self._elements(combined)
                copy[name] = [self._schema(part, depth + 1) for part in parts]
        return copy

    def _type(self, described: Mapping[str, Any]) -> dict[str, Any]:
        """Copy the type of a schema, which may be several, and its format."""
        copy: dict[str, Any] = {}
        types = described.get("type")
        if isinstance(types, list):
            copy["type"] = [name for name in types[: len(_TYPES)] if _is_in(name, _TYPES)]
        elif _is_in(types, _TYPES):
            copy["type"] = types
        if _is_in(described.get("format"), _FORMATS):
            copy["format"] = described["format"]
        return copy

    def _properties(self, properties: Mapping[str, Any], depth: int) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        for name, schema in self._entries(properties):
            copy[self._safe.word(name)] = self._schema(schema, depth + 1)
        return copy

    def _enum(self, values: list[Any]) -> list[Any]:
        """Copy words, yes and no. A number may be an id."""
        kept: list[Any] = []
        for value in self._elements(values):
            if value is None or isinstance(value, bool):
                kept.append(value)
            else:
                kept.append(self._safe.word(value))
        return _each_once(kept)

    def _reference(self, reference: str) -> dict[str, str]:
        place = _SCHEMA.fullmatch(reference)
        if place is None:
            return {}
        name = self._safe.word(place[1], "-.")
        if name == OTHER:
            return {}
        self._schemas.setdefault(name, {"$ref": reference})
        return {"$ref": f"#/components/schemas/{name}"}

    def _followed(self, part: object) -> Mapping[str, Any]:
        with suppress(LookupError, TypeError):
            return _of(followed(part, self._description))
        return {}

    def _spend(self) -> bool:
        """Count a word; return whether it still fits."""
        if not self._left:
            self._cut = True
            return False
        self._left -= 1
        return True

    def _entries(self, mapping: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield the entries of an object as far as they fit."""
        for entry in mapping.items():
            if not self._spend():
                break
            yield entry

    def _elements(self, sequence: Sequence[Any]) -> Iterator[Any]:
        """Yield the elements of a list as far as they fit."""
        for element in sequence:
            if not self._spend():
                break
            yield element


def _area_of(parts: list[str]) -> str | None:
    """Return the first part of a path, without the ``/v4`` that it may lack."""
    names = [part.lower() for part in parts]
    return next((name for name in names if name != "v4"), None)


def _media_type(name: object) -> str:
    media_type = str(name).partition(";")[0].strip().lower()
    return media_type if media_type in _MEDIA_TYPES else OTHER


def _of(part: object, *way: str) -> Mapping[str, Any]:
    """Return the object at the end of a way, or an empty one."""
    for name in way:
        part = part.get(name) if isinstance(part, Mapping) else None
    return part if isinstance(part, Mapping) else {}


def _list(part: object) -> list[Any]:
    return part if isinstance(part, list) else []


def _is_in(word: object, known: Collection[str]) -> bool:
    return isinstance(word, str) and word in known


def _each_once(words: list[Any]) -> list[Any]:
    return list(dict.fromkeys(words))
