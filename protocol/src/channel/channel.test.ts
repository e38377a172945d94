/** Side-channel messages: an example of each, and what strangers may send instead of one. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { z } from "zod";
import { vectors } from "../../testing/support.ts";
import { agentHello, fromAgent, PATHS_MAX, toAgent } from "./agent.ts";
import { CLIENT_MESSAGE_BYTES_MAX, hello, parseMessage } from "./channel.ts";
import { fromRelay, relayHello, toRelay } from "./relay.ts";

const SCHEMAS = { agentHello, fromAgent, toAgent, relayHello, fromRelay, toRelay };
type SchemaName = keyof typeof SCHEMAS;

/** Any message, as far as the tests below take one apart. */
interface Message {
  readonly type: string;
  readonly key?: string;
  readonly agent?: object;
  readonly load?: object;
  readonly candidates?: readonly unknown[];
  readonly paths?: readonly unknown[];
}

interface MessageCase {
  readonly schema: SchemaName;
  readonly type: string;
  readonly message: Message;
}

const cases = await vectors<MessageCase>("messages");
const fromClients = [hello, fromAgent, fromRelay] as const;

const example = (schema: SchemaName, type: string): Message => {
  const found = cases.find((of) => of.schema === schema && of.type === type);
  if (found === undefined) throw new Error(`no example of ${schema} ${type}`);
  return structuredClone(found.message);
};
const problemOf = (schema: z.ZodType, value: unknown): string => {
  const parsed = parseMessage(schema, typeof value === "string" ? value : JSON.stringify(value));
  return parsed.ok ? "" : parsed.problem;
};

test("each message kind has an example, and survives the round trip", () => {
  for (const { schema, message } of cases) {
    const parsed = parseMessage<z.ZodType>(SCHEMAS[schema], JSON.stringify(message));
    expect(parsed).toEqual({ ok: true, message });
  }
  const kindsOf = (of: { readonly options: readonly { readonly shape: { readonly type: unknown } }[] }) =>
    of.options.map(({ shape }) => (shape.type as z.ZodLiteral<string>).value);
  const examples = (name: SchemaName) => cases.filter((of) => of.schema === name).map((of) => of.type);
  expect(examples("fromAgent")).toEqual(kindsOf(fromAgent));
  expect(examples("toAgent")).toEqual(kindsOf(toAgent));
  expect(examples("fromRelay")).toEqual(kindsOf(fromRelay));
  expect(examples("toRelay")).toEqual(kindsOf(toRelay));
});

test("a hello goes by its role", () => {
  for (const name of ["agentHello", "relayHello"] as const) {
    expect(problemOf(hello, example(name, "hello"))).toBe("");
    expect(problemOf(hello, { ...example(name, "hello"), role: "coordinator" })).toStartWith("role:");
  }
});

test("every field that is missing or of another type is named", () => {
  for (const { schema, message } of cases) {
    for (const field of Object.keys(message)) {
      const wrong = { ...message, [field]: { not: "this" } };
      expect(problemOf(SCHEMAS[schema], wrong)).toContain(field);
    }
  }
});

test("unknown fields are dropped, so that newer senders are understood", () => {
  const parsed = parseMessage(fromAgent, JSON.stringify({ type: "ping", later: 1 }));
  expect(parsed).toEqual({ ok: true, message: { type: "ping" } });
});

test("junk is refused and never throws", () => {
  const junk = fc.oneof(
    fc.string(),
    fc.json(),
    fc.jsonValue().map((value) => JSON.stringify({ type: value })),
  );
  fc.assert(
    fc.property(junk, (text) => {
      for (const schema of fromClients) expect(parseMessage<z.ZodType>(schema, text).ok).toBe(false);
    }),
  );
});

test("a message with any field replaced never throws", () => {
  const replaced = fc.tuple(fc.constantFrom(...cases), fc.nat(), fc.jsonValue());
  fc.assert(
    fc.property(replaced, ([{ schema, message }, at, value]) => {
      const fields = Object.keys(message);
      const field = fields[at % fields.length] ?? "type";
      parseMessage<z.ZodType>(SCHEMAS[schema], JSON.stringify({ ...message, [field]: value }));
    }),
  );
});

test("nesting as deep as the longest text allows is refused", () => {
  const depth = CLIENT_MESSAGE_BYTES_MAX / 2;
  const texts = ["[".repeat(depth), "[".repeat(depth) + "]".repeat(depth), '{"a":'.repeat(depth / 3)];
  const inside = `{"type":"candidates","nat":"none","candidates":${"[".repeat(9999)}${"]".repeat(9999)}}`;
  for (const text of [...texts, inside]) {
    for (const schema of fromClients) expect(parseMessage<z.ZodType>(schema, text).ok).toBe(false);
  }
});

test("arrays longer than stated are refused", () => {
  const many = <T>(length: number, item: T): T[] => Array.from({ length }, () => item);
  const candidates = example("fromAgent", "candidates");
  const [one] = candidates.candidates ?? [];
  expect(problemOf(fromAgent, { ...candidates, candidates: many(32, one) })).toBe("");
  expect(problemOf(fromAgent, { ...candidates, candidates: many(33, one) })).toStartWith("candidates:");
  const relays = many(17, "0011223344556677");
  expect(problemOf(fromAgent, { type: "ticket-request", relays })).toStartWith("relays:");
  const home = example("fromAgent", "home");
  const rtts = many(65, { relay: "0011223344556677", rttMs: 1 });
  expect(problemOf(fromAgent, { ...home, rtts })).toStartWith("rtts:");
  const [path] = example("fromAgent", "paths").paths ?? [];
  expect(problemOf(fromAgent, { type: "paths", paths: many(PATHS_MAX + 1, path) })).toStartWith("paths:");
});

test("prototype keys do nothing", () => {
  const text = JSON.stringify(example("fromRelay", "heartbeat"));
  for (const key of ["__proto__", "constructor", "prototype", "hasOwnProperty"]) {
    const parsed = parseMessage(fromRelay, text.replace('"no-flow"', `"${key}"`));
    if (parsed.ok) expect(Object.getPrototypeOf(parsed.message.load.drops)).toBe(Object.prototype);
    const outer = parseMessage(fromRelay, text.replace("{", `{"${key}":{"draining":true,"polluted":1},`));
    expect(outer).toMatchObject({ ok: true, message: { draining: false } });
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
    expect((outer as { polluted?: unknown }).polluted).toBeUndefined();
  }
  expect(problemOf(fromAgent, '{"__proto__":{"type":"ping"}}')).toStartWith("type:");
});

test("numbers are finite and in range", () => {
  const heartbeat = JSON.stringify(example("fromRelay", "heartbeat"));
  for (const number of ["1e999", "-1", '"1"', "null", "0.5"]) {
    expect(problemOf(fromRelay, heartbeat.replace('"sessions":2', `"sessions":${number}`))).toContain(
      "sessions",
    );
  }
  const relay = example("relayHello", "hello");
  for (const port of [0, 65_536, 1.5]) expect(problemOf(hello, { ...relay, port })).toStartWith("port:");
  for (const at of [
    { lat: 91, lon: 0 },
    { lat: 0, lon: -181 },
  ])
    expect(problemOf(hello, { ...relay, at })).not.toBe("");
});

test("a relay names few drop reasons, and plainly", () => {
  const heartbeat = example("fromRelay", "heartbeat");
  const load = heartbeat.load;
  const drops = (of: Record<string, number>) =>
    problemOf(fromRelay, { ...heartbeat, load: { ...load, drops: of } });
  expect(drops({ "bad-seal": 1, noFlow: 2 })).toBe("");
  expect(drops({ 'x"} 1': 1 })).toContain("drops");
  expect(drops({ "": 1 })).toContain("drops");
  expect(drops(Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`r${i}`, 1])))).toContain("too many");
});

test("a hello claims a key by its one encoding", () => {
  for (const name of ["agentHello", "relayHello"] as const) {
    const message = example(name, "hello");
    const bytes = Buffer.from(message.key ?? "", "base64");
    bytes[31] = (bytes[31] ?? 0) | 0x80;
    expect(problemOf(hello, { ...message, key: bytes.toString("base64") })).toContain("canonical");
  }
});

test("texts that people read carry no control characters", () => {
  const agent = example("agentHello", "hello");
  for (const version of ["\u001b[2J", "a\nb", "a\u0000", "\u202ereversed", "a\u2028b", "x".repeat(65)]) {
    expect(problemOf(hello, { ...agent, version })).toStartWith("version:");
  }
  expect(problemOf(hello, { ...agent, version: "0.1.0 (größer)" })).toBe("");
  for (const name of ["", "-a", "a-", "A", "a.b", "a b", "a".repeat(64)]) {
    expect(problemOf(hello, { ...agent, name })).toStartWith("name:");
  }
});

test("candidates that are no target anywhere are dropped, the others kept", () => {
  const endpoints = [
    "0.0.0.0:1",
    "224.0.0.1:1",
    "255.255.255.255:1",
    "[ff02::1]:1",
    "127.0.0.1:1",
    "192.0.2.1:1",
  ];
  const candidates = endpoints.map((endpoint) => ({ kind: "host", endpoint }));
  const parsed = parseMessage(fromAgent, JSON.stringify({ type: "candidates", nat: "none", candidates }));
  if (!parsed.ok || parsed.message.type !== "candidates") throw new Error("candidates were refused");
  expect(parsed.message.candidates.map((of) => of.endpoint as string)).toEqual([
    "127.0.0.1:1",
    "192.0.2.1:1",
  ]);
});

test("endpoints and addresses become canonical", () => {
  const candidates = [{ kind: "host", endpoint: "[::ffff:192.0.2.1]:7" }];
  const parsed = parseMessage(fromAgent, JSON.stringify({ type: "candidates", nat: "none", candidates }));
  expect(parsed).toMatchObject({ ok: true, message: { candidates: [{ endpoint: "192.0.2.1:7" }] } });
  const welcome = example("toAgent", "welcome");
  const agent = welcome.agent;
  for (const ipv4 of ["100.64.0.1; reboot", "", "1"]) {
    expect(problemOf(toAgent, { ...welcome, agent: { ...agent, ipv4 } })).toContain("ipv4");
  }
});
