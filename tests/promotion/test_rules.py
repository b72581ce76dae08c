from __future__ import annotations

import pytest

from airflow_provider_trifacta.client.errors import AmbiguousNameError, InvalidInputError
from airflow_provider_trifacta.client.models import Connection
from airflow_provider_trifacta.packages.definition import PackageConnection
from airflow_provider_trifacta.promotion.rules import (
    check_rules,
    fitting_rules,
    leads_nowhere,
    needs_names,
    resolve_names,
    same_rules,
)

pytestmark = pytest.mark.every_airflow

UUID = "2d7c1650-7daa-11e9-b9eb-0fd11bed75ab"
EXPORTED = PackageConnection(id=24, name="dev", uuid=UUID, type="jdbc", vendor="postgres")
SHOWN, HERE = f"dev (id 24, uuid {UUID})", "prod (id 12001, uuid u-prod)"
LOCAL = Connection(id=12001, name="prod", uuid="u-prod", type="jdbc")
BUCKET = {"type": "s3Bucket", "on": "dev", "with": "prod"}


def mapping(on, to):
    return {"tableName": "connections", "onCondition": on, "withCondition": to}


# Shape


def test_the_table_may_be_left_out():
    rule = {"onCondition": {"uuid": UUID}, "withCondition": {"id": 1}}
    assert check_rules("object", [rule]) == [mapping({"uuid": UUID}, {"id": 1})]
    assert rule == {
        "onCondition": {"uuid": UUID},
        "withCondition": {"id": 1},
    }, "the given one stays as it is"


@pytest.mark.parametrize(
    ("kind", "rules"),
    [
        ("object", []),
        ("object", ()),
        ("object", (mapping({"id": "24"}, {"name": "prod"}),)),
        ("value", [BUCKET, {**BUCKET, "on": "//dev//", "with": ""}]),
    ],
)
def test_good_rules_come_back_in_their_order(kind, rules):
    assert check_rules(kind, rules) == list(rules)


@pytest.mark.parametrize(
    "rules", ["[]", b"[]", {}, 1, {"onCondition": {}, "withCondition": {}}, {1, 2}]
)
@pytest.mark.parametrize("kind", ["object", "value"])
def test_something_else_than_a_list_is_named(kind, rules):
    with pytest.raises(InvalidInputError, match=f"^{kind}_rules "):
        check_rules(kind, rules)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            "uuid",
            (
                r"object_rules\[1\] must be an object with tableName, onCondition, withCondition,"
                r" not 'uuid'"
            ),
        ),
        (
            {},
            (
                r"object_rules\[1\] must have exactly the keys tableName, onCondition,"
                r" withCondition, not none"
            ),
        ),
        (
            {"onCondition": {"id": "1"}},
            r"object_rules\[1\] must have exactly the keys .*, not onCondition",
        ),
        (
            {**mapping({"id": 1}, {"id": 1}), "id": 7},
            r"object_rules\[1\] must have exactly the keys .*, id\.",
        ),
        (
            {**mapping({"id": 1}, {"id": 1}), "tableName": "flows"},
            r"object_rules\[1\]\['tableName'\] must be 'connections'",
        ),
        (
            mapping({}, {"id": 1}),
            r"object_rules\[1\]\['onCondition'\] must be an object such as .*, not {}",
        ),
        (
            mapping({"id": 1}, {}),
            r"object_rules\[1\]\['withCondition'\] must be an object such as .*, not {}",
        ),
        (
            mapping({"id": 1}, 12001),
            r"object_rules\[1\]\['withCondition'\] must be an object .*, not 12001",
        ),
        (
            mapping("24", {"id": 1}),
            r"object_rules\[1\]\['onCondition'\] must be an object .*, not '24'",
        ),
        (
            mapping({"uuid": None}, {"id": 1}),
            r"object_rules\[1\]\['onCondition'\] must hold literal",
        ),
        (
            mapping({"id": 1}, {"id": True}),
            r"object_rules\[1\]\['withCondition'\] must hold literal",
        ),
        (
            mapping({"id": 1}, {"id": [1]}),
            r"object_rules\[1\]\['withCondition'\] must hold literal",
        ),
        (
            mapping({"id": 1}, {"id": 1.5}),
            r"object_rules\[1\]\['withCondition'\] must hold literal",
        ),
        (
            mapping({"uuid": ""}, {"id": 1}),
            r"object_rules\[1\]\['onCondition'\] has an empty value",
        ),
        (
            mapping({"id": 1}, {"id": "None"}),
            r"object_rules\[1\]\['withCondition'\] has an empty value",
        ),
    ],
)
def test_each_error_of_an_object_rule_is_named(rule, words):
    with pytest.raises(InvalidInputError, match=words):
        check_rules("object", [mapping({"id": "1"}, {"id": 1}), rule])


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (None, r"value_rules\[1\] must be an object with type, on, with, not 'None'"),
        (
            {"type": "s3Bucket", "on": "dev"},
            r"value_rules\[1\] must have exactly the keys type, on, with, not type, on",
        ),
        ({**BUCKET, "tableName": "connections"}, r"value_rules\[1\] must have exactly the keys"),
        (
            {**BUCKET, "type": ""},
            r"value_rules\[1\]\['type'\] must be a text that is not empty, not ''",
        ),
        (
            {**BUCKET, "on": ""},
            r"value_rules\[1\]\['on'\] must be a text that is not empty, not ''",
        ),
        ({**BUCKET, "on": 1}, r"value_rules\[1\]\['on'\] must be a text"),
        ({**BUCKET, "with": None}, r"value_rules\[1\]\['with'\] must be a text, not None"),
    ],
)
def test_each_error_of_a_value_rule_is_named(rule, words):
    with pytest.raises(InvalidInputError, match=words):
        check_rules("value", [BUCKET, rule])


# Names


def test_names_stand_for_uuids_of_the_package_and_ids_here():
    rules = [mapping({"name": "dev"}, {"name": "prod"})]
    assert needs_names(rules, "onCondition")
    assert needs_names(rules, "withCondition")
    assert resolve_names(rules, [EXPORTED], [LOCAL]) == [mapping({"uuid": UUID}, {"id": 12001})]


def test_other_conditions_stay_beside_a_name():
    rules = [mapping({"name": "dev", "type": "jdbc"}, {"name": "prod", "vendor": "postgres"})]
    assert resolve_names(rules, [EXPORTED], [LOCAL]) == [
        mapping({"uuid": UUID, "type": "jdbc"}, {"id": 12001, "vendor": "postgres"})
    ]


@pytest.mark.parametrize(
    "rule",
    [
        mapping({"uuid": UUID}, {"id": "12001"}),
        mapping({"name": "someone else's", "uuid": "another"}, {"name": "prod", "id": 7}),
        mapping({"name": "dev", "id": "5"}, {"name": "x", "uuid": "u"}),
    ],
)
def test_what_has_an_id_or_uuid_is_sent_as_it_is(rule):
    assert not needs_names([rule], "onCondition")
    assert not needs_names([rule], "withCondition")
    assert resolve_names([rule], [EXPORTED], [LOCAL]) == [rule]


@pytest.mark.parametrize(
    ("exported", "local", "words"),
    [
        ([], [LOCAL], "0 connections of the package are called 'dev'. There are: none."),
        ([EXPORTED], [], "0 connections of the instance are called 'prod'. There are: none."),
        (
            [EXPORTED, PackageConnection(id=25, name="dev", uuid="u-2", type=None, vendor=None)],
            [LOCAL],
            (
                f"2 connections of the package are called 'dev'. There are: {SHOWN}; dev (id 25,"
                " uuid u-2)."
            ),
        ),
        (
            [EXPORTED],
            [LOCAL, Connection(id=2, name="prod", uuid="u", type="jdbc")],
            (
                f"2 connections of the instance are called 'prod'. There are: {HERE}; prod (id 2,"
                " uuid u)."
            ),
        ),
        (
            [PackageConnection(id=24, name="dev", uuid=None, type="jdbc", vendor=None)],
            [LOCAL],
            "The connection 'dev' of the package has no uuid. There are: dev (id 24, uuid None).",
        ),
    ],
)
def test_a_name_that_is_not_one_connections_is_refused_with_what_there_is(exported, local, words):
    with pytest.raises(AmbiguousNameError) as caught:
        resolve_names([mapping({"name": "dev"}, {"name": "prod"})], exported, local)
    assert str(caught.value).startswith(words)


# Comparison


@pytest.mark.parametrize(
    ("some", "others", "same"),
    [
        ([], [], True),
        ([mapping({"id": "24"}, {"id": 12001})], [mapping({"id": 24}, {"id": "12001"})], True),
        (
            [mapping({"a": "1", "b": "2"}, {"id": 1})],
            [mapping({"b": "2", "a": "1"}, {"id": 1})],
            True,
        ),
        ([mapping({"id": "24"}, {"id": 1})], [mapping({"uuid": "24"}, {"id": 1})], False),
        (
            [mapping({"id": "24"}, {"id": 1})],
            [mapping({"id": "24", "type": "jdbc"}, {"id": 1})],
            False,
        ),
        ([mapping({"id": "24"}, {"id": 1})], [], False),
        ([BUCKET, {**BUCKET, "on": "b"}], [{**BUCKET, "on": "b"}, BUCKET], False),
        ([BUCKET], [BUCKET, BUCKET], False),
        ([BUCKET], [{**BUCKET, "with": "Prod"}], False),
    ],
)
def test_rules_are_compared_in_order_and_ids_as_text(some, others, same):
    assert same_rules(some, others) is same
    assert same_rules(others, some) is same


# What a rule does to a connection


@pytest.mark.parametrize(
    ("on", "fits"),
    [
        ({"uuid": UUID}, True),
        ({"id": "24"}, True),
        ({"id": 24}, True),
        ({"name": "dev", "type": "jdbc"}, True),
        ({"vendor": "postgres"}, True),
        ({"id": "024"}, False),
        ({"uuid": UUID, "name": "other"}, False),
        ({"uuid": UUID, "host": "db.example.com"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_rule_fits_when_every_field_is_the_same_text(on, fits):
    rule = mapping(on, {"id": 1})
    assert fitting_rules(EXPORTED, [mapping({"id": "9"}, {"id": 1}), rule]) == (
        [rule] if fits else []
    )


@pytest.mark.parametrize("key", ["id", "uuid", "name", "type", "vendor"])
def test_a_field_that_is_not_there_meets_nothing(key):
    nothing = PackageConnection(id=None, name=None, uuid=None, type=None, vendor=None)
    assert fitting_rules(nothing, [mapping({key: "None"}, {"id": 1})]) == []


@pytest.mark.parametrize(
    ("to", "nowhere"),
    [
        ({"id": "12001"}, False),
        ({"id": 12001}, False),
        ({"uuid": "u-prod"}, False),
        ({"name": "prod", "vendor": "not known here"}, False),
        ({"id": 12002}, True),
        ({"name": "dev", "vendor": "postgres"}, True),
    ],
)
def test_a_rule_leads_nowhere_when_no_connection_can_be_meant(to, nowhere):
    assert leads_nowhere(mapping({"uuid": UUID}, to), [LOCAL]) is nowhere


def test_a_connection_whose_uuid_is_not_told_may_be_meant():
    untold = Connection(id=5, name="prod", uuid=None, type=None)
    assert not leads_nowhere(mapping({"uuid": UUID}, {"uuid": "u-prod"}), [untold])
    assert leads_nowhere(mapping({"uuid": UUID}, {"uuid": "u-prod"}), [])
