"""The parts of ``mod_python.psp``: pages become Python (`parser`), Python becomes code whose errors tell
the page's lines (`compiler`, `collect`, `trace`), and code is kept (`cache`)."""
