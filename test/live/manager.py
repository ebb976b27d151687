"""Plays the service manager of sd_notify(3): python3 manager.py NOTIFY_SOCKET [SOCKET_TO_TRY ...]

Prints one JSON array of lines per datagram; to one with READY=1 it adds for each other socket whether it accepts.
"""
import json
import socket
import sys


def accepts(path):
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.connect(path)
        return True
    except OSError:
        return False
    finally:
        probe.close()


def address(text):
    return "\0" + text[1:] if text.startswith("@") else text


receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(address(sys.argv[1]))
print("[]", flush=True)
while True:
    lines = receiver.recv(4096).decode().split("\n")
    if "READY=1" in lines:
        lines += [f"accepts={accepts(path)}" for path in sys.argv[2:]]
    print(json.dumps(lines), flush=True)
