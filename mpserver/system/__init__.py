"""The operating system: the event loop, listeners, signals, processes, log files, systemd, subinterpreters."""
