"""What an instance says of itself comes home, also without ``--write``: its structure, and none of
its texts."""

from __future__ import annotations

import copy
import io
import json

import pytest
from trifacta_emulator import Answer, Fault, build_package, read_package

from .description import CANARY, KEPT, UNSAFE, vendors, with_noise

SPEC = "/v4/open-api-spec"


@pytest.fixture
def inhabited(furnished):
    """Return a function that starts an emulator whose deployment has two releases."""

    def start(**options):
        emulator = furnished(**options)
        deployment = emulator.store.create_deployment(f"{CANARY} deployment of theirs")
        for _ in range(2):
            emulator.store.create_release(deployment.id, read_package(io.BytesIO(build_package())))
        emulator.before = [*emulator.before, ("deployment", deployment.id)]
        return emulator

    return start


@pytest.fixture
def described(inhabited, clean):
    """Return a function that probes an instance that describes itself so, and gives
    what is kept.
    """

    def probe(body):
        emulator = inhabited()
        emulator.faults.add(Fault(Answer(200, body=body), path=SPEC))
        return clean(emulator).json["description"]

    return probe


def test_an_emulator_tells_both_without_write(inhabited, clean):
    emulator = inhabited()
    report = clean(emulator)
    assert {call.method for call in emulator.calls} == {"GET"}
    assert report.json["associations"] == {
        "deployment": ["releases", "creator", "updater"],
        "release": ["deployment", "creator", "updater"],
        "flow": ["creator", "updater", "flowNodes", "flowNodes.recipe", "flowEdges"],
        "job_group": [
            "jobs",
            "jobs.errorMessage",
            "jobs.scriptResults",
            "jobs.scriptResults.storageLocation",
            "jobs.fileWriterJob",
            "jobs.fileWriterJob.writeSetting",
            "wrangledDataset",
            "wrangledDataset.flow",
            "wrangledDataset.recipe",
            "jobGroupDataflowOptions",
            "creator",
            "updater",
        ],
    }
    paths = report.json["description"]["paths"]
    kinds = (
        "deployments/{id}/releases",
        "releases/{id}",
        "deployments/{id}/objectImportRules",
        "flows/package",
    )
    assert {f"/v4/{path}" for path in (*kinds, "jobGroups/{id}", "people/current")} <= paths.keys()
    assert not [path for path in paths if "onnections" in path or "Tokens" in path]
    [execution] = [
        row for row in paths["/v4/jobGroups"]["post"]["parameters"] if row["in"] == "header"
    ]
    assert execution == {"name": "x-execution-id", "in": "header", "schema": {"type": "string"}}
    run = paths["/v4/deployments/{id}/run"]["post"]["responses"]["201"]["content"][
        "application/json"
    ]["schema"]
    assert set(run["properties"]["data"]["items"]["properties"]) == {"reason", "sessionId", "id"}


def test_the_lists_need_no_object(furnished, probe):
    """An empty instance tells them too, when its lists are asked."""
    emulator = furnished()
    for path in ("/v4/flows", "/v4/jobGroups"):
        emulator.faults.add(Fault(Answer(200, body={"data": []}), path=path))
    report = probe(emulator.url)
    assert None not in report.json["associations"].values()


def test_nothing_is_kept_of_an_instance_that_says_nothing(inhabited, clean):
    emulator = inhabited()
    emulator.faults.add(Fault(Answer(404), path=SPEC, times=None))
    for path in ("/v4/deployments/**", "/v4/releases/**", "/v4/flows/**", "/v4/jobGroups/**"):
        emulator.faults.add(Fault(Answer(400), path=path, times=None))
    for path in ("/v4/deployments", "/v4/releases", "/v4/flows", "/v4/jobGroups"):
        emulator.faults.add(Fault(Answer(400), path=path, skip=1, times=None))
    report = clean(emulator)
    assert report.json["description"] is None
    assert set(report.json["associations"].values()) == {None}


def test_the_structure_is_kept_and_the_texts_are_not(described):
    """Of each object, an administrator may have written any text."""
    assert described(with_noise(vendors())) == KEPT


def test_an_older_form_of_a_description(described):
    """Swagger 2 has types beside names, and one body."""
    release = {"$ref": "#/definitions/release"}
    paths = {
        "/deployments/{id}/releases": {
            "post": {
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "type": "integer"},
                    {"name": "data", "in": "formData", "type": "file"},
                    {"name": "body", "in": "body", "schema": release},
                ],
                "responses": {"201": {"schema": release}},
            }
        }
    }
    definitions = {"release": {"type": "object", "properties": {"id": {"type": "integer"}}}}
    whole = {"swagger": "2.0", "host": f"{CANARY}.example.com", "basePath": "/v4", "paths": paths}
    kept = described(with_noise({**whole, "definitions": definitions}))
    operation = kept["paths"]["/deployments/{id}/releases"]["post"]
    reference = {"$ref": "#/components/schemas/release"}
    assert operation == {
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}},
            {"name": "data", "in": "formData", "schema": {"type": "file"}},
            {"name": "body", "in": "body", "schema": reference},
        ],
        "responses": {"201": {"content": {"application/json": {"schema": reference}}}},
    }
    assert kept["components"]["schemas"] == definitions


def _named_by(word):
    """Return a description with a word in each place of a word."""
    schema = {
        "type": word,
        "format": word,
        "required": [word],
        "enum": [word],
        "properties": {word: {"type": [word, "string"]}},
        "allOf": [{"$ref": f"#/components/schemas/{word}"}],
    }
    parameter = {"name": word, "in": word, "schema": schema}
    content = {"content": {word: {"schema": schema}}}
    operation = {
        "parameters": [parameter],
        "requestBody": content,
        "responses": {word: content, "200": content},
    }
    part = word.replace("/", " ")
    paths = {
        f"/v4/deployments/{{{part}}}": {"get": operation},
        f"/v4/releases/{word}/:{word}": {word: operation},
    }
    return {"paths": paths, "components": {"schemas": {word: schema}}}


@pytest.mark.parametrize("word", UNSAFE)
def test_a_word_that_is_no_vendors_becomes_other(described, word):
    kept = described(_named_by(word))
    operation = kept["paths"]["/v4/deployments/{other}"]["get"]
    schema = {
        "required": ["other"],
        "enum": ["other"],
        "properties": {"other": {"type": ["string"]}},
        "allOf": [{}],
    }
    assert operation["parameters"] == [{"name": "other", "in": "other", "schema": schema}]
    assert operation["responses"] == {"200": {"content": {"other": {"schema": schema}}}}


def test_a_word_of_the_documents_stays(inhabited, probe):
    """Also where somebody named a deployment so: the reports of all instances have it."""
    emulator = inhabited()
    for name in ("notes", "Secretword"):
        emulator.store.create_deployment(name)
    emulator.faults.add(Fault(Answer(200, body=_named_by("notes")), path=SPEC))
    assert "notes" in json.dumps(probe(emulator.url).json["description"])
    emulator.faults.add(Fault(Answer(200, body=_named_by("secretWord")), path=SPEC))
    assert "secretword" not in json.dumps(probe(emulator.url).json["description"]).lower()


@pytest.mark.parametrize(
    "body",
    [
        [],
        [vendors()],
        "text",
        {},
        {"paths": []},
        {"paths": {"/v4/deployments": None, "/v4/releases": []}},
        {
            "paths": {
                "/v4/deployments": {
                    "get": [1],
                    "post": {"parameters": {}, "responses": [], "requestBody": 1},
                }
            }
        },
        {
            "paths": {
                "/v4/releases": {
                    "get": {"parameters": [None, 1, [], {"$ref": "#/no/such"}], "responses": {}}
                }
            }
        },
        {
            "paths": {
                "/v4/releases": {
                    "get": {"responses": {"200": {"$ref": "#/paths"}, "default": {"$ref": 1}}}
                }
            }
        },
    ],
)
def test_an_odd_description(described, body):
    kept = described(body)
    assert kept is None or kept.keys() == {"paths", "components", "cut"}


def _in_itself(depth):
    schema = {"type": "object"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


WIDE = {
    f"a{letter * 15}b{other * 15}": {"type": "string"}
    for letter in "abcdefghijkl"
    for other in "mnopqrstuvwx"
}
LARGE = {
    "many paths": {"paths": {f"/v4/releases/{word}": {"get": {"responses": {}}} for word in WIDE}},
    "deep": {"schema": _in_itself(40)},
    "a wide enum": {"schema": {"enum": [f"a{'b' * (number % 20)}" for number in range(50_000)]}},
    "wide and deep": {"schema": {"properties": {name: {"properties": WIDE} for name in WIDE}}},
    "in a circle": {"schema": {"$ref": "#/components/schemas/circle"}},
}


@pytest.mark.parametrize("body", LARGE.values(), ids=LARGE)
def test_what_is_kept_is_bounded(described, body):
    circle = {
        "allOf": [
            {"$ref": "#/components/schemas/circle"},
            {"properties": {"circle": {"$ref": "#/components"}}},
        ]
    }
    answer = {"200": {"content": {"application/json": {"schema": body.get("schema", {})}}}}
    paths = {"/v4/releases": {"get": {"responses": answer}}, **body.get("paths", {})}
    kept = described({"paths": paths, "components": {"schemas": {"circle": circle}}})
    assert len(json.dumps(kept)) < 1_500_000
    assert kept["cut"] == ("schema" in body and "$ref" not in body["schema"])
    assert kept["paths"]["/v4/releases"]["get"]["responses"].keys() == {"200"}


def test_deployments_come_first_where_not_all_fits(described):
    wide = {
        "get": {
            "responses": {
                "200": {"content": {"application/json": {"schema": {"properties": WIDE}}}}
            }
        }
    }
    jobs = {f"/v4/jobs/{name}": copy.deepcopy(wide) for name in WIDE}
    kept = described({"paths": {**jobs, "/v4/deployments": wide}})
    assert (next(iter(kept["paths"])), kept["cut"]) == ("/v4/deployments", True)


SAYS = "No association noSuchThing in releases! Valid associations are "


@pytest.mark.parametrize(
    ("exception", "names"),
    [
        ({"details": f"{SAYS}creator, updater, snapshots..."}, ["creator", "updater", "snapshots"]),
        ({"message": f"{SAYS}creator,jobs.scriptResults ."}, ["creator", "jobs.scriptResults"]),
        (f"{SAYS}creator", ["creator"]),
        (
            {"details": f"{SAYS}creator, flows. Ask {CANARY}, or {CANARY}@example.com"},
            ["creator", "flows"],
        ),
        ({"details": f"{SAYS}{', '.join(UNSAFE)}, flows"}, ["other", "flows"]),
        (
            {
                "details": (
                    f"{SAYS}{', '.join(f'a{chr(97 + n % 26) * (n // 26 + 1)}' for n in range(500))}"
                )
            },
            100,
        ),
        ({"details": 5, "message": None}, None),
        ({"details": f"Valid {CANARY}"}, None),
        (None, None),
    ],
)
def test_a_list_of_associations(inhabited, clean, during, exception, names):
    emulator = inhabited()
    for key, path in (
        ("embeds_of_release", "/v4/releases/*"),
        ("embeds_of_releases", "/v4/releases"),
    ):
        fault = Fault(Answer(400, body={"exception": exception}), path=path)
        during(key, lambda fault=fault: emulator.faults.add(fault))
    found = clean(emulator).json["associations"]["release"]
    assert (len(found) if isinstance(names, int) else found) == names


ROWS = {"data": [{"id": 1, "deployment": {"id": 1}}, {"id": 2, "deployment": {"id": 1}}]}
REFUSED = Answer(400)
#: Items that an instance shows without a change, and an answer that shows that it does something
#: else.
SWITCHED = [
    ("releases_route", "all_releases", Answer(404), False),
    ("sort_releases", "releases_up", REFUSED, False),
    ("sort_releases", "releases_down", Answer(200, body=ROWS), False),
    ("embed_offset", "embedded_next", Answer(200, body={"releases": ROWS}), False),
    ("embed_options", "embedded_options", REFUSED, False),
    ("embed_options", "embedded_options", Answer(200, body={"releases": ROWS}), False),
    ("takes_deleted", "releases_with_deleted", REFUSED, False),
    ("takes_deleted", "releases_with_deleted", Answer(200, body=ROWS), False),
    ("release_flows", "flows_of_release", Answer(200, body={"id": 1, "flows": {"data": []}}), True),
    (
        "release_flows",
        "embeds_of_release",
        Answer(400, body={"exception": {"details": f"{SAYS}creator, importedFlows"}}),
        True,
    ),
]


@pytest.mark.parametrize(("item", "key", "answer", "seen"), SWITCHED)
def test_what_it_reads_is_judged(inhabited, probe, during, item, key, answer, seen):
    emulator = inhabited()
    confirmed = {entry["item"]: entry["verdict"] for entry in probe(emulator.url).json["items"]}
    assert confirmed[item] == "confirmed"
    during(key, lambda: emulator.faults.add(Fault(answer)))
    report = {entry["item"]: entry for entry in probe(emulator.url).json["items"]}
    assert (report[item]["verdict"], report[item]["seen"]) == ("refuted", seen)


#: The same of what only ``--write`` shows.
TIMES = {
    "createdAt": "2026-01-01T00:00:00.000Z",
    "updatedAt": "2026-01-01T00:00:00.000Z",
    "active": True,
}
WRITTEN = [
    ("touches_activated", ("first_after", "first_back"), TIMES),
    ("touches_replaced", ("second_after", "second_back"), TIMES),
    ("touches_deactivated", ("first_back", "inactive"), TIMES),
    ("deleted_listed", ("deleted_listed",), {"data": []}),
    ("deleted_embedded", ("deleted_embedded",), {"releases": ROWS}),
    ("deleted_read", ("deleted_read",), {"id": 1}),
]


@pytest.mark.parametrize(("item", "keys", "body"), WRITTEN)
def test_what_it_changes_is_judged(furnished, probe, during, left_behind, item, keys, body):
    emulator = furnished()
    for key in keys:
        during(key, lambda: emulator.faults.add(Fault(Answer(200, body=body))))
    report = {
        entry["item"]: entry for entry in probe(emulator.url, "--write", probe.name).json["items"]
    }
    assert (report[item]["verdict"], report[item]["seen"]) == ("refuted", False)
    assert not left_behind(emulator)


def test_whole_seconds_hide_no_change(furnished, probe, left_behind):
    """Two changes within a second would show the same time."""
    emulator = furnished(whole_seconds=True)
    report = {
        entry["item"]: entry for entry in probe(emulator.url, "--write", probe.name).json["items"]
    }
    for item in (
        "touches_activated",
        "touches_replaced",
        "touches_deactivated",
        "updated_at_import",
    ):
        assert report[item]["verdict"] == "confirmed", item
    assert not left_behind(emulator)


def test_ids_of_a_description_may_have_any_name(inhabited, probe):
    """The vendor names the id of a path as it likes, and describes a header in one place for all
    calls."""
    emulator = inhabited()
    header = {"name": "X-Execution-Id", "in": "header"}
    described = {
        "paths": {
            "/v4/deployments/{deploymentId}/run": {
                "parameters": [{"$ref": "#/components/parameters/once"}],
                "post": {},
            },
            "/v4/jobgroups/": {"post": {"parameters": [{"$ref": "#/components/parameters/once"}]}},
        },
        "components": {"parameters": {"once": header}},
    }
    emulator.faults.add(Fault(Answer(200, body=described), path=SPEC))
    report = probe(emulator.url).json
    seen = {entry["item"]: entry.get("seen") for entry in report["items"]}
    assert (seen["execution_id"], seen["execution_ids"]) == (True, "count")


GATEWAY = [
    "404 page not found",
    {"message": "no Route matched with those values"},
    [],
    {"exceptions": {}},
]


@pytest.mark.parametrize("body", GATEWAY)
@pytest.mark.parametrize("status", [400, 403, 404, 410, 502])
def test_a_gateways_words_are_no_verdict(inhabited, clean, status, body):
    emulator = inhabited()
    emulator.faults.add(Fault(Answer(status, body=body), skip=1, times=None))
    verdicts = {entry["item"]: entry["verdict"] for entry in clean(emulator).json["items"]}
    assert set(verdicts.values()) == {"not tested"}


def test_a_gateways_404_does_not_say_that_something_is_deleted(
    furnished, probe, during, left_behind
):
    emulator = furnished()
    words = Answer(404, body="404 page not found")
    during(
        "created",
        lambda: emulator.faults.add(Fault(words, method="DELETE", times=None)),
        after=True,
    )
    report = probe(emulator.url, "--write", probe.name)
    assert report.status == 1
    for kind, number in left_behind(emulator):
        if "Deployments" in kind:
            assert f"NOT DELETED: deployments/{number}." in report.err
