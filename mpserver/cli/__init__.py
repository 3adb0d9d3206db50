"""The command ``mpserver``: its options, and what it tells without a server or of a running one."""
