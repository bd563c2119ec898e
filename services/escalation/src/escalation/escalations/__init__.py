"""Escalations: policies that say who hears of trouble when and what is done, and runs, which take their steps.

Consumer and commands only note what happened to a run and set its timer; the timer takes the steps, in a transaction
that has looked at the ticket again.

Rooms of its own:

- `policy.py` (above domain): policies and what they may say, because `domain` holds runs.
- `stepping.py` (above policy): the run as a state machine, pure and too long to stand beside its values.
- `wording.py` (above stepping): what people and systems are told of a step, because these are texts and nothing else.
- `keeping.py` (above store): saves runs with their timer, events and alarms, for commands, events and timers alike.
- `targets.py` (above keeping): who is meant by the targets of a step, because it asks the directory.
- `doing.py` (above targets): what each action does, because it reaches into other slices and services.
- `policies.py` (above doing): the use cases of policies, too long to stand beside those of runs.
- `past.py` (above policies): what ended for good, because clocks and runs together say so.
- `following.py` (above past): the use case of the consumer, too long to stand beside the commands.
"""
