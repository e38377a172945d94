"""Puts any bytes into a TUN device as if the system had sent them: `junk.py DEVICE COUNT SEED`."""
import random
import socket
import struct
import sys

ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
# A peer's network, so that a part of it has somewhere to go.
OVERLAY = bytes([100, 64, 0])

device, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
dice = random.Random(seed)
out = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)

for _ in range(count):
    body = dice.randbytes(dice.choice([0, 1, 7, 19, 20, 39, 40, 60, 500, 1320]))
    kind = dice.randrange(4)
    if kind == 0:
        packet = body
    elif kind == 1:
        # IPv4 whose length, header length, fragment fields and protocol may be lies.
        length = dice.choice([20 + len(body), dice.randrange(65536)])
        first = dice.choice([0x45, 0x45, 0x40 + dice.randrange(16)])
        fragment = dice.choice([0, 0x4000, 0x2000, dice.randrange(65536)])
        protocol = dice.choice([1, 6, 17, dice.randrange(256)])
        source = OVERLAY + bytes([dice.randrange(8)])
        target = OVERLAY + bytes([dice.randrange(8)])
        head = struct.pack("!BBHHHBBH", first, 0, length, dice.randrange(65536), fragment, 64, protocol, 0)
        packet = head + source + target + body
    elif kind == 2:
        head = struct.pack("!IHBB", 6 << 28, dice.choice([len(body), 65535]), dice.randrange(256), 64)
        packet = head + dice.randbytes(32) + body
    else:
        packet = bytes([dice.choice([0x45, 0x60])]) + body
    protocol = ETH_P_IPV6 if packet[:1] and packet[0] >> 4 == 6 else ETH_P_IP
    try:
        out.sendto(packet or b"\0", (device, protocol))
    except OSError:
        # The device's queue is full, or takes no such length.
        pass
