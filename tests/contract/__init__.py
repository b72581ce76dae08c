"""The contract: what each change of production ends with, after each event, with and without the
journal.

``changes.py`` has the changes, ``events.py`` what may happen to one, and ``rows.py`` what the two
promise together. ``world.py`` runs the real operators against the emulator, on a clock that only
sleeping moves. ``truth.py`` compares what an error says with the server. ``table.py`` makes the
table of retries and clears in the guide.
"""
