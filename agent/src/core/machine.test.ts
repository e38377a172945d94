/** What is said of a machine by its facts, and that whatever is broken comes with a way to mend it. */
import { expect, test } from "bun:test";
import { checkMachine, type MachineFacts } from "./machine.ts";

const FIT: MachineFacts = {
  isLinux: true,
  tun: "ok",
  mayMakeDevices: true,
  udpProblem: undefined,
  recvBufferMax: 8 << 20,
  sendBufferMax: 8 << 20,
  hasIp: true,
  hasWg: true,
  proxyProblem: undefined,
  state: { kind: "absent", path: "/var/lib/burrow/agent" },
};
const PATH = "/var/lib/burrow/agent";
const FOUND = { kind: "found", path: PATH, isOwn: true, isWritable: true, open: [] } as const;

test("a fit machine", () => {
  expect(checkMachine(FIT).map(({ status }) => status)).toEqual(Array(7).fill("ok"));
  expect(checkMachine({ ...FIT, state: FOUND }).map(({ status }) => status)).toEqual(Array(7).fill("ok"));
});

test.each<[string, Partial<MachineFacts>, string, string]>([
  ["tun", { isLinux: false }, "broken", "--device none"],
  ["tun", { tun: "ENOENT" }, "broken", "modprobe tun"],
  ["tun", { tun: "EACCES" }, "broken", "sudo"],
  ["tun", { mayMakeDevices: false }, "broken", "NET_ADMIN"],
  ["udp-socket", { udpProblem: "EPERM" }, "broken", "nft list ruleset"],
  ["buffers", { recvBufferMax: 212_992, mayMakeDevices: false }, "warning", "sysctl -w"],
  ["buffers", { recvBufferMax: 212_992 }, "ok", ""],
  ["buffers", { recvBufferMax: undefined }, "unknown", ""],
  ["ip", { hasIp: false }, "broken", "iproute2"],
  ["wireguard-tools", { hasWg: false }, "unknown", "wireguard-tools"],
  ["proxies", { proxyProblem: "HTTPS_PROXY is no URL" }, "broken", "http://"],
  ["state", { state: { kind: "unreadable", path: PATH, code: "EACCES" } }, "broken", "sudo"],
  ["state", { state: { ...FOUND, isWritable: false } }, "broken", "df"],
  ["state", { state: { ...FOUND, isOwn: false } }, "warning", "chown"],
  [
    "state",
    { state: { ...FOUND, open: [{ path: `${PATH}/identity.json`, mode: 0o644, isDirectory: false }] } },
    "broken",
    `chmod 600 ${PATH}/identity.json`,
  ],
  [
    "state",
    { state: { ...FOUND, open: [{ path: PATH, mode: 0o755, isDirectory: true }] } },
    "broken",
    "chmod 700",
  ],
])("%s: %o is %s", (check, facts, status, remedy) => {
  const found = checkMachine({ ...FIT, ...facts }).find((finding) => finding.check === check);
  expect(found?.status).toBe(status as never);
  expect(found?.remedy ?? "").toContain(remedy);
});
