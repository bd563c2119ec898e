"""How events leave a service's database for Kafka, and how those of other services reach it, each exactly once."""
