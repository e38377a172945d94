/** URLs of WebSocket doors, against the parser that every agent puts them through. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import "../testing/support.ts";
import { isWebsocketUrl } from "./websocket-url.ts";

const GOOD = [
  "wss://relay.example.net/v1/datagrams",
  "wss://relay.example.net:8443/v1/datagrams?way=1&b=%2f",
  "wss://192.0.2.1:1/",
  "wss://[2001:db8::1]:65535/v1/datagrams",
  "wss://[::ffff:192.0.2.1]/x",
  "wss://a--b.0x1g.example/~a/(b)/c;d=1,2",
  "wss://RELAY.example/x",
];
const BAD = [
  ["", "wss://", "wss:///x", "wss://h", "https://h/x", "WSS://h/x", "wss:/h/x", " wss://h/x", "wss://h/x\n"],
  ["wss://h:0/x", "wss://h:65536/x", "wss://h:99999/x", "wss://h:/x", "wss://h:01/x", "wss://h:1e3/x"],
  ["wss://[/x", "wss://[::1/x", "wss://[::1%25eth0]/x", "wss://[1::2::3]/x", "wss://[192.0.2.1]/x"],
  [
    "wss://a%b/",
    "wss://a b/",
    "wss://a_b/",
    "wss://ä/",
    "wss://.a/",
    "wss://a../",
    "wss://-a/",
    "wss://xn--a/",
  ],
  ["wss://1.2.3/", "wss://1.2.3.256/", "wss://0x7f.1/", "wss://a.1/", "wss://1.2.3.08/", "wss://127.1/"],
  ["wss://u@h/x", "wss://u:p@h/x", "wss://h/x#f", "wss://h/a b", "wss://h/%zz", "wss://h/ü", "wss://h\\x/"],
  [`wss://h/${"x".repeat(256)}`, `wss://${"a".repeat(64)}.example/`, "wss://h?x"],
].flat();

test("good ones pass, all others do not", () => {
  for (const text of GOOD) expect([text, isWebsocketUrl(text)]).toEqual([text, true]);
  for (const text of BAD) expect([text, isWebsocketUrl(text)]).toEqual([text, false]);
});

const piece = fc.constantFrom(
  ...[
    "wss://",
    "relay",
    ".",
    "example",
    ":",
    "443",
    "99999",
    "0",
    "/",
    "v1",
    "[",
    "]",
    "::",
    "1",
    "127",
    "0x7f",
  ],
  ...[
    "%",
    "%2f",
    "%zz",
    "@",
    "?",
    "#",
    "\\",
    " ",
    "\t",
    "-",
    "--",
    "xn--",
    "ä",
    "_",
    "255",
    "256",
    "ffff",
    "u",
  ],
);
const nearUrl = fc
  .tuple(fc.constantFrom("wss://", "wss://h", "wss://[", ""), fc.array(piece, { maxLength: 9 }), fc.string())
  .map(([start, pieces, tail]) => start + pieces.join("") + tail.slice(0, 2));

test("what passes is what the parser reads: the same host, port and rest, and nothing else in it", () => {
  let passed = 0;
  fc.assert(
    fc.property(fc.oneof(nearUrl, nearUrl, fc.string(), fc.webUrl({ validSchemes: ["wss"] })), (text) => {
      if (!isWebsocketUrl(text)) return;
      passed++;
      const url = new URL(text);
      expect(url.protocol).toBe("wss:");
      expect([url.username, url.password, url.hash]).toEqual(["", "", ""]);
      const [, host = "", port = ""] = /^wss:\/\/(\[[^\]]*\]|[^/:]*)(?::(\d+))?\//.exec(text) ?? [];
      expect(url.port).toBe(port === "443" ? "" : port);
      if (!host.startsWith("[")) expect(url.hostname).toBe(host.toLowerCase());
      expect(isWebsocketUrl(url.href)).toBe(true);
    }),
    { numRuns: 50_000 },
  );
  expect(passed).toBeGreaterThan(500);
});
