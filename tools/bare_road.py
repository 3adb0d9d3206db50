"""The bare road: what a Python loop on one core can do at most, as the measure for the server.

It reads what comes and answers with a constant: no parsing, no request, no handler, one address.
Usage: python bare_road.py PORT
"""

from __future__ import annotations

import select
import socket
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nContent-Type: text/plain\r\n\r\nHello World!"


def serve(port: int) -> None:
    """Answer every read on every connection, for ever."""
    listener = socket.create_server(("127.0.0.1", port), backlog=512)
    ready, clients = select.epoll(), dict[int, socket.socket]()
    ready.register(listener, select.EPOLLIN)
    while True:
        for number, _event in ready.poll():
            client = clients.get(number)
            if client is None:
                client, _address = listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                clients[client.fileno()] = client
                ready.register(client, select.EPOLLIN)
                continue
            try:
                asked = client.recv(65536)
                if asked:
                    client.send(ANSWER)
                    continue
            except ConnectionError:
                pass
            clients.pop(number).close()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
