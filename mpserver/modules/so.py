"""Modules that are there so that LoadModule and IfModule know them (httpd's mod_so and others).

LoadModule itself acts while the configuration is read (`mpserver.config.reader`); all modules are
built in. Listed here are those without directives of their own in this server.
"""

from __future__ import annotations

from mpserver.config.registry import Module

MODULES = (
    Module("mod_so.c", "so_module", ()),
    Module("http_core.c", "http_module", ()),
    Module("mod_version.c", "version_module", ()),  # IfVersion
    Module("mod_logio.c", "logio_module", ()),  # %I, %O and %S of LogFormat
    Module("mod_systemd.c", "systemd_module", ()),  # READY and STOPPING are told to systemd
)
