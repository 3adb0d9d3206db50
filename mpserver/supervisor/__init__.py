"""What the master process is made of: workers, generations, restarts, the control socket."""
