/** Every flag of every command, given as a flag and as a variable; usage errors and their exit code. */
import { describe, expect, test } from "bun:test";
import type { Command } from "commander";
import { tidyEnvironment } from "./flags.ts";
import { buildProgram } from "./program.ts";
import { burrow, captured, withEnvironment } from "./testing.ts";

function find(program: Command, path: readonly string[]): Command {
  return path.reduce((command, name) => {
    const child = command.commands.find((child) => child.name() === name);
    if (child === undefined) throw new Error(`no command ${name}`);
    return child;
  }, program);
}

const SUBCOMMANDS = new Set([
  "create",
  "drain",
  "remove",
  "set",
  "list",
  "rotate",
  "token",
  "backup",
  "restore",
]);

/** What a command line comes to, without doing it. */
async function parsed(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return withEnvironment(env, async () => {
    tidyEnvironment(process.env);
    const program = buildProgram(captured());
    const depth = SUBCOMMANDS.has(args[1] ?? "") ? 2 : 1;
    let options: Record<string, unknown> | undefined;
    find(program, args.slice(0, depth)).action((...given: unknown[]) => {
      options = (given.at(-1) as Command).opts();
    });
    await program.parseAsync(args, { from: "user" });
    return options;
  });
}

const KEY = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

/** Command, flag, text, and what it means. */
const FLAGS: readonly (readonly [readonly string[], string, string, unknown])[] = [
  [["coordinator"], "--listen", "0.0.0.0:9000", { address: "0.0.0.0", port: 9000 }],
  [["coordinator"], "--state", "/srv/c", "/srv/c"],
  [["coordinator"], "--geoip", "city.mmdb", "city.mmdb"],
  [["coordinator"], "--store", "sqlite", "sqlite"],
  [["coordinator"], "--agent-rate", "10G", "10G"],
  [["coordinator"], "--log-level", "debug", "debug"],
  [["demo"], "--log-level", "debug", "debug"],
  [["relay"], "--coordinator", "https://c.example/", "https://c.example"],
  [["relay"], "--token", "t0k", "t0k"],
  [["relay"], "--token-file", "/run/token", "/run/token"],
  [["relay"], "--region", "eu-central", "eu-central"],
  [["relay"], "--at", "-33.87,151.21", { lat: -33.87, lon: 151.21 }],
  [["relay"], "--listen", "[::]:443", { address: "::", port: 443 }],
  [["relay"], "--http", "127.0.0.1:0", { address: "127.0.0.1", port: 0 }],
  [["relay"], "--advertise", "203.0.113.7:21820", ["203.0.113.7:21820"]],
  [["relay"], "--further-ports", "443, 53", [443, 53]],
  [["relay"], "--further-ports", "none", []],
  [["relay"], "--wss", "0.0.0.0:443", { address: "0.0.0.0", port: 443 }],
  [["relay"], "--wss-url", "wss://relay.example/v1/datagrams", "wss://relay.example/v1/datagrams"],
  [["relay"], "--wss-url", "wss://relay.example:444/", "wss://relay.example:444/v1/datagrams"],
  [["relay"], "--tls-cert", "cert.pem", "cert.pem"],
  [["relay"], "--tls-key", "key.pem", "key.pem"],
  [["relay"], "--threads", "4", 4],
  [["relay"], "--sessions-max", "500", 500],
  [["relay"], "--state", "/srv/r", "/srv/r"],
  [["relay"], "--log-level", "trace", "trace"],
  [["up"], "--coordinator", "http://127.0.0.1:8080", "http://127.0.0.1:8080"],
  [["up"], "--token", "t0k", "t0k"],
  [["up"], "--token-file", "/run/token", "/run/token"],
  [["up"], "--name", "office-laptop", "office-laptop"],
  [["up"], "--device", "wireguard:wg0", { kind: "wireguard", name: "wg0" }],
  [["up"], "--port", "41641", 41641],
  [["up"], "--wg-client", `${KEY}=100.64.9.1`, [{ publicKey: KEY, address: "100.64.9.1" }]],
  [["up"], "--endpoint", "203.0.113.7:41641", ["203.0.113.7:41641"]],
  [["up"], "--hard-nat", "off", "off"],
  [["up"], "--port-mapping", "off", "off"],
  [["up"], "--state", "/srv/a", "/srv/a"],
  [["up"], "--log-level", "error", "error"],
  [["status"], "--state", "/srv/a", "/srv/a"],
  [["peers"], "--state", "/srv/a", "/srv/a"],
  [["relays"], "--state", "/srv/a", "/srv/a"],
  [["netcheck"], "--state", "/srv/a", "/srv/a"],
  [["ping", "bob"], "--state", "/srv/a", "/srv/a"],
  [["ping", "bob"], "--count", "3", 3],
  [["ping", "bob"], "--interval", "200ms", 200],
  [["ping", "bob"], "--timeout", "1.5s", 1500],
  [["why", "bob"], "--state", "/srv/a", "/srv/a"],
  [["token", "create"], "--for", "relay", "relay"],
  [["token", "create"], "--network", "office", "office"],
  [["token", "create"], "--uses", "20", 20],
  [["token", "create"], "--expires", "7d", 604_800_000],
  [["token", "create"], "--out", "relay.token", "relay.token"],
  [["token", "create"], "--state", "/srv/c", "/srv/c"],
  [["token", "create"], "--coordinator", "http://127.0.0.1:8080", "http://127.0.0.1:8080"],
  [["token", "create"], "--operator-token-file", "/run/op", "/run/op"],
  [["netcheck"], "--coordinator", "http://[::1]:1", "http://[::1]:1"],
  [["doctor"], "--coordinator", "http://[::1]:1", "http://[::1]:1"],
  [["doctor"], "--state", "/srv/a", "/srv/a"],
  [["relay", "drain", "0011223344556677"], "--state", "/srv/c", "/srv/c"],
  [["relay", "drain", "0011223344556677"], "--coordinator", "http://[::1]:1", "http://[::1]:1"],
  [["relay", "drain", "0011223344556677"], "--operator-token-file", "/run/op", "/run/op"],
  [["relay", "set", "0011223344556677"], "--weight", "-12.5", -12.5],
  [["relay", "set", "0011223344556677"], "--avoid", "off", "off"],
  [["operator", "rotate"], "--out", "operator.token", "operator.token"],
  [["operator", "token"], "--out", "operator.token", "operator.token"],
  [["operator", "token"], "--state", "/srv/c", "/srv/c"],
  [["coordinator", "backup", "monday.db"], "--state", "/srv/c", "/srv/c"],
  [["coordinator", "restore", "monday.db"], "--state", "/srv/c", "/srv/c"],
  ...[
    ["agents"],
    ["relay", "list"],
    ["token", "list"],
    ["token", "remove", "0011223344556677"],
    ["operator", "rotate"],
    ["agent", "remove", "0011223344556677"],
    ["relay", "remove", "0011223344556677"],
    ["relay", "set", "0011223344556677"],
  ].flatMap(
    (command) =>
      [
        [command, "--state", "/srv/c", "/srv/c"],
        [command, "--coordinator", "http://[::1]:1", "http://[::1]:1"],
        [command, "--operator-token-file", "/run/op", "/run/op"],
      ] as const,
  ),
];

const SWITCHES: readonly (readonly [readonly string[], string])[] = [
  [["demo"], "--json"],
  [["coordinator"], "--trust-proxy"],
  [["coordinator"], "--json"],
  [["relay"], "--json"],
  [["up"], "--json"],
  [["status"], "--json"],
  [["status"], "--watch"],
  [["peers"], "--watch"],
  [["relays"], "--watch"],
  [["peers"], "--json"],
  [["relays"], "--json"],
  [["netcheck"], "--json"],
  [["doctor"], "--json"],
  [["ping", "bob"], "--json"],
  [["why", "bob"], "--json"],
  [["token", "create"], "--json"],
  [["relay", "drain", "0011223344556677"], "--json"],
  [["relay", "drain", "0011223344556677"], "--undo"],
  [["token", "list"], "--json"],
  [["token", "remove", "0011223344556677"], "--json"],
  [["operator", "rotate"], "--json"],
  [["operator", "token"], "--json"],
  [["coordinator", "backup", "monday.db"], "--json"],
  [["coordinator", "restore", "monday.db"], "--json"],
  [["agents"], "--json"],
  [["relay", "list"], "--json"],
  [["agent", "remove", "0011223344556677"], "--json"],
  [["relay", "remove", "0011223344556677"], "--json"],
  [["relay", "set", "0011223344556677"], "--json"],
];

const RELAY_NEEDS = ["--coordinator", "http://127.0.0.1:1", "--region", "here"];
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  relay: RELAY_NEEDS,
  up: ["--coordinator", "http://127.0.0.1:1"],
  token: ["--for", "agent"],
};

function needed(command: readonly string[], flag: string): readonly string[] {
  const all = ["drain", "remove", "set", "list"].includes(command[1] ?? "")
    ? []
    : (NEEDED[command[0] ?? ""] ?? []);
  const at = all.indexOf(flag);
  return at === -1 ? all : all.toSpliced(at, 2);
}

const variable = (flag: string) => `BURROW_${flag.slice(2).toUpperCase().replaceAll("-", "_")}`;
const attribute = (flag: string) =>
  flag.slice(2).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

describe("flags with a value", () => {
  for (const [command, flag, text, meaning] of FLAGS) {
    test(`${command.join(" ")} ${flag}, and ${variable(flag)}`, async () => {
      const rest = needed(command, flag);
      expect((await parsed([...command, ...rest, flag, text]))?.[attribute(flag)]).toEqual(meaning);
      expect((await parsed([...command, ...rest], { [variable(flag)]: text }))?.[attribute(flag)]).toEqual(
        meaning,
      );
    });
  }
});

describe("switches", () => {
  for (const [command, flag] of SWITCHES) {
    test(`${command.join(" ")} ${flag}, and ${variable(flag)}`, async () => {
      const args = [...command, ...needed(command, flag)];
      expect((await parsed([...args, flag]))?.[attribute(flag)]).toBe(true);
      expect((await parsed(args, { [variable(flag)]: "1" }))?.[attribute(flag)]).toBe(true);
      expect((await parsed(args, { [variable(flag)]: "0" }))?.[attribute(flag)]).toBeUndefined();
    });
  }
});

test("every flag of every command is tested here", () => {
  const tested = new Set(
    [...FLAGS, ...SWITCHES].map(
      ([command, flag]) =>
        `${command[0]} ${SUBCOMMANDS.has(command[1] ?? "") ? `${command[1]} ` : ""}${flag}`,
    ),
  );
  const missing: string[] = [];
  const visit = (command: Command, path: string) => {
    for (const option of command.options) {
      if (option.long === "--version" || option.long === "--help") continue;
      if (!tested.has(`${path} ${option.long}`)) missing.push(`${path} ${option.long}`);
      if (option.envVar === undefined) missing.push(`${path} ${option.long}: no variable`);
    }
    for (const child of command.commands)
      visit(child, path === "" ? child.name() : `${path} ${child.name()}`);
  };
  visit(buildProgram(captured()), "");
  expect(missing).toEqual([]);
});

test("what a command does without flags is as documented", async () => {
  expect(await parsed(["coordinator"])).toMatchObject({
    listen: { address: "127.0.0.1", port: 8080 },
    store: "sqlite",
    agentRate: "1G",
  });
  expect(await parsed(["relay", ...RELAY_NEEDS])).toMatchObject({
    listen: { address: "0.0.0.0", port: 21820 },
    http: { address: "127.0.0.1", port: 8090 },
  });
  expect(await parsed(["token", "create", "--for", "relay"])).toMatchObject({ uses: 1, expires: 86_400_000 });
});

test("a flag beats its variable, and an empty variable says nothing", async () => {
  const env = { BURROW_LISTEN: "127.0.0.1:1", BURROW_STATE: "" };
  expect(await parsed(["coordinator", "--listen", "127.0.0.1:2"], env)).toMatchObject({
    listen: { port: 2 },
  });
  expect(await parsed(["coordinator"], env)).not.toHaveProperty("state");
});

test("repeatable flags add up, and their variables take commas", async () => {
  const args = ["relay", ...RELAY_NEEDS];
  const both = ["203.0.113.7:1", "[2001:db8::1]:2"];
  expect(
    await parsed([...args, "--advertise", "203.0.113.7:1", "--advertise", "[2001:db8::1]:2"]),
  ).toMatchObject({ advertise: both });
  expect(await parsed(args, { BURROW_ADVERTISE: both.join(",") })).toMatchObject({ advertise: both });
});

const WRONG: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["no command", [], /Usage: burrow/],
  ["an unknown command", ["staus"], /Did you mean status/],
  [
    "help for an unknown command",
    ["help", "relay", "dran"],
    /^error: unknown command 'relay dran' \(Did you mean drain\?\)\n/,
  ],
  ["an unknown command of relay", ["relay", "drian"], /unknown command 'drian' \(Did you mean drain\?\)/],
  ["one like none", ["relay", "eu", "--region", "eu"], /^error: unknown command 'eu'\n/],
  ["an unknown command of coordinator", ["coordinator", "bakup"], /Did you mean backup/],
  ["no address to listen on", ["coordinator", "--listen", "foo"], /like 0\.0\.0\.0:8080 or \[::\]:8080/],
  ["nor one for packets", ["relay", "--listen", "foo"], /like 0\.0\.0\.0:21820 or \[::\]:21820/],
  ["a time of nothing", ["ping", "bob", "-i", "0s"], /argument '0s' is invalid\. Give 1ms or more/],
  ["no time at all", ["ping", "bob", "-i", ""], /a number and a unit/],
  ["an unknown flag", ["status", "--jsn"], /Did you mean --json/],
  ["too many arguments", ["status", "bob"], /too many arguments/],
  ["a missing argument", ["ping"], /missing required argument 'PEER'/],
  ["a missing flag", ["up"], /required option '--coordinator <URL>'/],
  [
    "a missing flag of relay",
    ["relay", "--coordinator", "http://127.0.0.1:1"],
    /required option '--region <NAME>'/,
  ],
  ["latitude and longitude swapped", ["relay", "--at", "151.2,-33.9"], /Latitude goes from -90 to 90/],
  ["a place that is none", ["relay", "--at", "here"], /LAT,LON, like/],
  ["a name to listen on", ["coordinator", "--listen", "example.net:80"], /IP address and a port/],
  ["a port out of range", ["coordinator", "--listen", "127.0.0.1:65536"], /IP address and a port/],
  ["no port", ["coordinator", "--listen", "127.0.0.1"], /IP address and a port/],
  ["an advertised name", ["relay", "--advertise", "relay.example:1"], /public IP address/],
  ["a port that is none", ["relay", "--further-ports", "443,0"], /like 443,53/],
  ["too many ports", ["relay", "--further-ports", "1,2,3,4"], /at most 3/],
  ["a door that is no wss: URL", ["relay", "--wss-url", "https://relay.example"], /like wss:\/\/relay/],
  ["a door without a host", ["relay", "--wss-url", "relay.example"], /like wss:\/\/relay/],
  ["an advertised port 0", ["relay", "--advertise", "203.0.113.7:0"], /public IP address/],
  ["a coordinator without a scheme", ["up", "--coordinator", "127.0.0.1:80"], /Give its address/],
  ["a coordinator below a path", ["agents", "--coordinator", "http://h.test/foo/"], /Leave \/foo\/ out/],
  ["another scheme", ["up", "--coordinator", "ftp://x"], /Give its address/],
  ["an unknown device", ["up", "--device", "tap:x"], /tun:NAME, wireguard:IFACE or none/],
  ["a long interface name", ["up", "--device", "tun:abcdefghijklmnop"], /1 to 15 characters/],
  ["a name that DNS would not take", ["up", "--name", "Office Laptop"], /letters a-z/],
  ["a client without a key", ["up", "--wg-client", "abc=100.64.9.1"], /wg pubkey/],
  ["a client at home", ["up", "--wg-client", `${KEY}=192.168.1.1`], /100\.64\.0\.0\/10/],
  ["a client without an address", ["up", "--wg-client", KEY], /KEY=ADDRESS/],
  [
    "two clients with one key",
    ["up", "--wg-client", `${KEY}=100.64.9.1,${KEY}=100.64.9.2`],
    /an address of its own/,
  ],
  ["a time without a unit", ["token", "create", "--for", "agent", "--expires", "24"], /a number and a unit/],
  ["a life too long", ["token", "create", "--for", "agent", "--expires", "9999d"], /from 1s to 3650d/],
  ["a life too short", ["token", "create", "--for", "agent", "--expires", "1ms"], /from 1s to 3650d/],
  ["a network that is no name", ["token", "create", "--for", "agent", "--network", "A b"], /letters a-z/],
  ["no use at all", ["token", "create", "--for", "agent", "--uses", "0"], /from 1 to/],
  ["a token for whom?", ["token", "create", "--for", "user"], /agent, relay/],
  ["an id that is none", ["relay", "drain", "fra"], /16 hex digits; `burrow relay list` shows/],
  ["a log level", ["coordinator", "--log-level", "loud"], /trace, debug/],
  ["NATS, not built yet", ["coordinator", "--store", "nats://127.0.0.1:4222"], /not there yet/],
  [
    "a rate that relays do not know",
    ["coordinator", "--agent-rate", "2G"],
    /choices are.*none.*10M.*100M.*1G.*10G/i,
  ],
  [
    "a token twice",
    ["up", "--coordinator", "http://127.0.0.1:1", "--token", "a", "--token-file", "b"],
    /give one of them/,
  ],
];

describe("bad usage exits with 2 and says how to go on", () => {
  for (const [what, args, message] of WRONG) {
    test(what, async () => {
      const { exitCode, stdout, stderr } = await burrow(args);
      expect(stderr.replace(/\n {7}/g, " ")).toMatch(message);
      // What was given may be a longer word than a line, and then has one of its own.
      const long = stderr.split("\n").filter((line) => line.length > 80 && line.trim().includes(" "));
      expect(long).toEqual([]);
      expect(stdout).toBe("");
      expect(exitCode).toBe(2);
      if (args.length > 0) expect(stderr).toMatch(/\n {2}try: burrow .*--help\n/);
    });
  }

  test("a switch's variable is yes or no", async () => {
    for (const value of ["1", "TRUE", "yes", "on"])
      expect(await parsed(["relay", "drain", "0011223344556677"], { BURROW_UNDO: value })).toMatchObject({
        undo: true,
      });
    for (const value of ["0", "False", "no", " off "])
      expect(await parsed(["relay", "drain", "0011223344556677"], { BURROW_UNDO: value })).not.toHaveProperty(
        "undo",
      );
    const { exitCode, stdout, stderr } = await burrow(["agents"], { BURROW_JSON: "maybe" });
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr.replace(/\n {7}/g, " ")).toStartWith(
      "error: option '--json' value 'maybe' from env 'BURROW_JSON' is invalid. Give 1 or 0.\n  try: burrow agents --help\n",
    );
  });

  test("a bad variable is named", async () => {
    const { exitCode, stderr } = await burrow(["coordinator"], { BURROW_LISTEN: "x" });
    expect(exitCode).toBe(2);
    expect(stderr).toContain("BURROW_LISTEN");
  });
});

describe("help", () => {
  const visit = (command: Command, path: readonly string[]): (readonly string[])[] => [
    path,
    ...command.commands.flatMap((child) => visit(child, [...path, child.name()])),
  ];
  for (const path of visit(buildProgram(captured()), [])) {
    test(`of burrow ${path.join(" ")} fits 80 columns and exits with 0`, async () => {
      const { exitCode, stdout, stderr } = await burrow([...path, "--help"]);
      expect(stderr).toBe("");
      expect(exitCode).toBe(0);
      expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    });
  }

  test("is the same asked for by `help`, for commands of commands too", async () => {
    for (const path of [[], ["why"], ["relay", "drain"]]) {
      const asked = await burrow(["help", ...path]);
      expect(asked).toEqual(await burrow([...path, "--help"]));
      expect(asked.exitCode).toBe(0);
    }
  });

  test("--version prints the version alone", async () => {
    const { exitCode, stdout } = await burrow(["--version"]);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(exitCode).toBe(0);
  });
});
