/** The registration machine on a virtual clock. */
import { describe, expect, test } from "bun:test";
import {
  channelProof,
  fromBase64,
  HEARTBEAT_INTERVAL_MS,
  HELLO_TIMEOUT_MS,
  keyToText,
  nobleAgreement,
  PROTOCOL_VERSION,
  type RelayHello,
  type RelayLoad,
  relayHello,
  relayIdOf,
  toBase64,
} from "@burrow/protocol";
import { x25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { seededRandom } from "../testing/harness.ts";
import { Registration, type RegistrationAction } from "./registration.ts";

const random = seededRandom(11);
const privateKey = random(32);
const publicKey = x25519.getPublicKey(privateKey);
const id = relayIdOf(publicKey);
const serverPrivate = random(32);
const serverKey = x25519.getPublicKey(serverPrivate);
const nonce = random(32);
const ticketKey = random(32);
const LOAD: RelayLoad = { sessions: 1, flows: 2, packets: 3, bytes: 4, drops: {} };

const CHALLENGE = JSON.stringify({
  type: "challenge",
  protocol: PROTOCOL_VERSION,
  nonce: toBase64(nonce),
  key: toBase64(serverKey),
});
const WELCOME = JSON.stringify({
  type: "welcome",
  relay: id,
  ticketKey: toBase64(ticketKey),
  endpoints: ["192.0.2.1:21820"],
  relays: [],
  routes: [],
});
const REFUSAL = JSON.stringify({
  type: "error",
  code: "token-wrong",
  message: "wrong token",
  remedy: "get one",
});

/** The machine with a clock, and what it wanted done so far. */
class Bench {
  now = 1_000;
  readonly machine = new Registration(
    {
      identity: { id, publicKey, privateKey, boot: 1 },
      token: "t",
      region: "test",
      at: { lat: 1, lon: 2 },
      advertise: [],
      port: 21820,
      version: "0",
      agreement: nobleAgreement,
      random: () => 0.5,
    },
    this.now,
  );

  load: RelayLoad | undefined = LOAD;

  turn(): readonly RegistrationAction[] {
    this.machine.tick(this.now, () => this.load);
    return this.machine.takeActions();
  }

  pass(ms: number): RegistrationAction[] {
    const until = this.now + ms;
    const done: RegistrationAction[] = [];
    for (;;) {
      const next = this.machine.nextDeadline();
      if (next === undefined || next > until) break;
      this.now = Math.max(this.now, next);
      done.push(...this.turn());
    }
    this.now = until;
    return done;
  }

  hear(...texts: string[]): readonly RegistrationAction[] {
    for (const text of texts) this.machine.received(text, this.now);
    return this.machine.takeActions();
  }

  register(): readonly RegistrationAction[] {
    this.turn();
    this.machine.connected(this.now);
    return this.hear(CHALLENGE, WELCOME);
  }
}

const verbs = (actions: readonly RegistrationAction[]) => actions.map((action) => action.do);

describe("registration", () => {
  test("connects, proves its key and takes what the welcome says", () => {
    const bench = new Bench();
    expect(verbs(bench.turn())).toEqual(["connect"]);
    bench.machine.connected(bench.now);
    const [hello] = bench.hear(CHALLENGE);
    const message = relayHello.parse(hello?.do === "send" ? hello.message : undefined) as RelayHello;
    const shared = nobleAgreement(serverPrivate, publicKey) ?? new Uint8Array(0);
    expect(fromBase64(message.proof)).toEqual(channelProof(shared, nonce, serverKey, publicKey));
    expect(message).toMatchObject({ key: keyToText(publicKey), token: "t", region: "test", port: 21820 });
    expect(bench.machine.isRegistered).toBe(false);
    const welcome = bench.hear(WELCOME);
    expect(verbs(welcome)).toEqual(["apply", "apply", "apply", "apply", "registered"]);
    expect(welcome[0]).toEqual({ do: "apply", update: { type: "ticket-key", key: ticketKey } });
    expect(bench.machine.isRegistered).toBe(true);
  });

  test("sends a heartbeat each second, and pings less often", () => {
    const bench = new Bench();
    bench.register();
    const done = bench.pass(10_000);
    const beats = done.filter((action) => action.do === "send");
    expect(beats).toHaveLength(10_000 / HEARTBEAT_INTERVAL_MS + 1);
    expect(beats[0]).toEqual({ do: "send", message: { type: "heartbeat", load: LOAD, draining: false } });
    expect(verbs(done).filter((verb) => verb === "ping")).toHaveLength(2);
  });

  test("is silent while there is nothing to tell, and stays registered", () => {
    const bench = new Bench();
    bench.register();
    bench.load = undefined;
    expect(verbs(bench.pass(4_000))).not.toContain("send");
    expect(bench.machine.isRegistered).toBe(true);
    bench.load = LOAD;
    expect(verbs(bench.pass(1_000))).toContain("send");
  });

  test("who is thrown out by another holder of its key comes back after the longest pause, each time", () => {
    const bench = new Bench();
    for (let i = 0; i < 3; i++) {
      bench.register();
      bench.machine.disconnected("closed", bench.now, 4001);
      const lost = bench.machine.takeActions().find((action) => action.do === "lost");
      expect(lost).toMatchObject({ retryMs: 11_250 });
      expect(bench.machine.reason).toContain("state directory");
      bench.now = bench.machine.nextDeadline() ?? bench.now;
    }
  });

  test("a loss is followed by growing, bounded pauses, until a welcome", () => {
    const bench = new Bench();
    const pauses: number[] = [];
    for (let i = 0; i < 8; i++) {
      bench.now = bench.machine.nextDeadline() ?? bench.now;
      bench.turn();
      bench.machine.disconnected("gone", bench.now);
      for (const action of bench.machine.takeActions()) if (action.do === "lost") pauses.push(action.retryMs);
    }
    expect(pauses).toEqual([375, 750, 1_500, 3_000, 6_000, 11_250, 11_250, 11_250]);
    bench.now += 11_250;
    bench.register();
    bench.machine.disconnected("gone", bench.now);
    expect(bench.machine.takeActions()).toContainEqual({ do: "lost", reason: "gone", retryMs: 375 });
    expect(bench.machine.reason).toBe("gone");
  });

  test("silence ends a try after its time, and a connection whose pongs stay away", () => {
    const bench = new Bench();
    bench.turn();
    expect(verbs(bench.pass(HELLO_TIMEOUT_MS))).toEqual(["close", "lost"]);
    bench.pass(1_000);
    bench.register();
    for (let i = 0; i < 10; i++) {
      bench.pass(5_000);
      bench.machine.pong(bench.now);
    }
    expect(bench.machine.isRegistered).toBe(true);
    expect(verbs(bench.pass(17_000))).toContain("lost");
    expect(bench.machine.isRegistered).toBe(false);
  });

  test("a refusal before any welcome is the end; after one it is a loss", () => {
    const refused = new Bench();
    refused.turn();
    refused.machine.connected(refused.now);
    expect(refused.hear(REFUSAL)).toContainEqual({
      do: "refused",
      message: "wrong token",
      remedy: "get one",
    });
    expect(refused.machine.nextDeadline()).toBeUndefined();
    expect(refused.pass(100_000)).toEqual([]);

    const known = new Bench();
    known.register();
    known.machine.disconnected("restart", known.now);
    known.pass(1_000);
    known.machine.connected(known.now);
    expect(verbs(known.hear(REFUSAL))).toEqual(["close", "lost"]);
    expect(known.machine.nextDeadline()).toBeDefined();
  });

  test("another protocol is refused with a remedy", () => {
    const bench = new Bench();
    bench.turn();
    bench.machine.connected(bench.now);
    const [, refusal] = bench.hear(CHALLENGE.replace(`"protocol":${PROTOCOL_VERSION}`, '"protocol":99'));
    expect(refusal).toMatchObject({ do: "refused", remedy: "run the same version of Burrow on both" });
  });

  test("drain: either side may ask; both must cease; the next heartbeat tells at once", () => {
    const bench = new Bench();
    bench.register();
    bench.pass(500);
    bench.machine.drain(true);
    expect(bench.turn()).toMatchObject([
      { do: "apply", update: { type: "drain", draining: true } },
      { do: "send", message: { draining: true } },
    ]);
    bench.hear('{"type":"drain","draining":true}');
    bench.machine.drain(false);
    expect(bench.machine.isDraining).toBe(true);
    bench.hear('{"type":"drain","draining":false}');
    expect(bench.machine.isDraining).toBe(false);
  });

  test("updates are passed on", () => {
    const bench = new Bench();
    bench.register();
    const agent = "00000000000000aa";
    expect(
      bench.hear(
        '{"type":"relays","relays":[]}',
        `{"type":"routes","upsert":[],"remove":["${agent}"]}`,
        `{"type":"revoke","agent":"${agent}"}`,
      ),
    ).toEqual([
      { do: "apply", update: { type: "relays", relays: [] } },
      { do: "apply", update: { type: "routes", upsert: [], remove: [agent], replace: false } },
      { do: "apply", update: { type: "revoke", agent } },
    ] as never);
  });

  test("no order of events throws or leaves the machine without a next step", () => {
    const event = fc.constantFrom(
      "connected",
      "gone",
      "pong",
      "wait",
      "drain",
      CHALLENGE,
      WELCOME,
      "junk",
      "{}",
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const bench = new Bench();
        for (const each of events) {
          if (each === "connected") bench.machine.connected(bench.now);
          else if (each === "gone") bench.machine.disconnected("gone", bench.now);
          else if (each === "pong") bench.machine.pong(bench.now);
          else if (each === "drain") bench.machine.drain(true);
          else if (each === "wait") bench.pass(3_000);
          else bench.hear(each);
          expect(bench.machine.nextDeadline()).toBeDefined();
        }
        bench.machine.stop();
        expect(bench.machine.nextDeadline()).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });
});
