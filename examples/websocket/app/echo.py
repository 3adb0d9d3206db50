"""WebSockets over ``req.connection``: a header-parser handler takes the connection over, and sends back what comes.

The protocol is the business of a library, `websockets`, which makes bytes of messages and messages of bytes.
"""

from __future__ import annotations

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from mod_python import apache


def headerparserhandler(req: apache.Request) -> int:
    """Speak WebSocket with who asks for it; all other requests go on."""
    if req.headers_in.get("Upgrade", "").lower() != "websocket":
        return apache.DECLINED
    protocol = ServerProtocol()
    head = [req.the_request, *(f"{name}: {value}" for name, value in req.headers_in.items()), "", ""]
    protocol.receive_data("\r\n".join(head).encode())
    for request in protocol.events_received():
        assert isinstance(request, Request)  # (nothing else comes before it)
        protocol.send_response(protocol.accept(request))
    try:
        talk(req.connection, protocol)
    except OSError as error:
        req.log_error(f"the WebSocket ended: {error}", apache.APLOG_INFO)
    # There is no answer of HTTP after this, and the connection ends.
    req.assbackwards = 1
    return apache.DONE


def talk(connection: apache.Connection, protocol: ServerProtocol) -> None:
    """Carry bytes between the client and the protocol until one of them closes."""
    send(connection, protocol)
    while not protocol.close_expected():
        data = connection.read()
        if not data:
            protocol.receive_eof()
            return
        protocol.receive_data(data)
        for frame in protocol.events_received():
            if isinstance(frame, Frame):
                answer(protocol, frame)
        send(connection, protocol)


def send(connection: apache.Connection, protocol: ServerProtocol) -> None:
    """Send what the protocol has to say."""
    for data in protocol.data_to_send():
        if data:
            connection.write(data)


def answer(protocol: ServerProtocol, frame: Frame) -> None:
    """Send a frame of a message back; pings and the end of the conversation are answered by the protocol."""
    if frame.opcode is Opcode.TEXT:
        protocol.send_text(frame.data, fin=frame.fin)
    elif frame.opcode is Opcode.BINARY:
        protocol.send_binary(frame.data, fin=frame.fin)
    elif frame.opcode is Opcode.CONT:
        protocol.send_continuation(frame.data, fin=frame.fin)
