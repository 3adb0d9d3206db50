"""Connections inside an interpreter: reading requests, serving them, and handing connections over."""
