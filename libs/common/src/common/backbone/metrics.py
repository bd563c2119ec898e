"""What the backbone measures. Names are part of the operator's contract; units stand in them or beside them."""

from opentelemetry import metrics

_meter = metrics.get_meter("frontline.backbone")

oldest_age = _meter.create_gauge("frontline.outbox.oldest_age", "s", "how long the oldest unpublished event waits")
published = _meter.create_counter("frontline.outbox.published", "{event}", "events that Kafka acknowledged")
below_floor = _meter.create_counter("frontline.outbox.below_floor", "{row}", "rows found below the floor: must be 0")
sessions = _meter.create_counter(
    "frontline.outbox.sessions", "{session}", "producers made; each but the first a failure"
)
publish_seconds = _meter.create_histogram(
    "frontline.outbox.publish_duration", "s", "one batch, from its sending to its acknowledgement"
)
leases = _meter.create_counter("frontline.outbox.leases", "{lease}", "shards taken, each under a new epoch")
shards = _meter.create_gauge("frontline.outbox.shards", "{shard}", "shards that this process holds")

applied = _meter.create_counter("frontline.consumer.applied", "{event}", "events applied, by topic")
duplicates = _meter.create_counter("frontline.consumer.duplicates", "{event}", "repeats dropped")
gaps = _meter.create_counter("frontline.consumer.gaps", "{subject}", "subjects parked because events are missing")
forks = _meter.create_counter("frontline.consumer.forks", "{subject}", "subjects parked: one number, two events")
fenced = _meter.create_counter(
    "frontline.consumer.fenced", "{transaction}", "transactions of an owner that was replaced"
)
poison = _meter.create_counter("frontline.consumer.poison", "{record}", "records that no subject can be found for")
time_lag = _meter.create_gauge(
    "frontline.consumer.time_lag", "s", "age of the last record applied or the first that waits; 0 where none is left"
)
offset_lag = _meter.create_gauge("frontline.consumer.offset_lag", "{record}", "records not yet applied, by partition")
batch_seconds = _meter.create_histogram("frontline.consumer.batch_duration", "s", "one transaction of a batch")
batch_events = _meter.create_histogram("frontline.consumer.batch_size", "{event}", "events applied by one transaction")
rebalances = _meter.create_counter("frontline.consumer.rebalances", "{assignment}", "times that partitions were dealt")
claims = _meter.create_counter("frontline.consumer.claims", "{claim}", "partitions taken, each under a new epoch")
parked = _meter.create_gauge("frontline.consumer.parked_subjects", "{subject}", "subjects parked now")
redriven = _meter.create_counter("frontline.consumer.redriven", "{event}", "parked events applied after all")
redrives = _meter.create_counter("frontline.consumer.redrives", "{redrive}", "redrives, by what came of them")
oldest_parked = _meter.create_gauge("frontline.consumer.oldest_parked", "s", "how long the oldest subject is parked")
poison_kept = _meter.create_gauge("frontline.consumer.poison_records", "{record}", "poison records kept now")
