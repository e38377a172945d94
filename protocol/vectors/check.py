#!/usr/bin/env python3
"""Recomputes the vectors in this folder from PROTOCOL.md alone: Python's standard library and none of our code.

Shows that the document suffices for another implementation. Slow and not constant-time: never use it for anything else.
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).parent
MASK = 0xFFFFFFFF


def rotate(value, bits):
    return ((value << bits) & MASK) | (value >> (32 - bits))


def rounds(state):
    """The twenty rounds of ChaCha (RFC 8439 §2.3), without the final addition."""
    for _ in range(10):
        for a, b, c, d in (
            (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
            (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
        ):  # fmt: skip
            state[a] = (state[a] + state[b]) & MASK
            state[d] = rotate(state[d] ^ state[a], 16)
            state[c] = (state[c] + state[d]) & MASK
            state[b] = rotate(state[b] ^ state[c], 12)
            state[a] = (state[a] + state[b]) & MASK
            state[d] = rotate(state[d] ^ state[a], 8)
            state[c] = (state[c] + state[d]) & MASK
            state[b] = rotate(state[b] ^ state[c], 7)
    return state


def initial(key, tail):
    return list(struct.unpack("<16I", b"expand 32-byte k" + key + tail))


def chacha20(key, nonce, counter, data):
    out = bytearray()
    for at in range(0, len(data), 64):
        start = initial(key, struct.pack("<I", counter + at // 64) + nonce)
        words = [(a + b) & MASK for a, b in zip(rounds(start[:]), start)]
        out += bytes(a ^ b for a, b in zip(data[at : at + 64], struct.pack("<16I", *words)))
    return bytes(out)


def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    sum_ = 0
    for at in range(0, len(message), 16):
        sum_ = (sum_ + int.from_bytes(message[at : at + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return ((sum_ + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def chacha20_poly1305(key, nonce, header, plaintext):
    """RFC 8439 §2.8."""
    sealed = chacha20(key, nonce, 1, plaintext)
    padded = header + bytes(-len(header) % 16) + sealed + bytes(-len(sealed) % 16)
    mac_key = chacha20(key, nonce, 0, bytes(32))
    return sealed + poly1305(mac_key, padded + struct.pack("<QQ", len(header), len(sealed)))


def xchacha20_poly1305(key, nonce, header, plaintext):
    """draft-irtf-cfrg-xchacha-03 §2."""
    words = rounds(initial(key, nonce[:16]))
    subkey = struct.pack("<8I", *words[:4], *words[12:])
    return chacha20_poly1305(subkey, bytes(4) + nonce[16:], header, plaintext)


def x25519(scalar, point):
    """RFC 7748 §5."""
    p = 2**255 - 19
    k = int.from_bytes(scalar, "little") & ~7 & (2**255 - 1) | 2**254
    u = int.from_bytes(point, "little") & (2**255 - 1)
    x2, z2, x3, z3 = 1, 0, u, 1
    for bit in range(254, -1, -1):
        if k >> bit & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        x3, z3 = (d * a + c * b) ** 2 % p, u * (d * a - c * b) ** 2 % p
        e = a * a - b * b
        x2, z2 = a * a * b * b % p, e * (a * a + 121665 * e) % p
        if k >> bit & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, p - 2, p) % p).to_bytes(32, "little")


def hkdf(shared, label, info):
    """RFC 5869 over HMAC-BLAKE2s, one block of output."""
    extracted = hmac.new(label, shared, hashlib.blake2s).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.blake2s).digest()


def keyed(label, data, length):
    return hashlib.blake2s(data, key=label, digest_size=length).digest()


def h(text):
    return bytes.fromhex(text)


def endpoint(text):
    address, port = text.rsplit(":", 1)
    ip = ipaddress.ip_address(address.strip("[]"))
    raw = ip.packed if ip.version == 6 else bytes(10) + b"\xff\xff" + ip.packed
    return raw + struct.pack("<H", int(port))


def identity(case):
    public = x25519(h(case["privateKey"]), (9).to_bytes(32, "little"))
    agent = keyed(b"burrow agent id v1", public, 8)
    prefix = b"\xfd" + keyed(b"burrow ula v1", h(case["network"]), 5) + bytes(2)
    yield public.hex(), case["publicKey"]
    yield base64.b64encode(public).decode(), case["keyText"]
    yield agent.hex(), case["agentId"]
    yield keyed(b"burrow relay id v1", public, 8).hex(), case["relayId"]
    yield str(ipaddress.IPv6Address(prefix + agent)), case["overlayAddress6"]
    yield f"{ipaddress.IPv6Address(prefix + bytes(8))}/64", case["overlayPrefix6"]


def derived(case):
    shared = x25519(h(case["privateKey"]), h(case["theirKey"]))
    yield shared.hex(), case["shared"]
    keys = [h(case["first"]), h(case["second"])]
    label = {"probe": b"burrow probe v1", "trunk": b"burrow trunk v1", "proof": b"burrow channel proof v1"}
    if case["kind"] == "probe":
        keys.sort()
    info = h(case.get("nonce", "")) + b"".join(keys)
    yield hkdf(shared, label[case["kind"]], info).hex(), case["key"]


def ticket(case):
    plaintext = struct.pack("<BBBBQ", 1, case["acceptsOutside"], case["rateClass"], 0, case["expiresAtMs"])
    plaintext += h(case["agentKey"]) + h(case["sessionKey"]) + h(case["network"])
    header = b"burrow ticket v1" + h(case["relay"])
    sealed = xchacha20_poly1305(h(case["ticketKey"]), h(case["nonce"]), header, plaintext)
    yield case["nonce"] + sealed.hex(), case["hex"]


def bind(case):
    header = b"\xb1\x01\0\0" + h(case["ticket"])
    plaintext = struct.pack("<Q", case["sequence"]) + h(case["cookie"])
    plaintext += struct.pack("<BBH", case["leaving"], len(case["flows"]), 0)
    for flow in case["flows"]:
        plaintext += struct.pack("<I", flow["receiverIndex"]) + h(flow["agent"])
    sealed = xchacha20_poly1305(h(case["sessionKey"]), h(case["nonce"]), header, plaintext)
    yield header.hex() + case["nonce"] + sealed.hex(), case["hex"]


def bound(case):
    header = b"\xb2\x01\0\0"
    plaintext = struct.pack("<QBB", case["sequence"], case["status"], 0) + endpoint(case["observed"])
    plaintext += h(case["cookie"]) + struct.pack("<H", case["lifetimeS"])
    sealed = xchacha20_poly1305(h(case["sessionKey"]), h(case["nonce"]), header, plaintext)
    yield header.hex() + case["nonce"] + sealed.hex(), case["hex"]


def probe(case):
    kind = {"probe": 0xB3, "probeAck": 0xB4}[case["kind"]]
    header = struct.pack("<BBH", kind, 1, 0) + h(case["receiver"]) + h(case["sender"])
    observed = endpoint(case["observed"]) if case["observed"] else bytes(18)
    plaintext = h(case["transaction"]) + observed + bytes([case.get("hasBegun", False), 0]) + bytes(case["lengthBytes"] - 88)
    sealed = xchacha20_poly1305(h(case["key"]), h(case["nonce"]), header, plaintext)
    yield header.hex() + case["nonce"] + sealed.hex(), case["hex"]


def introduction(case):
    header = struct.pack("<BBH", 0xB8, 1, 0) + h(case["receiver"]) + h(case["sender"])
    ports = case["natPorts"] or {}
    mapping = ["unknown", "none", "endpoint-independent", "address-dependent"].index(case["nat"])
    order = [None, "preserving", "sequential", "random"].index(ports.get("order"))
    plaintext = struct.pack("<QBBB", case["sequence"], case["wantsAnswer"], mapping, order)
    plaintext += struct.pack("<bHBB", ports.get("step", 0), ports.get("last", 0), len(case["candidates"]), 0)
    for candidate in case["candidates"]:
        plaintext += bytes([["host", "reflexive", "mapped", "stated"].index(candidate["kind"])])
        plaintext += endpoint(candidate["endpoint"])
    sealed = xchacha20_poly1305(h(case["key"]), h(case["nonce"]), header, plaintext)
    yield header.hex() + case["nonce"] + sealed.hex(), case["hex"]


def trunk(case):
    boot, counter = struct.pack("<I", case["boot"]), struct.pack("<Q", case["counter"])
    packet = b"\xb5" + boot[:3] + h(case["sender"]) + counter
    packet += h(case["source"]) + h(case["destination"]) + h(case["packet"])
    tag = chacha20_poly1305(h(case["key"]), boot + counter, packet, b"")
    yield packet.hex() + tag.hex(), case["hex"]


def trunk_ping(case):
    boot, counter = struct.pack("<I", case["boot"]), struct.pack("<Q", case["counter"])
    kind = {"trunkPing": b"\xb6", "trunkPong": b"\xb7"}[case["kind"]]
    packet = kind + boot[:3] + h(case["sender"]) + counter + h(case["transaction"])
    tag = chacha20_poly1305(h(case["key"]), boot + counter, packet, b"")
    yield packet.hex() + tag.hex(), case["hex"]


def wire(case):
    yield endpoint(case["endpoint"]).hex(), case["wire"]


CHECKS = {
    "identities": identity,
    "keys": derived,
    "ticket": ticket,
    "bind": bind,
    "bound": bound,
    "probe": probe,
    "introduction": introduction,
    "trunk": trunk,
    "trunk-ping": trunk_ping,
    "endpoint": wire,
}


def main():
    checked = 0
    for name, check in CHECKS.items():
        for number, case in enumerate(json.loads((HERE / f"{name}.json").read_text())):
            for computed, stated in check(case):
                if computed != stated:
                    raise SystemExit(f"{name}.json, case {number}: computed {computed}, stated {stated}")
                checked += 1
    print(f"{checked} values agree")


if __name__ == "__main__":
    main()
