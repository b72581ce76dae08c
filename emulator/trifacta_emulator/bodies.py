"""JSON of connections, deployments, releases and import rules."""

from __future__ import annotations

from trifacta_emulator.clock import iso
from trifacta_emulator.endpoint import Context
from trifacta_emulator.package_reader import Row
from trifacta_emulator.records import Deployment, ImportRule, LocalConnection, Release


def connection_body(connection: LocalConnection) -> Row:
    """
    Write a connection, without credentials, host and port [P: AAC25 connection; packages].

    :param connection: what to write.
    """
    return {
        "id": connection.id,
        "uuid": connection.uuid,
        "name": connection.name,
        "description": "",
        "type": connection.type,
        "vendor": connection.vendor,
        "vendorName": connection.vendor,
        "credentialType": "basic",
        "credentialsShared": True,
        "isGlobal": False,
        "disableTypeInference": False,
        "createdAt": iso(connection.created_at),
        "updatedAt": iso(connection.updated_at),
        "creator": {"id": connection.creator},
        "updater": {"id": connection.updater},
        "workspace": {"id": 1},
    }


def deployment_body(context: Context, deployment: Deployment, *, counts: bool, deleted_at: bool = False) -> Row:
    """
    Write a deployment [R: VS-143186630 for the list; I for the single one].

    :param context: the emulator's context.
    :param deployment: what to write.
    :param counts: with ``numReleases`` and ``latestRelease``.
    :param deleted_at: with ``deleted_at``, as in answers to ``includeDeleted=true`` [R: D64].
    """
    body: Row = {
        "id": deployment.id,
        "name": deployment.name,
        "createdAt": iso(deployment.created_at),
        "updatedAt": iso(deployment.updated_at),
    }
    if counts:
        releases = context.store.releases(deployment.id)
        body["numReleases"] = len(releases)
        body["latestRelease"] = _latest_release(context, releases)
    body["creator"] = {"id": deployment.creator}
    body["updater"] = {"id": deployment.updater}
    if deleted_at:
        body["deleted_at"] = iso(deployment.deleted_at) if deployment.deleted_at else None
    return body


def release_body(context: Context, release: Release, *, deleted_at: bool = False) -> Row:
    """
    Write a release [R: VS-143186685].

    :param context: the emulator's context.
    :param release: what to write.
    :param deleted_at: with ``deleted_at``, as in answers to ``includeDeleted=true`` [R: D64].
    """
    body: Row = {
        "id": release.id,
        "packageUuid": release.package_uuid,
        "notes": release.notes,
        # Inactive is null, not false [R: VS-143186685].
        "active": True if release.active else context.options.inactive_value,
        "updatedAt": iso(release.updated_at),
        "createdAt": iso(release.created_at),
        "deployment": {"id": release.deployment_id},
        "creator": {"id": release.creator},
        "updater": {"id": release.updater},
    }
    if deleted_at:
        body["deleted_at"] = iso(release.deleted_at) if release.deleted_at else None
    return body


def rule_body(rule: ImportRule) -> Row:
    """
    Write an import rule: what was sent, and the usual columns [M].

    :param rule: what to write.
    """
    return {
        **rule.rule,
        "id": rule.id,
        "createdAt": iso(rule.created_at),
        "updatedAt": iso(rule.updated_at),
        "deployment": {"id": rule.deployment_id},
        "creator": {"id": rule.creator},
        "updater": {"id": rule.updater},
    }


def updated_body(record: Deployment | Release) -> Row:
    """
    Write the short answer to a PATCH [R: D60 API Releases Patch v4; I for deployments].

    :param record: what was changed.
    """
    return {"id": record.id, "updater": {"id": record.updater}, "updatedAt": iso(record.updated_at)}


def _latest_release(context: Context, releases: tuple[Release, ...]) -> Row | int | None:
    # null without releases [R]; an object or an id otherwise is not documented [?]: the option decides.
    if not releases:
        return None
    latest = releases[-1]
    if context.options.latest_release == "id":
        return latest.id
    keys = ("id", "notes", "packageUuid", "active", "createdAt", "updatedAt")
    body = release_body(context, latest)
    return {key: body[key] for key in keys}
