"""``mod_python.python22``: what Python 2.2 lacked. Programs import it; every Python has all of that now."""
