"""S5: the relay beside Debezium's outbox connector, which reads the database's log instead of its tables."""
