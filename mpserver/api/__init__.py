"""The objects that applications touch: the request, its connection and server, tables, filters."""
