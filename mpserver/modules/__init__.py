"""The modules: one file per httpd module or family, with the directives that it owns.

`mpserver.modules.all` knows them all. A request's road imports what it needs from the single modules.
"""
