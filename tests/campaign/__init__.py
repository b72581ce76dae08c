"""The fault campaign: promotions through the real operators, on a virtual clock, while something
goes wrong at random.

``scripts/campaign`` runs it by hand, ``test_campaign.py`` runs a part of it with the tests, and
``docs/reliability.md`` has the table of one campaign.

=============  ================================================================================
``project``    everything that is taken from the provider, the emulator and Airflow: renames go here
``clock``      the time: only sleeping moves it
``world``      one run's instances, packages, connections and log
``wire``       each request of the tasks passes here: faults hit it, people act before it
``faults``     what may go wrong
``hits``       how it happens
``people``     what others do at the same time
``tasks``      runs an operator as Airflow does: tries, retries, deferral, XComs, the journal
``scheduler``  runs the tasks of the group as Airflow does: trigger rules, clears, marks, states
``acts``       what people do to a run of the group
``edits``      what people edit and clear between the tries of a single operator, and a worker that
               stops
``asked``      what a run was to reach, and what it made
``flows``      what is asked for: operators and sensors
``group``      the same with the whole group of tasks
``history``    what happened in the deployment, as the instance knows it
``statements`` whether what the group says is true
``ends``       whether what is proven stays, and what is not goes back
``variants``   the flows with their options
``judge``      compares what is there with what was asked for and with what the run says
``plans``      what a seed stands for, and how it is run
``tables``     the table
=============  ================================================================================
"""

from __future__ import annotations
