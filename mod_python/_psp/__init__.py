"""The parts of ``mod_python.psp``: pages become Python, Python becomes code, and code is kept."""
