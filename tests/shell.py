"""Commands for a whole Airflow, as a person types them."""

from __future__ import annotations

import json
import threading

#: Runs commands in one process that has loaded Airflow. By itself each of them would load it, which
#: takes seconds.
_PROGRAM = """
import json, os, runpy, shlex, sys, tempfile, traceback
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # Airflow may warn
from airflow.__main__ import main
from airflow.cli.commands import task_command
from airflow_provider_trifacta.hooks import trifacta

def run(code):
    words = shlex.split(code)
    if words[0] == "airflow":
        sys.argv = words
        main()
    elif words[:2] == ["python", "-m"]:
        sys.argv = words[2:]
        runpy.run_module(words[2], run_name="__main__")
    else:
        assert words[:2] == ["python", "-c"], words
        exec(words[2], {})

for line in sys.stdin:
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if not child:
            status = 1
            os.dup2(output.fileno(), 1), os.dup2(output.fileno(), 2)
            try:
                run(json.loads(line))
                status = 0
            except SystemExit as end:
                status = end.code or 0
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(status if isinstance(status, int) else 1)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        answers.write(json.dumps([status, output.read().decode(errors="replace")]) + "\\n")
"""


class Shell:
    """A terminal on the machine of an Airflow.

    It knows ``airflow ...``, ``python -m ...`` and ``python -c ...``.

    :param airflow: where it is
    """

    def __init__(self, airflow) -> None:
        self._lock = threading.Lock()
        self._process = airflow.start_python("-c", _PROGRAM)

    def run(self, code: str) -> str:
        """Run a command that must succeed, and return what it printed."""
        with self._lock:
            self._process.stdin.write(json.dumps(code) + "\n")
            self._process.stdin.flush()
            status, output = json.loads(self._process.stdout.readline())
        assert status == 0, f"{code}\n{output}"
        return output
