"""Require file-owner and file-group: whose the file of a request is (httpd's mod_authz_owner)."""
