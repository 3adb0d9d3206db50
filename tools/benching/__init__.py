"""What tools/bench is made of: cases, servers, the load, what is told of it."""
