# Tells whoever calls by which address it was seen, over TCP and UDP, IPv4 and IPv6.
#   echo.py serve PORT...          prints "ready" when it listens on all
#   echo.py ask tcp|udp HOST PORT  prints what it was told; exit 1 and the errno's name when there was no answer
import errno
import select
import socket
import sys

TIMEOUT = 0.7


def serve(ports):
    listening = []
    for port in ports:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            s = socket.socket(socket.AF_INET6, kind)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            s.bind(("::", port))
            if kind == socket.SOCK_STREAM:
                s.listen(64)
            listening.append(s)
    print("ready", flush=True)
    while True:
        for s in select.select(listening, [], [])[0]:
            if s.type == socket.SOCK_STREAM:
                connection, peer = s.accept()
                connection.sendall(peer[0].replace("::ffff:", "").encode())
                connection.close()
            else:
                _, peer = s.recvfrom(64)
                s.sendto(peer[0].replace("::ffff:", "").encode(), peer)


def ask(kind, host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(TIMEOUT)
    try:
        s.connect((host, port))
        if kind == "udp":
            s.send(b"?")
        print(s.recv(64).decode())
    except OSError as error:
        print("timeout" if isinstance(error, socket.timeout) else errno.errorcode.get(error.errno, str(error)))
        sys.exit(1)


if sys.argv[1] == "serve":
    serve([int(port) for port in sys.argv[2:]])
else:
    ask(sys.argv[2], sys.argv[3], int(sys.argv[4]))
