"""CGI for servers with threads, which mod_cgi serves here as well (httpd's mod_cgid)."""
