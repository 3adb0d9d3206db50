"""Forms: fields, their storage, multipart bodies, and calling a function with them."""
