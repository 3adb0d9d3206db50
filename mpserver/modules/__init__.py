"""httpd's modules, a folder each, named as httpd names them: `mpserver.modules.headers` is mod_headers.

A module has two faces, which are loaded apart:

NAME/__init__    its settings, and what others may ask of them; light, for whoever looks at the configuration
NAME/directives  what the configuration may say: ``DIRECTIVES``; loaded where configuration is read
NAME/hooks       its part in requests; loaded by an interpreter whose configuration needs it

Other files of its folder are its own. `mpserver.modules.all` has the table of all modules; ``values`` and ``paths``
read what directives are given, ``expressions`` is httpd's language of conditions.
"""
