/** An interface has one agent at a time, whichever process it is in, and is free again when that ends. */
import { expect, test } from "bun:test";
import { UserError } from "@burrow/protocol";
import { lockWireGuardInterface } from "./lock.ts";

const LOCK = new URL("./lock.ts", import.meta.url).pathname;

test.skipIf(process.platform !== "linux")("the second to claim an interface is told of the first", () => {
  const name = `wgl${process.pid}`;
  const first = lockWireGuardInterface(name);
  expect(() => lockWireGuardInterface(name)).toThrow(UserError);
  expect(() => lockWireGuardInterface(name)).toThrow(`another agent uses the WireGuard interface ${name}`);
  lockWireGuardInterface(`${name}b`).release();
  const code = `(await import(${JSON.stringify(LOCK)})).lockWireGuardInterface(${JSON.stringify(name)})`;
  const elsewhere = () => Bun.spawnSync([process.execPath, "-e", code], { stderr: "pipe" });
  const refused = elsewhere();
  expect(refused.exitCode).not.toBe(0);
  expect(refused.stderr.toString()).toContain("another agent uses");
  first.release();
  // It ends without releasing: the system does.
  expect(elsewhere().exitCode).toBe(0);
  lockWireGuardInterface(name).release();
});
