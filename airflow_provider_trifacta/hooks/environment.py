"""Why Airflow cannot read a connection of the environment. Airflow itself only says that there is
none.
"""

from __future__ import annotations

import json
import os

_URI = (
    "Percent-encode the login, the password and every other part of the URI, or write the"
    " connection as JSON."
)
_KEYS = (
    "Its keys must be among conn_type, description, host, schema, port, login, password and extra,"
    " and port must be a number."
)


def problem_of_variable(conn_id: str) -> str | None:
    """Return what is wrong with the environment variable of a connection that Airflow did not find
    or not understand.

    Nothing of the value is quoted, because it holds the password.

    :param conn_id: the Airflow connection
    :returns: the words of an error; None if there is no such variable
    """
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    value = os.environ.get(variable)
    if value is None:
        return None
    text = value.strip()
    if not text:
        return f"The environment variable {variable} is empty."
    in_quotes = text[0] in "'\""
    content = text[1:] if in_quotes else text
    if not content.startswith(("{", "[")):
        return f"Airflow cannot read the environment variable {variable} as a URI. {_URI}"
    begin = f"Airflow cannot read the environment variable {variable} as JSON:"
    if in_quotes:
        return f"{begin} there are quotes around it. Remove them."
    try:
        fields = json.loads(text)
    except json.JSONDecodeError as error:
        return f"{begin} {error.msg} at line {error.lineno}, column {error.colno}. Correct it."
    except (ValueError, RecursionError):
        return f"{begin} it is nested too deeply, or holds a number that is too long. Correct it."
    if isinstance(fields, dict):
        return f"{begin} {_KEYS}"
    return f"{begin} it is a list and not an object. Correct it."
