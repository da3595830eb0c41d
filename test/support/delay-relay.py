#!/usr/bin/env python3
"""Delays packets by (source /24, destination /24), where the kernel has no netem: a TUN device that gives back
what is routed into it. Usage: delay-relay.py DEVICE; each line on stdin is `SOURCE DESTINATION MILLISECONDS`
with both networks as their first three octets, `10.77.0 203.0.113 150`."""
import fcntl
import heapq
import os
import select
import struct
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000

tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", sys.argv[1].encode(), IFF_TUN | IFF_NO_PI))
print("ready", flush=True)

delays = {}
queue = []
order = 0
while True:
    wait = max(0, queue[0][0] - time.monotonic()) if queue else None
    readable, _, _ = select.select([tun, sys.stdin], [], [], wait)
    if sys.stdin in readable:
        line = sys.stdin.readline()
        if not line:
            sys.exit()
        source, destination, milliseconds = line.split()
        key = bytes(int(octet) for octet in source.split(".") + destination.split("."))
        delays[key] = float(milliseconds) / 1000
        print("set", flush=True)
    if tun in readable:
        packet = os.read(tun, 4096)
        order += 1  # equal times leave in their order
        due = time.monotonic() + delays.get(packet[12:15] + packet[16:19], 0)
        heapq.heappush(queue, (due, order, packet))
    while queue and queue[0][0] <= time.monotonic():
        try:
            os.write(tun, heapq.heappop(queue)[2])
        except OSError:
            pass  # the device is down: the packet is lost, as on a wire
