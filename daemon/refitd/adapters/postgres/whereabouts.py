"""Where the server is: as our end of the connection has it, and as the server itself says."""

from __future__ import annotations

import os
import socket

import psycopg
from psycopg.rows import TupleRow

from refitd.core.clone.residence import Server

_ITSELF = "select host(inet_server_addr()), inet_server_port()"


def server_of(connection: psycopg.Connection[TupleRow]) -> Server:
    """A Unix socket has no addresses."""
    with socket.socket(fileno=os.dup(connection.fileno())) as ours:
        if ours.family == socket.AF_UNIX:
            return Server()
        own_end, peer = ours.getsockname(), ours.getpeername()
    row = connection.execute(_ITSELF).fetchone()
    address, port = row or (None, None)
    return Server(str(peer[0]), int(peer[1]), str(own_end[0]), address, port)
