"""Lets the examples, which name the ports 8080 and 8083 of this machine, reach a
router that listens elsewhere. Python imports this at the start if it finds it."""

import os
import socket

PORTS = {
    8080: int(os.environ.get("INTEROP_PORT", 8080)),
    8083: int(os.environ.get("INTEROP_PORT_TLS", 8083)),
}


def moved(method):
    def connect(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            address = (address[0], PORTS.get(address[1], address[1]), *address[2:])
        return method(self, address)

    return connect


socket.socket.connect = moved(socket.socket.connect)
socket.socket.connect_ex = moved(socket.socket.connect_ex)
