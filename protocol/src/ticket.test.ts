/** Tickets: golden vectors, hostile bytes, and what a ticket for one relay is worth to another. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { forge, hex, run, testParser, vectors } from "../testing/support.ts";
import { utf8 } from "./encoding.ts";
import { idToBytes, type NetworkId, type RelayId } from "./ids.ts";
import { Refusal } from "./refusal.ts";
import { nobleSealer } from "./seal.ts";
import { openTicket, sealTicket, TICKET_LENGTH, type Ticket } from "./ticket.ts";

interface TicketCase {
  readonly relay: RelayId;
  readonly ticketKey: string;
  readonly nonce: string;
  readonly agentKey: string;
  readonly network: NetworkId;
  readonly sessionKey: string;
  readonly rateClass: number;
  readonly acceptsOutside: boolean;
  readonly expiresAtMs: number;
  readonly hex: string;
}

const cases = await vectors<TicketCase>("ticket");
const [first] = cases;
if (first === undefined) throw new Error("no ticket vectors");
const KEY = hex(first.ticketKey);
const RELAY = first.relay;

function ticketOf(of: TicketCase): Ticket {
  const { network, rateClass, acceptsOutside, expiresAtMs } = of;
  const [agentKey, sessionKey] = [hex(of.agentKey), hex(of.sessionKey)];
  return { agentKey, network, sessionKey, rateClass, acceptsOutside, expiresAtMs };
}

test("ticket: golden vectors, both ways", () => {
  for (const of of cases) {
    const sealed = sealTicket(ticketOf(of), of.relay, hex(of.ticketKey), hex(of.nonce), nobleSealer);
    expect(sealed).toEqual(hex(of.hex));
    expect(openTicket(sealed, of.relay, hex(of.ticketKey), nobleSealer)).toEqual(ticketOf(of));
  }
});

testParser({
  name: "ticket",
  goldens: cases.map((of) => hex(of.hex)),
  parse: (sealed) => openTicket(sealed, RELAY, KEY, nobleSealer),
  lengthMin: TICKET_LENGTH,
  lengthMax: TICKET_LENGTH,
});

test("ticket: any ticket survives the round trip", () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  const any = fc.record({
    agentKey: bytes(32),
    network: fc.stringMatching(/^[0-9a-f]{16}$/) as fc.Arbitrary<NetworkId>,
    sessionKey: bytes(32),
    rateClass: fc.integer({ min: 0, max: 255 }),
    acceptsOutside: fc.boolean(),
    expiresAtMs: fc.maxSafeNat(),
  });
  fc.assert(
    fc.property(any, bytes(24), (ticket, nonce) => {
      const sealed = sealTicket(ticket, RELAY, KEY, nonce, nobleSealer);
      expect(openTicket(sealed, RELAY, KEY, nobleSealer)).toEqual(ticket);
    }),
  );
});

test("ticket: another relay, or another key, cannot open it", () => {
  const sealed = hex(first.hex);
  expect(openTicket(sealed, "0011223344556677" as RelayId, KEY, nobleSealer)).toBe(Refusal.badSeal);
  expect(openTicket(sealed, RELAY, run(9, 32), nobleSealer)).toBe(Refusal.badSeal);
});

test("ticket: a coordinator's mistakes are refused by name", () => {
  const label = utf8("burrow ticket v1");
  const open = (change: (plaintext: Uint8Array) => void): unknown => {
    const plaintext = new Uint8Array(84);
    plaintext[0] = 1;
    change(plaintext);
    const additional = Uint8Array.from([...label, ...idToBytes(RELAY)]);
    const sealed = forge(additional, run(0, 24), KEY, plaintext).subarray(additional.length);
    return openTicket(sealed, RELAY, KEY, nobleSealer);
  };
  expect(open(() => {})).toMatchObject({ rateClass: 0 });
  expect(open((plaintext) => plaintext.fill(2, 0, 1))).toBe(Refusal.badVersion);
  expect(open((plaintext) => plaintext.fill(2, 1, 2))).toBe(Refusal.badField);
  expect(open((plaintext) => plaintext.fill(1, 3, 4))).toBe(Refusal.badField);
  expect(open((plaintext) => plaintext.fill(0xff, 4, 12))).toBe(Refusal.badField);
});

test("ticket: a rate class that does not fit is a programmer's error, not another class", () => {
  const wrong = { ...ticketOf(first), rateClass: 256 };
  expect(() => sealTicket(wrong, RELAY, KEY, run(0, 24), nobleSealer)).toThrow("8 bits");
});
