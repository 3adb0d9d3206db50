"""What tools/audit is made of."""
