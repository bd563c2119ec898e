"""Judges a history of a run under faults by eight invariants: `python -m tests.faults.checker FILE...`.

It knows nothing of the product's code: it imports the standard library alone, and reads JSON lines (written by
`tests.faults.history`), one object a line. Times are seconds since 1970. Fields with a `?` may be absent.

- run: seed, commit, started_at, bounds{drain_factor, drain_extra_s, bystander_s}, consumers?{consumer: [source...]}.
- fault, one a window: fault, began_at, ended_at, quiet_at, ran, why_not, detail, poison, poison_records, bystander_s?,
  uncounted_s? (of its length, what does not count for I7: somebody took longer to start than a bound may grow by).
  `poison` lists streams meant to be parked: [consumer, source, subject, reason?, at_seq?]; `at_seq` is the first number
  that must not be applied; where the reason is a gap, later events may fill it, in order. `quiet_at`: when all outboxes
  were empty and no consumer lagged.
- operation: fault, process, id, what, subject ("" where unknown), key, invoked_at, completed_at, outcome (ok, fail,
  unknown), status, seq, source?: the last two as the answer names its event. A call without a key means itself alone.
- published: source, partition, offset, subject, seq, event_id, type, digest, written_at, data, forged.
- effect: consumer, source, subject, seq, event_id, applied_at, row (the order in which the consumer committed).
- state: service, subject, values{}, seq?, digest? (the subject's last number in the service's own archive, and the
  SHA-256 of "<seq> <event_id>\\n" of all its events in order: both or none). With values that are empty it says nothing
  of what is shown.
- tables: service, outbox, lag, below_floor, forks, gaps, parked [[source, subject, reason]...], poison_records,
  known_keys?{key: subject}, parkings? [[source, subject, reason]...] (all that were ever parked), fault? (taken after
  that window; without, at the end).
- offsets: service, at, offsets{partition: next offset}, as stored.

Which consumer reads which source: what the run line says in `consumers`, and every pair of which an effect is seen.
Where a poisoned stream must stop: before `at_seq`; else at the first forged record of the subject that parks (not
a repeat, not an older number); else anywhere short of the end.

What is judged:

- I1 every ok `open` has its ticket.created in intake's topic and a state line; every event that an ok answer names is
  in its topic, and of a type that the command can cause; no ticket that was opened is answered with 404 by intake.
- I2 no ticket without a call that asked for it; one key, one ticket; of what commands alone can do, no subject has more
  than it has keys of such calls that did not fail (emergencies are left out, for clocks ask too), and no handoff is
  requested twice; no event answers two keys; what failed had no effect; what stands in a topic stands in its service's
  archive, under the same ids.
- I3 per source and subject, first appearances are 1..n in one partition, repeats equal byte for byte.
- I4 per consumer, source and subject, effects are 1..n, each once, in order, of the events published; streams stop at
  their poison, and a forged gap at the forged number at the latest; nothing forged is applied.
- I5 when quiet: outboxes and lags are 0, parked and poison records are exactly the injected, nothing else was parked
  even for a while, and what services show is the fold over the topics.
- I6 no row below the floor, no fork and no gap but the injected, no stored offset that goes back.
- I7 the backlog is gone within drain_factor times the fault's length and drain_extra_s; of the length without
  uncounted_s.
- I8 while there is poison, no other stream waits longer than bystander_s; until the next window begins, no longer.

It exits with 0 where all that ran is ok, 1 where an invariant broke, 2 where a file is no whole history.
"""
