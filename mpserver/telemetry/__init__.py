"""The process that exports traces by OTLP: it reads what interpreters tell of their requests, and sends spans."""
