/** Gathers what `core/machine.ts` judges. Changes nothing on the machine, and ends within a second. */
import { constants } from "node:fs";
import { access, open, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { checkProxies, openUdp } from "@burrow/platform";
import { endpoint } from "@burrow/protocol";
import type { MachineFacts, StateFacts } from "../core/machine.ts";

const TUN = "/dev/net/tun";
/** capability.h: bit 12. */
const CAP_NET_ADMIN = 1n << 12n;
const OTHERS = 0o077;
const UDP_PATIENCE_MS = 500;

export async function gatherFacts(stateDir: string): Promise<MachineFacts> {
  const [tun, mayMakeDevices, udpProblem, recvBufferMax, sendBufferMax, state] = await Promise.all([
    tryTun(),
    hasNetAdmin(),
    tryUdp(),
    sysctl("rmem_max"),
    sysctl("wmem_max"),
    lookAtState(stateDir),
  ]);
  return {
    isLinux: process.platform === "linux",
    tun,
    mayMakeDevices,
    udpProblem,
    recvBufferMax,
    sendBufferMax,
    hasIp: Bun.which("ip") !== null,
    hasWg: Bun.which("wg") !== null,
    proxyProblem: proxyProblem(),
    state,
  };
}

async function tryTun(): Promise<string> {
  try {
    await (await open(TUN, "r+")).close();
    return "ok";
  } catch (error) {
    return codeOf(error);
  }
}

async function hasNetAdmin(): Promise<boolean> {
  try {
    const [, bits] = /^CapEff:\s*([0-9a-f]+)$/m.exec(await readFile("/proc/self/status", "utf8")) ?? [];
    return bits !== undefined && (BigInt(`0x${bits}`) & CAP_NET_ADMIN) !== 0n;
  } catch {
    return process.getuid?.() === 0;
  }
}

async function tryUdp(): Promise<string | undefined> {
  const arrived = Promise.withResolvers<string | undefined>();
  const timer = setTimeout(() => arrived.resolve("it does not arrive"), UDP_PATIENCE_MS);
  try {
    const socket = await openUdp({
      address: "127.0.0.1",
      port: 0,
      family: 4,
      onBatch: () => arrived.resolve(undefined),
    });
    socket.send(socket.addresses.internEndpoint(endpoint("127.0.0.1", socket.port)), new Uint8Array(1));
    socket.flush();
    return await arrived.promise.finally(() => socket.close());
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
  }
}

async function sysctl(name: string): Promise<number | undefined> {
  try {
    const value = Number((await readFile(`/proc/sys/net/core/${name}`, "utf8")).trim());
    return Number.isFinite(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

async function lookAtState(path: string): Promise<StateFacts> {
  try {
    const found = await stat(path);
    const names = await readdir(path);
    const files = await Promise.all(
      names.map(async (name) => ({ path: join(path, name), of: await stat(join(path, name)) })),
    );
    const isOwn = found.uid === process.getuid?.();
    // An empty one of our own is closed to others at the start.
    const all = isOwn && names.length === 0 ? [] : [{ path, of: found }, ...files];
    return {
      kind: "found",
      path,
      isOwn,
      isWritable: await access(path, constants.W_OK).then(
        () => true,
        () => false,
      ),
      open: all
        .filter(({ of }) => (of.mode & OTHERS) !== 0)
        .map(({ path: at, of }) => ({ path: at, mode: of.mode & 0o777, isDirectory: of.isDirectory() })),
    };
  } catch (error) {
    const code = codeOf(error);
    return code === "ENOENT" ? { kind: "absent", path } : { kind: "unreadable", path, code };
  }
}

function proxyProblem(): string | undefined {
  try {
    checkProxies();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function codeOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return code ?? "unknown";
}
