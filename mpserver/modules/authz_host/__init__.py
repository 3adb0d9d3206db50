"""Require ip, host, forward-dns and local (httpd's mod_authz_host)."""
