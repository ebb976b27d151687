# Sends one router advertisement to all nodes: router-advertise.py LINK PREFIX/64
# RFC 4861 section 4.2, with a prefix information option (4.6.2) that allows autonomous addresses.
import socket
import struct
import sys

link, prefix = sys.argv[1], sys.argv[2].split("/")[0]
index = socket.if_nametoindex(link)
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
# type 134, code 0, checksum by the kernel, hop limit 64, no flags, lifetime 1800 s, reachable and retrans unspecified
advertisement = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
# option 3, 4 * 8 bytes, /64, on-link and autonomous, valid and preferred for an hour
option = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0) + socket.inet_pton(socket.AF_INET6, prefix)
s.sendto(advertisement + option, ("ff02::1", 0, 0, index))
