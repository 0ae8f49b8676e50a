"""Which connections end with FIN and which with RST, as the packets of the loopback interface say.

    python wire.py

Needs root, and the network namespace of a test: what others send would be read, too. One JSON event per line on standard
output for each end of a TCP stream, with the port that it comes from and the one that it goes to.
"""

import json
import socket

ALL, LOOPBACK, IPV4, TCP = 0x0003, "lo", 0x0800, 6
LINK_HEADER = 14
FIN, RST = 0x01, 0x04


def main() -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL)) as packets:
        packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        packets.bind((LOOPBACK, 0))
        print(json.dumps({"event": "listening"}), flush=True)
        while True:
            # Of each packet the headers are enough.
            packet, (_, protocol, kind, *_) = packets.recvfrom(128)
            # The loopback interface shows each packet as it leaves and as it comes.
            if protocol != IPV4 or kind == socket.PACKET_OUTGOING or packet[LINK_HEADER + 9] != TCP:
                continue
            segment = packet[LINK_HEADER + 4 * (packet[LINK_HEADER] & 0x0F) :]
            flags = segment[13]
            if flags & (FIN | RST):
                sender, receiver = int.from_bytes(segment[:2]), int.from_bytes(segment[2:4])
                end = "RST" if flags & RST else "FIN"
                print(json.dumps({"event": "end", "from": sender, "to": receiver, "end": end}), flush=True)


if __name__ == "__main__":
    main()
