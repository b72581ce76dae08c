"""The connection form, described once. Airflow 3.2 reads it from the provider metadata, earlier
versions as widgets.
"""

from __future__ import annotations

from typing import Any


def _field(label: str, description: str, kind: str = "string") -> dict[str, Any]:
    """Describe a field. It may stay blank, which reaches the hook as null: without "null" it would
    be mandatory.
    """
    least = {"minimum": 1} if kind == "integer" else {}
    return {"label": label, "description": description, "schema": {"type": [kind, "null"], **least}}


CONN_FIELDS: dict[str, dict[str, Any]] = {
    "verify": _field(
        "Verify TLS", "true (default), false, or the path of a CA bundle on the workers"
    ),
    "cert": _field(
        "Client certificate", 'Path of a PEM file on the workers, or ["cert.pem", "key.pem"]'
    ),
    "proxies": _field("Proxies", 'One proxy URL, or {"https": "http://proxy.example.com:3128"}'),
    "connect_timeout": _field(
        "Connect timeout", "Seconds to wait for the connection; default 10", "integer"
    ),
    "read_timeout": _field("Read timeout", "Seconds to wait for an answer; default 60", "integer"),
    "upload_timeout": _field(
        "Upload timeout",
        "Seconds to wait for the answer to an upload, an export or a run; default 600",
        "integer",
    ),
    # Text, because Airflow 2's form drops a number that is 0.
    "read_retries": _field(
        "Read retries", "How often a failed read is sent again, 0 to 10; default 4"
    ),
    "user_agent": _field(
        "User agent", "How requests name themselves; default airflow-provider-trifacta/<version>"
    ),
    "total_timeout": _field(
        "Total timeout",
        "Seconds for a whole call, with its repetitions and pages; default 300",
        "integer",
    ),
    "upload_total_timeout": _field(
        "Total upload timeout", "Seconds for a whole upload, export or run; default 3600", "integer"
    ),
    "max_package_size": _field(
        "Largest package",
        "Bytes that an exported or copied package may have; default 268435456 (256 MiB)",
        "integer",
    ),
}

UI_FIELD_BEHAVIOUR: dict[str, Any] = {
    # Nothing is hidden: the field for extras shows those above as JSON.
    "hidden-fields": [],
    "relabeling": {
        "host": "Host or URL",
        "schema": "Scheme (http or https)",
        "login": "Login (leave empty for a token)",
        "password": "Password or access token",
    },
    "placeholders": {
        "host": "https://trifacta.example.com:3005",
        "schema": "https",
        "login": "promoter@example.com",
    },
}


def form_widgets() -> dict[str, Any]:
    """Return the fields as form widgets, for Airflow 2.11 to 3.1."""
    # A plain Airflow 3 does not have these. Its server puts stand-ins in their place before it
    # calls this.
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
    from flask_babel import lazy_gettext
    from wtforms import IntegerField, StringField
    from wtforms.validators import Optional

    kinds = {"string": StringField, "integer": IntegerField}
    return {
        name: kinds[field["schema"]["type"][0]](
            lazy_gettext(field["label"]),
            widget=BS3TextFieldWidget(),
            description=field["description"],
            validators=[Optional()],
        )
        for name, field in CONN_FIELDS.items()
    }


def field_behaviour() -> dict[str, Any]:
    """Return the relabelling as Airflow 2.11 to 3.1 want it."""
    return {key.replace("-", "_"): value for key, value in UI_FIELD_BEHAVIOUR.items()}
