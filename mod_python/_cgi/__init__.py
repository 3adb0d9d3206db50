"""What runs unmodified CGI scripts as handlers: their streams, their variables, and the stage they run on."""
