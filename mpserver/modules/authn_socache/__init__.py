"""The cache of passwords of httpd's mod_authn_socache, which is not needed: providers remember what was right."""
