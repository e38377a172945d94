/** Which proxy is taken for whom: the table of golang.org/x/net/http/httpproxy, and that no password is ever shown. */
import { expect, test } from "bun:test";
import { UserError } from "@burrow/protocol";
import fc from "fast-check";
import { checkProxies, proxyFor } from "./proxy.ts";

const PROXY = "http://user:secret@proxy.example:3128";
const of = (url: string, env: Record<string, string>) => proxyFor(new URL(url), env)?.url;

test("each scheme has its variable; capital letters come first, and the scheme of the proxy may be left out", () => {
  expect(of("wss://relay.example/", { HTTPS_PROXY: PROXY })).toBe(`${PROXY}/`);
  expect(of("https://relay.example/", { https_proxy: PROXY })).toBe(`${PROXY}/`);
  expect(of("https://relay.example/", { HTTP_PROXY: PROXY })).toBeUndefined();
  expect(of("ws://relay.example/", { HTTPS_PROXY: PROXY })).toBeUndefined();
  expect(of("ws://relay.example/", { HTTP_PROXY: "proxy.example:3128" })).toBe("http://proxy.example:3128/");
  expect(of("ws://relay.example/", { HTTP_PROXY: "one:1", http_proxy: "two:2" })).toBe("http://one:1/");
  expect(of("ws://relay.example/", { HTTP_PROXY: "  ", http_proxy: "two:2" })).toBe("http://two:2/");
  expect(of("ws://relay.example/", {})).toBeUndefined();
});

test.each([
  ["*", "wss://relay.example/", true],
  ["relay.example", "wss://relay.example/", true],
  ["relay.example", "wss://eu.relay.example/", true],
  ["relay.example", "wss://otherrelay.example/", false],
  [".relay.example", "wss://relay.example/", false],
  [".relay.example", "wss://eu.relay.example/", true],
  ["*.relay.example", "wss://eu.relay.example/", true],
  ["RELAY.Example", "wss://relay.example./", true],
  ["other.example, relay.example", "wss://relay.example/", true],
  ["relay.example:444", "wss://relay.example:444/", true],
  ["relay.example:444", "wss://relay.example/", false],
  ["relay.example:443", "wss://relay.example/", true],
  ["198.51.100.7", "wss://198.51.100.7/", true],
  ["198.51.100.7:8443", "wss://198.51.100.7/", false],
  ["198.51.100.0/24", "wss://198.51.100.7/", true],
  ["198.51.100.0/24", "wss://198.51.101.7/", false],
  ["198.51.100.0/99", "wss://198.51.100.7/", false],
  ["2001:db8::/32", "wss://[2001:db8::7]/", true],
  ["2001:db8::7", "wss://[2001:db8::7]/", true],
  ["[2001:db8::7]:444", "wss://[2001:db8::7]:444/", true],
  ["[2001:db8::7]:444", "wss://[2001:db8::7]/", false],
  ["example", "wss://198.51.100.7/", false],
] as const)("NO_PROXY=%s lets %s go straight: %p", (exceptions, url, isStraight) => {
  expect(of(url, { HTTPS_PROXY: PROXY, NO_PROXY: exceptions }) === undefined).toBe(isStraight);
});

test.each(["localhost", "burrow.localhost", "127.0.0.1", "127.9.9.9", "[::1]"])(
  "nothing of this machine is asked for by a proxy: %s",
  (host) => expect(of(`http://${host}:8080/`, { HTTP_PROXY: PROXY })).toBeUndefined(),
);

test("what is shown has no name and no password; what cannot be used is told without its text", () => {
  expect(proxyFor(new URL("wss://relay.example"), { HTTPS_PROXY: PROXY })?.shown).toBe(
    "http://proxy.example:3128",
  );
  for (const bad of ["socks5://user:secret@127.0.0.1:1080", "http://", "http://user:secret@:99999"]) {
    expect(proxyFor(new URL("wss://relay.example"), { HTTPS_PROXY: bad })).toBeUndefined();
    let told: unknown;
    try {
      checkProxies({ HTTPS_PROXY: bad });
    } catch (error) {
      told = error;
    }
    expect(told).toBeInstanceOf(UserError);
    expect(String(told)).toContain("HTTPS_PROXY");
    expect(String(told)).not.toContain("secret");
  }
  checkProxies({ HTTPS_PROXY: PROXY, HTTP_PROXY: "" });
});

test("any text in the variables gives a proxy or none, and never throws", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (proxy, exceptions) => {
      const found = proxyFor(new URL("wss://198.51.100.7/"), { HTTPS_PROXY: proxy, NO_PROXY: exceptions });
      if (found !== undefined) expect(found.url).toMatch(/^https?:/);
    }),
  );
});
