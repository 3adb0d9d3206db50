"""WSGI (PEP 3333): the environ, the exchange with an application, and where applications are mounted."""
