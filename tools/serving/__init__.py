"""Compares how this server and gunicorn serve the same WSGI applications; see `serving.main`."""
