/** PROTOCOL.md against the code: whatever its tables say is what the code does. */
import { expect, test } from "bun:test";
import { Glob } from "bun";
import { z } from "zod";
import "../testing/support.ts";
import * as protocol from "./index.ts";

const document = await Bun.file(new URL("../PROTOCOL.md", import.meta.url)).text();

/** Cells of the table that follows `marker`, header and rule left out. */
function tableAfter(marker: string): string[][] {
  const start = document.indexOf(marker);
  if (start === -1) throw new Error(`PROTOCOL.md has no "${marker}"`);
  const lines = document.slice(start + marker.length).split("\n");
  const first = lines.findIndex((line) => line.startsWith("|"));
  const rows = lines.slice(first);
  const end = rows.findIndex((line) => !line.startsWith("|"));
  return rows.slice(2, end).map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const inTicks = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text);
const tick = (cell: string | undefined): string => inTicks(cell ?? "")[0] ?? "";

test("the registry is the code's", () => {
  const rows = tableAfter("## First bytes").filter(([first]) => tick(first).startsWith("0xb"));
  const told = Object.fromEntries(rows.map(([first, packet]) => [tick(packet), Number(tick(first))]));
  expect(told).toEqual(protocol.PacketType);
});

test("every exported number is told, with its value", () => {
  const told = Object.fromEntries(
    tableAfter("## Numbers").map(([name, value]) => [tick(name), Number(value)]),
  );
  const numbers = Object.entries(protocol).flatMap(([name, value]) =>
    typeof value === "number" ? [[name, value] as const] : [],
  );
  expect(told).toEqual(Object.fromEntries(numbers));
});

test("the statuses of a Bound are told", () => {
  const rows = tableAfter("### Statuses");
  const told = Object.fromEntries(rows.map(([status, name]) => [tick(name), Number(status)]));
  expect(told).toEqual(protocol.BindStatus);
});

const { NONCE_LENGTH, TAG_LENGTH, TICKET_LENGTH } = protocol;
/** By layout: the length of all rows with n = 0, from the code's constants. */
const LAYOUTS: Readonly<Record<string, number>> = {
  endpoint: protocol.ENDPOINT_LENGTH,
  ticket: protocol.TICKET_LENGTH,
  "ticket plaintext": protocol.TICKET_LENGTH - NONCE_LENGTH - TAG_LENGTH,
  "bind plaintext": protocol.BIND_LENGTH_MIN - 4 - protocol.TICKET_LENGTH - NONCE_LENGTH - TAG_LENGTH,
  "bound plaintext": protocol.BOUND_LENGTH - 4 - NONCE_LENGTH - TAG_LENGTH,
  probe: protocol.PROBE_LENGTH_MIN,
  "probe plaintext": protocol.PROBE_LENGTH_MIN - 20 - NONCE_LENGTH - TAG_LENGTH,
  "introduction plaintext": protocol.INTRODUCTION_LENGTH_MIN - 20 - NONCE_LENGTH - TAG_LENGTH,
  trunk: protocol.TRUNK_OVERHEAD,
  "trunk ping": protocol.TRUNK_PING_LENGTH,
};

test("the diagram of Bind and Bound has the code's offsets", () => {
  const sealedAt = 4 + TICKET_LENGTH + NONCE_LENGTH;
  expect(document).toContain(`${4 + TICKET_LENGTH} | nonce, ${NONCE_LENGTH} bytes`);
  expect(document).toContain(
    `${sealedAt} | sealed, ${protocol.BIND_LENGTH_MIN - sealedAt - TAG_LENGTH} + 12 n bytes`,
  );
  expect(document).toContain(`bytes 0 to ${3 + TICKET_LENGTH} are additional data`);
  const tagAt = protocol.BOUND_LENGTH - TAG_LENGTH;
  expect(document).toContain(`${4 + NONCE_LENGTH} | sealed, ${tagAt - 4 - NONCE_LENGTH} bytes`);
  expect(document).toContain(`${tagAt} | tag, ${TAG_LENGTH} bytes`);
});

test("layouts have no gaps, and the lengths of the code", () => {
  const marked = [...document.matchAll(/<!-- layout: (.+?) -->/g)].map(([, name = ""]) => name);
  expect(marked.sort()).toEqual(Object.keys(LAYOUTS).sort());
  for (const [name, length] of Object.entries(LAYOUTS)) {
    let at = 0;
    for (const [offset, size] of tableAfter(`<!-- layout: ${name} -->`)) {
      expect([name, Number.parseInt(offset ?? "", 10)]).toEqual([name, at]);
      // "28 + n" is 28 and "12 n" nothing, where n is 0.
      at += /^\d+(?: \+ n)?$/.test(size ?? "") ? Number.parseInt(size ?? "", 10) : 0;
    }
    expect([name, at]).toEqual([name, length]);
  }
});

test("WireGuard's offsets are the code's", () => {
  const { WireGuardInitiation, WireGuardResponse, WireGuardCookieReply, WireGuardTransport } = protocol;
  const number = (cell: string | undefined) =>
    cell === "none" ? undefined : Number.parseInt(cell ?? "", 10);
  const told = tableAfter("## WireGuard without a header").map((row) => row.slice(1).map(number));
  const { initiation, response, cookieReply, transport } = protocol.WireGuardType;
  const [first, second] = [WireGuardInitiation, WireGuardResponse];
  expect(told).toEqual([
    [initiation, first.length, first.sender, undefined, first.mac1],
    [response, second.length, second.sender, second.receiver, second.mac1],
    [cookieReply, WireGuardCookieReply.length, undefined, WireGuardCookieReply.receiver, undefined],
    [transport, WireGuardTransport.lengthMin, undefined, WireGuardTransport.receiver, undefined],
  ]);
});

test("labels are the code's, all of them and no others", async () => {
  const used = new Set<string>();
  for (const path of new Glob("**/*.ts").scanSync({ cwd: import.meta.dir })) {
    if (path.endsWith(".test.ts")) continue;
    const text = await Bun.file(`${import.meta.dir}/${path}`).text();
    for (const [, label = ""] of text.matchAll(/"(burrow [a-z ]+ v\d+|mac1----)"/g)) used.add(label);
  }
  const told = tableAfter("## Keys, ids, derivations").map(([, label]) => tick(label));
  expect(told.sort()).toEqual([...used].sort());
});

type Shape = { readonly type?: z.ZodType } & Readonly<Record<string, z.ZodType>>;
const shapeOf = (schema: { readonly shape: unknown }): Shape => schema.shape as Shape;

/** `name?` for what may be absent, in the order of the schema. */
function fieldsOf(shape: Shape): string[] {
  return Object.entries(shape).map(([name, schema]) => (schema.isOptional() ? `${name}?` : name));
}

function typeOf(shape: Shape): string {
  const type = shape.type;
  return type === undefined ? "" : (type as z.ZodLiteral<string>).value;
}

const toldIn = (heading: string) =>
  tableAfter(heading).map(([name, fields]) => [tick(name), inTicks(fields ?? "")]);

test("the side channel's messages and their fields are the code's", () => {
  const unions = {
    "### From an agent": protocol.fromAgent,
    "### To an agent": protocol.toAgent,
    "### From a relay": protocol.fromRelay,
    "### To a relay": protocol.toRelay,
  } as const;
  for (const [heading, union] of Object.entries(unions)) {
    const shapes = union.options.map((option) => shapeOf(option));
    expect(toldIn(heading)).toEqual(shapes.map((shape) => [typeOf(shape), fieldsOf(shape)]));
  }
  const { agentHello, relayHello, pathReport, relayInfo, peerInfo, grantedTicket, rankedRelay } = protocol;
  const named = (of: Readonly<Record<string, { readonly shape: unknown }>>) =>
    Object.entries(of).map(([name, schema]) => [name, fieldsOf(shapeOf(schema))]);
  expect(toldIn("### Hello")).toEqual(named({ agentHello, relayHello }));
  const { candidate, natPorts, websocketDoor, relayCrowd, pairRelay, fellowRelay } = protocol;
  const { route, relayLoad, relayReach, place } = protocol;
  expect(toldIn("### Shared fields")).toEqual(
    named({
      candidate,
      natPorts,
      pathReport,
      relayInfo,
      fellowRelay,
      websocketDoor,
      peerInfo,
      grantedTicket,
      rankedRelay,
      relayCrowd,
      pairRelay,
      route,
      relayLoad,
      relayReach,
      place,
    }),
  );
});

/** Longest text or list that a schema takes as this field. */
function limitOf(schema: z.ZodType, field: string): number | undefined {
  const { properties } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  const found = properties?.[field];
  return typeof found === "object" ? (found.maxLength ?? found.maxItems) : undefined;
}

test("limits told behind fields are the schemas', and no list of a client's is without", () => {
  const schemas = new Map<string, z.ZodType>(
    Object.entries(protocol).flatMap(([name, value]) =>
      value instanceof z.ZodType ? [[name, value] as const] : [],
    ),
  );
  const unions = [
    ["### From an agent", protocol.fromAgent],
    ["### To an agent", protocol.toAgent],
  ] as const;
  for (const [, union] of unions) {
    for (const option of union.options) schemas.set(typeOf(shapeOf(option)), option);
  }
  const headings = ["### Hello", "### From an agent", "### To an agent", "### Shared fields"];
  let compared = 0;
  for (const [name, fields = ""] of headings.flatMap((heading) => tableAfter(heading))) {
    const schema = schemas.get(tick(name));
    if (schema === undefined) throw new Error(`no schema ${name}`);
    for (const [, field = "", limit] of fields.matchAll(/`(\w+)\??` (?:≤ |\d+ to )(\d+)/g)) {
      const wanted = field === "drops" ? protocol.DROP_REASONS_MAX : limitOf(schema, field);
      expect([name, field, Number(limit)]).toEqual([name, field, wanted ?? 0]);
      compared++;
    }
  }
  expect(compared).toBeGreaterThan(15);
  for (const [, fields = ""] of tableAfter("### From an agent")) {
    for (const list of ["candidates", "rtts", "relays", "paths"]) {
      if (inTicks(fields).includes(list)) expect(fields).toContain(`\`${list}\` ≤`);
    }
  }
});

test("the path of the side channel and the files of vectors are as told", async () => {
  expect(document).toContain(`\`${protocol.CHANNEL_PATH}\``);
  const files = [...new Glob("*.json").scanSync({ cwd: new URL("../vectors", import.meta.url).pathname })];
  expect(
    tableAfter("### Test vectors")
      .map(([file]) => tick(file))
      .sort(),
  ).toEqual(files.sort());
});
