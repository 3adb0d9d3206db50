"""A worker's interpreters as the worker sees them: their kinds, the pool, replacement, and the zygotes of processes."""
