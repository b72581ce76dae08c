"""The connection form, described once: Airflow 3.2 reads it from the provider's metadata, earlier ones as widgets."""

from __future__ import annotations

from typing import Any

#: Every field may stay blank, which reaches the hook as null: a type without "null" would make it mandatory.
CONN_FIELDS: dict[str, dict[str, Any]] = {
    "verify": {
        "label": "Verify TLS",
        "description": "true (default), false, or the path of a CA bundle on the workers",
        "schema": {"type": ["string", "null"]},
    },
    "cert": {
        "label": "Client certificate",
        "description": 'Path of a PEM file on the workers, or ["cert.pem", "key.pem"]',
        "schema": {"type": ["string", "null"]},
    },
    "proxies": {
        "label": "Proxies",
        "description": 'One proxy URL, or {"https": "http://proxy.example.com:3128"}',
        "schema": {"type": ["string", "null"]},
    },
    "connect_timeout": {
        "label": "Connect timeout",
        "description": "Seconds for a connection to come about; default 10",
        "schema": {"type": ["integer", "null"], "minimum": 1},
    },
    "read_timeout": {
        "label": "Read timeout",
        "description": "Seconds for an answer; default 60",
        "schema": {"type": ["integer", "null"], "minimum": 1},
    },
    "upload_timeout": {
        "label": "Upload timeout",
        "description": "Seconds for the answer to an upload, an export or a run; default 600",
        "schema": {"type": ["integer", "null"], "minimum": 1},
    },
    "read_retries": {
        "label": "Read retries",
        "description": "How often a failed read is repeated, 0 to 10; default 4",
        # Text, because Airflow 2's form drops a number that is 0.
        "schema": {"type": ["string", "null"]},
    },
    "user_agent": {
        "label": "User agent",
        "description": "How requests name themselves; default airflow-provider-trifacta/<version>",
        "schema": {"type": ["string", "null"]},
    },
    "total_timeout": {
        "label": "Total timeout",
        "description": "Seconds for a whole call, repetitions and pages included; default 300",
        "schema": {"type": ["integer", "null"], "minimum": 1},
    },
    "upload_total_timeout": {
        "label": "Total upload timeout",
        "description": "The same for an upload, an export or a run; default 3600",
        "schema": {"type": ["integer", "null"], "minimum": 1},
    },
    "max_answer_size": {
        "label": "Largest answer",
        "description": "Bytes that an answer may have; default 8388608 (8 MiB)",
        "schema": {"type": ["integer", "null"], "minimum": 1},
    },
    "max_package_size": {
        "label": "Largest export",
        "description": "Bytes that an exported package may have; default 268435456 (256 MiB)",
        "schema": {"type": ["integer", "null"], "minimum": 1},
    },
}

UI_FIELD_BEHAVIOUR: dict[str, Any] = {
    # Nothing is hidden: extra holds the fields above in one, for those who prefer JSON.
    "hidden-fields": [],
    "relabeling": {
        "host": "Host or URL",
        "schema": "Scheme (http or https)",
        "login": "Login (none: token)",
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
    # Absent from a plain Airflow 3, where the server puts stand-ins in their place before it calls this.
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
