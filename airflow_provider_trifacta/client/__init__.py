"""The Trifacta v4 API in Python, usable without Airflow.

This module is the public surface: what it imports here, and every error. The modules below it are
internal, and may change in any release, except :mod:`.errors` and :mod:`.models`, whose classes are
all public.

Parsing a DAG loads no HTTP library: the operators import this package, and the client loads one at
its first request.

Marks in docstrings and comments name the evidence for what the API does:

* [R] read in the vendor's documents
* [P] seen in a real artefact, such as an exported package or the source of another client
* [I] inferred from these
* [M] from memory of the vendor's documents, not read again
* [?] unknown: the client must work with each possible behaviour
"""

from __future__ import annotations

from .client import Clock as Clock
from .client import TrifactaClient as TrifactaClient
from .config import ClientConfig as ClientConfig
from .config import resolve_base_url as resolve_base_url
from .errors import *  # noqa: F403 - each of its names is an error
from .imports import FlowImport as FlowImport
from .imports import ImportResult as ImportResult
from .models import Connection as Connection
from .models import Deployment as Deployment
from .models import Flow as Flow
from .models import ImportRule as ImportRule
from .models import JobGroup as JobGroup
from .models import Person as Person
from .models import Recipe as Recipe
from .models import Release as Release
