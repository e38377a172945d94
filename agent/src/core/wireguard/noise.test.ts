/** The handshake byte by byte, from fixed keys: a change of any of these is a change of the protocol. */
import { expect, test } from "bun:test";
import { noblePrimitives } from "@burrow/platform";
import { fromHex, toHex } from "@burrow/protocol";
import { hash, kdf3, mac } from "./hash.ts";
import { initiatorOf } from "./noise.ts";
import { isLater, tai64n } from "./tai64n.ts";
import { ipv4, pair } from "./testkit.ts";

const PRIVATE_A = new Uint8Array(32).fill(0xa1);
const PRIVATE_B = new Uint8Array(32).fill(0xb2);
const PRESHARED = new Uint8Array(32).fill(0xcc);

/** Randomness that counts: 00 01 02 …, each draw where the last one stopped. */
function counting(start: number): (out: Uint8Array) => void {
  let next = start;
  return (out) => {
    for (let i = 0; i < out.length; i++) out[i] = next++;
  };
}

function goldenPair() {
  const common = { primitives: noblePrimitives, wallClock: () => 1_700_000_000_123 };
  return pair({
    presharedKeyA: PRESHARED,
    presharedKeyB: PRESHARED,
    a: { ...common, privateKey: PRIVATE_A, random: counting(0) },
    b: { ...common, privateKey: PRIVATE_B, random: counting(100) },
  });
}

test("initiation, response and first data are what they always were", () => {
  const { world, a, b } = goldenPair();
  a.send(ipv4(1, 2, Uint8Array.of(1, 2, 3)), world.now);
  world.run(100);
  expect(toHex(a.sentOf(1)[0]?.datagram ?? new Uint8Array())).toBe(INITIATION);
  expect(toHex(b.sentOf(2)[0]?.datagram ?? new Uint8Array())).toBe(RESPONSE);
  expect(toHex(a.sentOf(4)[0]?.datagram ?? new Uint8Array())).toBe(DATA);
  expect(b.delivered.length).toBe(1);
});

test("an initiation names its author to the owner of the key, and to nobody else", () => {
  const initiation = fromHex(INITIATION) ?? new Uint8Array();
  const author = initiatorOf(noblePrimitives, PRIVATE_B, initiation);
  expect(author).toEqual(noblePrimitives.x25519Public(PRIVATE_A));
  expect(initiatorOf(noblePrimitives, PRIVATE_B, initiation)).toEqual(author);
  expect(initiatorOf(noblePrimitives, PRIVATE_A, initiation)).toBeUndefined();
  expect(initiatorOf(noblePrimitives, PRIVATE_B, initiation.subarray(1))).toBeUndefined();
  for (const at of [8, 40, 87, 88, 115]) {
    const changed = initiation.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(initiatorOf(noblePrimitives, PRIVATE_B, changed)).toBeUndefined();
  }
});

test("timestamps are TAI64N without their low 24 bits, and are ordered", () => {
  expect(toHex(tai64n(1_700_000_000_123))).toBe("400000006553f10a07000000");
  expect(toHex(tai64n(0))).toBe("400000000000000a00000000");
  for (const [earlier, later] of [
    [0, 17],
    [999, 1_000],
    [1_700_000_000_983, 1_700_000_001_000],
  ] as const) {
    expect(isLater(tai64n(later), tai64n(earlier))).toBe(true);
    expect(isLater(tai64n(earlier), tai64n(later))).toBe(false);
  }
  expect(isLater(tai64n(5), tai64n(5))).toBe(false);
});

test("hash, MAC and key derivation have not moved", () => {
  const [key, data] = [new Uint8Array(32).fill(1), Uint8Array.of(1, 2, 3)];
  expect(toHex(hash(data, data))).toBe(HASHED);
  expect(toHex(mac(key, data))).toBe(MACED);
  expect(kdf3(key, data).map(toHex)).toEqual([...DERIVED]);
});

const INITIATION = [
  "01000000040506076ab71182224ee3a8eef1a590dc471ade6dab86fdeef038907cba1a727d42704f18ac574ea7d4502a",
  "ce2a785a2ad6039ddc117bda7c74da583c33bbee2032a52d75ff2b74fe776d07160b9c19e7bc8242d1dd11381d9fdc41",
  "a52b961f55b6f59a414e6fe4bcf1f1442d9fbd444ca942099fb8101f4d4cc2dafd6d2d96000000000000000000000000",
  "00000000",
].join("");
const RESPONSE = [
  "0200000088898a8b040506077e7c5c7029242d2c69a88b65a089dcdb61806bf92eb758b247df929ea18ac40e15088731",
  "82481fb38bae3be94b1fa3ebe4f85d9ee747ec45e83ec1863f82158500000000000000000000000000000000",
].join("");
const DATA = [
  "0400000088898a8b00000000000000007fb9b14a13f9b00197e0b814af4ec768ac089e4813786e1fd3845afb314d858f",
  "4fc9665fa68844cb47aafe0f7b3129b2",
].join("");
/** Computed with Python's hashlib and hmac. */
const HASHED = "15b5e2bd1a6bcc630bbddc969d8bf67d9048a9b2fa995384d1b6a0cb330f305e";
const MACED = "1b8cceb5385e81e9de57ec7d1e70235a";
const DERIVED: readonly string[] = [
  "ea5f5c5936e8fff79d0d0a0882b9af8d237d84dc18094e0444d60bd42cdf0d14",
  "2223ae8f3bc6f092a9370ca205716c4cc273700a7c75a0dcdc83cc109fc41c0a",
  "d59f0070b3895a46303c8b13cc6d0799d138207ebe93e1c82a87a46bee1b9afd",
];
