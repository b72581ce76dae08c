"""The connection form, described once. Airflow 3.2 reads it from the provider metadata, earlier
versions as widgets.
"""

from __future__ import annotations

from typing import Any


def _field(label: str, description: str, kind: str = "string") -> dict[str, Any]:
    """Describe a field. It may stay blank, which reaches the hook as null: without "null" it would
    be mandatory.
    """
    schema: dict[str, Any] = {"type": [kind, "null"]}
    if kind == "integer":
        schema["minimum"] = 1
    return {"label": label, "description": description, "schema": schema}


#: What people set. The other extras are rare, and stand in the JSON of *Extra*.
CONN_FIELDS: dict[str, dict[str, Any]] = {
    "verify": _field(
        "Verify TLS",
        "true (default), false, or the path of a CA bundle on the workers",
    ),
    "cert": _field(
        "Client certificate",
        'Path of a PEM file on the workers, or ["cert.pem", "key.pem"]',
    ),
    "proxies": _field(
        "Proxies",
        'One proxy URL, or {"https": "http://proxy.example.com:3128"}',
    ),
    "read_timeout": _field(
        "Read timeout",
        "Seconds to wait for an answer; default 60",
        "integer",
    ),
    "upload_timeout": _field(
        "Upload timeout",
        "Seconds to wait for the answer to an upload, an export or a run; default 600",
        "integer",
    ),
}

UI_FIELD_BEHAVIOUR: dict[str, Any] = {
    # Nothing is hidden: the field for extras holds those above as JSON, and the rare ones.
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
    widgets: dict[str, Any] = {}
    for name, field in CONN_FIELDS.items():
        kind, _ = field["schema"]["type"]
        widgets[name] = kinds[kind](
            lazy_gettext(field["label"]),
            widget=BS3TextFieldWidget(),
            description=field["description"],
            validators=[Optional()],
        )
    return widgets


def field_behaviour() -> dict[str, Any]:
    """Return the relabelling as Airflow 2.11 to 3.1 want it."""
    return {key.replace("-", "_"): value for key, value in UI_FIELD_BEHAVIOUR.items()}
