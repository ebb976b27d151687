# Sends from one UDP port again and again, and prints each new thing that is answered: udp-persist.py HOST PORT
import socket
import sys

family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.settimeout(0.1)
last = None
while True:
    try:
        s.sendto(b"?", (sys.argv[1], int(sys.argv[2])))
        answer = s.recv(64).decode()
    except OSError:
        answer = "nothing"
    if answer != last:
        print(answer, flush=True)
    last = answer
