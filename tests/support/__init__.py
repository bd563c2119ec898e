"""What tests share: real servers, fresh databases and topics, and the one way of waiting."""
