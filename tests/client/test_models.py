from __future__ import annotations

import pytest

from airflow_provider_trifacta.client.errors import UnexpectedResponseError
from airflow_provider_trifacta.client.imports import ImportResult, dropped_objects, first_dropped
from airflow_provider_trifacta.client.models import (
    Deployment,
    Flow,
    Person,
    Recipe,
    Release,
    parse_time,
)


def test_times_are_timezone_aware():
    assert parse_time("2019-02-13T20:39:41.764Z").isoformat() == "2019-02-13T20:39:41.764000+00:00"
    assert parse_time("2019-02-13T20:39:41").utcoffset().total_seconds() == 0


@pytest.mark.parametrize("value", [None, 5, "", "soon", "P1D", "2019-13-45", "18:", "9" * 30])
def test_unreadable_times_are_unknown(value):
    assert parse_time(value) is None


@pytest.mark.parametrize(
    ("active", "expected"),
    [(True, True), (None, False), (False, False), ("true", False), (1, False)],
)
def test_only_true_is_active(active, expected):
    assert Release.from_json({"id": 1, "active": active}).active is expected


def test_unknown_and_missing_fields_do_no_harm():
    release = Release.from_json(
        {"id": 1, "new": {"deep": []}, "deployment": 7, "createdAt": 5, "packageUuid": 9}
    )
    assert (release.deployment_id, release.created_at, release.package_uuid) == (None, None, None)
    assert Deployment.from_json({"id": 2}).name is None
    assert Person.from_json({"id": 3}).email is None


@pytest.mark.parametrize(
    "row",
    [{"name": "clean"}, {"recipe": {"id": 4, "name": "clean"}}, {"name": "clean", "recipe": 4}],
)
def test_a_recipe_has_the_name_of_its_row_or_of_its_recipe(row):
    recipe = Recipe.from_json({"id": 3, "flow": {"id": 2}, **row})
    assert (recipe.id, recipe.name, recipe.flow_id) == (3, "clean", 2)
    assert Recipe.from_json({"id": 3, "recipe": {"id": 4}}).name is None


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        {},
        {"id": None},
        {"id": "5"},
        {"id": True},
        {"id": 1.0},
        {"id": 0},
        {"id": -1},
    ],
)
@pytest.mark.parametrize("model", [Person, Deployment, Release, Flow])
def test_without_an_integer_id_nothing_is_believed(model, body):
    with pytest.raises(UnexpectedResponseError):
        model.from_json(body)


@pytest.mark.parametrize(
    "shown", ["9BAE78C02FCB11E9952377F56ED58844", "{9bae78c0-2fcb-11e9-9523-77f56ed58844}"]
)
def test_uuids_are_spelled_in_one_way(shown):
    assert (
        Release.from_json({"id": 1, "packageUuid": shown}).package_uuid
        == "9bae78c0-2fcb-11e9-9523-77f56ed58844"
    )


@pytest.mark.parametrize("shown", [None, "", 5])
def test_a_blank_uuid_is_none(shown):
    assert Release.from_json({"id": 1, "packageUuid": shown}).package_uuid is None


@pytest.mark.parametrize("release", [None, {}, {"id": "101"}, {"id": None}, []])
def test_an_import_without_an_integer_release_id_fails(release):
    with pytest.raises(UnexpectedResponseError):
        ImportResult.from_json({"primaryFlowIds": [6], "release": release})


@pytest.mark.parametrize("flow_ids", [None, "6", ["6"], [True], {"a": 6}])
def test_unreadable_flow_ids_are_unknown_and_do_not_hide_the_release(flow_ids):
    result = ImportResult.from_json({"primaryFlowIds": flow_ids, "release": {"id": 1}})
    assert result.primary_flow_ids is None
    assert result.release.id == 1


@pytest.mark.parametrize(
    ("deleted", "dropped"),
    [
        ({}, {}),
        (None, {}),
        ([], {}),
        ({"flows": [], "x": {"data": []}, "count": 0}, {}),
        ({"flows": [], "outputs": {"data": [{"id": 5}]}}, {"outputs": {"data": [{"id": 5}]}}),
        ([1], {"deletedObjects": [1]}),
        ("two objects", {"deletedObjects": "two objects"}),
        ({"count": 2}, {"count": 2}),
    ],
)
def test_any_filled_leaf_is_a_dropped_object(deleted, dropped):
    assert (
        ImportResult.from_json({"release": {"id": 1}, "deletedObjects": deleted}).dropped == dropped
    )


def nested(depth, leaf):
    value = leaf
    for number in range(depth):
        value = [value] if number % 2 else {"a": value}
    return value


@pytest.mark.parametrize("depth", [1, 50, 900, 100_000])
def test_dropped_objects_may_be_nested_however_deep(depth):
    filled, empty = {"flows": nested(depth, 7)}, {"flows": nested(depth, None)}
    result = ImportResult.from_json({"release": {"id": 1}, "deletedObjects": filled})
    assert list(result.dropped) == ["flows"]
    assert first_dropped(result.dropped)["count"] == 1
    assert dropped_objects(empty) == {}


CHANGE = {"tableName": "datasources", "id": 3}
CHANGED = 'value: {"tableName": "datasources", "id": 3}'


@pytest.mark.parametrize(
    ("answer", "changes"),
    [
        ({}, None),
        ({"importRuleChanges": None}, {"count": 0, "objects": []}),
        ({"importRuleChanges": {"object": [], "value": []}}, {"count": 0, "objects": []}),
        ({"importRuleChanges": {"object": {"data": []}}}, {"count": 0, "objects": []}),
        (
            {"importRuleChanges": {"object": [], "value": [CHANGE]}},
            {"count": 1, "objects": [CHANGED]},
        ),
        ({"importRuleChanges": {"value": [CHANGE] * 30}}, {"count": 30, "objects": [CHANGED] * 20}),
        ({"importRuleChanges": [7]}, {"count": 1, "objects": ["importRuleChanges: 7"]}),
        ({"importRuleChanges": "one"}, {"count": 1, "objects": ['importRuleChanges: "one"']}),
    ],
)
def test_what_import_rules_changed_may_have_any_shape(answer, changes):
    assert ImportResult.from_json({"release": {"id": 1}, **answer}).rule_changes == changes


@pytest.mark.parametrize("depth", [900, 100_000])
def test_what_import_rules_changed_is_bounded(depth):
    changes = {"value": [nested(depth, 7), {"text": "x" * 10_000}]}
    result = ImportResult.from_json({"release": {"id": 1}, "importRuleChanges": changes})
    assert result.rule_changes["count"] == 2
    assert max(map(len, result.rule_changes["objects"])) < 300


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        ({}, {}),
        ({"flows": None, "datasources": {}, "flownodes": "x", "recipes": 3}, {}),
        (
            {"flows": [{}], "datasources": [], "outputobjects": []},
            {"flows": 1, "datasets": 0, "outputs": 0},
        ),
        (
            {"flownodes": [{"wrangled": True}, {"wrangled": False}], "recipes": [{}, {}]},
            {"recipes": 1},
        ),
        ({"flownodes": [{"id": 1}], "recipes": [{}, {}]}, {"recipes": 2}),
        ({"flownodes": [{"id": 1}]}, {}),
        ({"recipes": []}, {"recipes": 0}),
    ],
)
def test_what_was_made_is_counted_as_far_as_the_answer_shows_it(answer, counts):
    assert ImportResult.from_json({"release": {"id": 1}, **answer}).counts == counts


@pytest.mark.parametrize("value", [10**30, -1, 0, True, 1.0, "1", None, {}, [1]], ids=str)
def test_what_is_no_id_is_refused(value):
    with pytest.raises(UnexpectedResponseError):
        Release.from_json({"id": value})
