/** One relay as an agent knows it: which door is knocked at and when, and what each answer makes of the binding. */
import { describe, expect, test } from "bun:test";
import {
  BindStatus,
  type Bound,
  COOKIE_LENGTH,
  type Endpoint,
  keyToText,
  type PublicKey,
  type RelayId,
  type RelayInfo,
  toBase64,
} from "@burrow/protocol";
import { isDoor } from "./doors.ts";
import { RelayLink } from "./relay-link.ts";

const ID = "00000000000000aa" as RelayId;
const [V4, V6] = ["192.0.2.1:21820" as Endpoint, "[2001:db8::1]:21820" as Endpoint];
const SEEN = "198.51.100.1:4000" as Endpoint;
const COOKIE = new Uint8Array(COOKIE_LENGTH);
const INFO: RelayInfo = {
  id: ID,
  key: keyToText(new Uint8Array(32).fill(1) as PublicKey),
  region: "r",
  endpoints: [V4, V6],
  state: "healthy",
};

/** A relay that answers each Bind after 10 ms with what `answer` says; undefined is silence. */
class Trial {
  readonly link: RelayLink;
  readonly binds: { door: Endpoint; atMs: number }[] = [];
  answer: (door: Endpoint) => BindStatus | undefined = () => BindStatus.bound;
  now = 0;
  #sequence = 0;
  readonly #answers: { readonly bound: Bound; readonly from: Endpoint; readonly atMs: number }[] = [];

  constructor(info: RelayInfo = INFO) {
    this.link = new RelayLink(info, 0);
    const bytes = (length: number) => toBase64(new Uint8Array(length));
    this.link.grant({ relay: ID, ticket: bytes(124), sessionKey: bytes(32), expiresAtMs: 1e12 }, 0);
  }

  run(forMs: number, kept = true): this {
    const endMs = this.now + forMs;
    for (; this.now < endMs; this.now++) {
      for (const { bound, from } of this.#answers.filter(({ atMs }) => atMs === this.now)) {
        this.link.answered(bound, from, this.now);
      }
      for (const door of this.link.dueDoors(kept, this.now)) this.#bind(door);
    }
    return this;
  }

  #bind(door: Endpoint): void {
    const sequence = ++this.#sequence;
    this.binds.push({ door, atMs: this.now });
    this.link.bindSent(door, sequence, [...this.link.undeclared], this.now);
    const status = this.answer(door);
    if (status === undefined) return;
    const bound = { sequence, status, observed: SEEN, cookie: COOKIE, lifetimeS: 45 };
    this.#answers.push({ bound, from: door, atMs: this.now + 10 });
  }

  bindsSince(ms: number): number {
    return this.binds.filter(({ atMs }) => atMs >= ms).length;
  }
}

describe("a relay that answers", () => {
  test("is bound by the first answer, measured three times soon, and then kept every 15 s", () => {
    const trial = new Trial().run(1_000);
    expect(trial.link.isBound).toBe(true);
    expect(trial.link.observed).toBe(SEEN);
    expect(trial.link.rtt.leastMs).toBe(10);
    expect(trial.binds.length).toBe(3);
    trial.run(60_000);
    expect(trial.bindsSince(1_000)).toBe(4);
  });

  test("and is not needed is asked once a minute", () => {
    const trial = new Trial().run(1_000, false);
    trial.run(300_000, false);
    expect(trial.bindsSince(1_000)).toBeWithin(4, 6);
  });

  test("and drains stays bound, is left alone, and says so", () => {
    const trial = new Trial().run(1_000);
    trial.answer = () => BindStatus.draining;
    trial.run(16_000);
    expect(trial.link.isBound).toBe(true);
    expect(trial.link.draining).toBe(true);
    const fromMs = trial.now;
    trial.run(200_000, false);
    expect(trial.bindsSince(fromMs)).toBe(0);
  });

  test("has confirmed the flows of the Bind that it answers, and no others", () => {
    const trial = new Trial().run(1_000);
    trial.link.undeclared.add(7);
    trial.link.bindNow(trial.now);
    trial.run(5);
    trial.link.undeclared.add(8);
    trial.run(15);
    expect([...trial.link.undeclared]).toEqual([8]);
  });
});

describe("a relay that does not", () => {
  test("is doubted after two Binds, knocked at by all doors, and then ever more rarely", () => {
    const trial = new Trial();
    trial.answer = () => undefined;
    trial.run(1_500);
    const tried = trial.binds.map(({ door }) => door);
    expect(tried.slice(0, 4)).toEqual([V4, V4, V6, V4]);
    expect(tried.filter((door) => door === V6).length).toBeGreaterThanOrEqual(3);
    expect(trial.link.state).toBe("silent");
    const fromMs = trial.now + 60_000;
    trial.run(120_000);
    expect(trial.bindsSince(fromMs)).toBeWithin(8, 18);
  });

  test("is silent after having been bound, and bound again with its next answer", () => {
    const trial = new Trial().run(1_000);
    trial.answer = () => undefined;
    trial.run(20_000);
    expect(trial.link.state).toBe("silent");
    trial.answer = () => BindStatus.bound;
    trial.run(11_000);
    expect(trial.link.isBound).toBe(true);
  });

  test("by UDP is reached by WebSocket, and left there for UDP as soon as that answers", () => {
    const trial = new Trial({ ...INFO, websocket: { url: "wss://192.0.2.1/v1/datagrams" } });
    trial.answer = (door) => (isDoor(door) ? BindStatus.bound : undefined);
    trial.run(3_000);
    expect(trial.link.isWebsocket).toBe(true);
    expect(trial.link.isBound).toBe(true);
    expect(trial.link.observed).toBeUndefined();
    trial.answer = () => BindStatus.bound;
    trial.run(12_000);
    expect(trial.link.isWebsocket).toBe(false);
    expect(INFO.endpoints).toContain(trial.link.endpoint as Endpoint);
  });
});

describe("an answer that is no", () => {
  test("challenge is repeated at once with the cookie, but not for ever", () => {
    const trial = new Trial();
    trial.answer = () => BindStatus.challenge;
    trial.run(5_000);
    expect(trial.binds.length).toBe(4);
    expect(trial.link.isBound).toBe(false);
  });

  test("expired takes the ticket, and nothing is sent without one", () => {
    const trial = new Trial();
    trial.answer = () => BindStatus.expired;
    trial.run(60_000);
    expect(trial.binds.length).toBe(1);
    expect(trial.link.ticket).toBeUndefined();
    expect(trial.link.dueMs(true)).toBeUndefined();
  });

  test("refused is asked again after ten seconds", () => {
    const trial = new Trial();
    trial.answer = () => BindStatus.refused;
    trial.run(9_000);
    expect(trial.link.state).toBe("refused");
    expect(trial.binds.length).toBe(1);
    trial.run(2_000);
    expect(trial.binds.length).toBe(2);
  });
});
