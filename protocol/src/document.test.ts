/** PROTOCOL.md against the code: whatever its tables say is what the code does. */
import { expect, test } from "bun:test";
import { Glob } from "bun";
import type { z } from "zod";
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

const { NONCE_LENGTH, TAG_LENGTH } = protocol;
/** By layout: the length of all rows with n = 0, from the code's constants. */
const LAYOUTS: Readonly<Record<string, number>> = {
  endpoint: protocol.ENDPOINT_LENGTH,
  ticket: protocol.TICKET_LENGTH,
  "ticket plaintext": protocol.TICKET_LENGTH - NONCE_LENGTH - TAG_LENGTH,
  "bind plaintext": protocol.BIND_LENGTH_MIN - 4 - protocol.TICKET_LENGTH - NONCE_LENGTH - TAG_LENGTH,
  "bound plaintext": protocol.BOUND_LENGTH - 4 - NONCE_LENGTH - TAG_LENGTH,
  probe: protocol.PROBE_LENGTH_MIN,
  "probe plaintext": protocol.PROBE_LENGTH_MIN - 20 - NONCE_LENGTH - TAG_LENGTH,
  trunk: protocol.TRUNK_OVERHEAD,
};

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
  const { candidate, route, relayLoad, place } = protocol;
  expect(toldIn("### Shared fields")).toEqual(
    named({
      candidate,
      pathReport,
      relayInfo,
      peerInfo,
      grantedTicket,
      rankedRelay,
      route,
      relayLoad,
      place,
    }),
  );
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
