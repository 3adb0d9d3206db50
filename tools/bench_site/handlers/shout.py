"""The smallest filter."""


def outputfilter(filter):
    """Pass everything on in capitals."""
    piece = filter.read()
    while piece:
        filter.write(piece.upper())
        piece = filter.read()
    if piece is None:
        filter.close()
