/** Traffic between namespaces, and what arrived of it: pings counted by their answers, downloads compared by hash. */
import { join } from "node:path";
import type { Lab, Namespace } from "../lab/netns.ts";

const PING_TIMEOUT_MS = 200_000;
const DOWNLOAD_TIMEOUT_MS = 60_000;
const DOWNLOAD_PORT = 8000;

export interface PingOptions {
  readonly count: number;
  readonly intervalMs?: number;
  readonly payloadBytes?: number;
  /** The traffic class of its packets. */
  readonly service?: number;
}

export interface PingResult {
  readonly answers: number;
  /** Questions without an answer before one that has an answer. */
  readonly lost: number;
  /** Questions at the end without an answer: ping leaves after two round trips, which a busy machine may exceed. */
  readonly unheard: number;
}

/** Pings `count` times with `intervalMs` in between, never in fragments. */
export async function ping(from: Namespace, to: string, options: PingOptions): Promise<PingResult> {
  const { count, intervalMs = 10, payloadBytes = 56, service = 0 } = options;
  const words = `-c ${count} -i ${intervalMs / 1000} -s ${payloadBytes} -Q ${service} -M do -W 1`.split(" ");
  // Not one answer makes ping fail; that is an answer too.
  const command = ["sh", "-c", 'ping "$@" || true', "ping", ...words, to];
  const { stdout } = await from.run(command, { timeoutMs: PING_TIMEOUT_MS });
  const answered = new Set([...stdout.matchAll(/icmp_seq=(\d+) ttl/g)].map((match) => Number(match[1])));
  const last = Math.max(0, ...answered);
  return { answers: answered.size, lost: last - answered.size, unheard: count - last };
}

/** Pings every 200 ms until one is answered; how long that took, in ms. Throws when the time is up. */
export async function untilPinged(from: Namespace, to: string, timeoutMs: number): Promise<number> {
  const startedMs = performance.now();
  for (;;) {
    const { answers } = await ping(from, to, { count: 1 });
    const tookMs = performance.now() - startedMs;
    if (answers > 0) return tookMs;
    if (tookMs > timeoutMs) throw new Error(`${to} does not answer ${from.label} within ${timeoutMs} ms`);
    await Bun.sleep(200);
  }
}

/** A file of random bytes in the lab's folder, and its hash. */
export interface Payload {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

export async function makePayload(lab: Lab, bytes: number): Promise<Payload> {
  const file = join(lab.directory, `payload-${bytes}`);
  await Bun.$`head -c ${bytes} /dev/urandom > ${file}`;
  const sha256 = new Bun.CryptoHasher("sha256").update(await Bun.file(file).bytes()).digest("hex");
  return { file, bytes, sha256 };
}

/** Whether the payload comes through whole when `to` fetches it over TCP from `address` in `from`; what came if not. */
export async function transfer(
  payload: Payload,
  from: Namespace,
  address: string,
  to: Namespace,
): Promise<"whole" | string> {
  const server = join(import.meta.dir, "../lab/file-server.ts");
  const serving = from.spawn([process.execPath, server, address, `${DOWNLOAD_PORT}`, payload.file], {
    label: "file-server",
  });
  await serving.waitForLine(/^ready/);
  const host = address.includes(":") ? `[${address}]` : address;
  const url = `http://${host}:${DOWNLOAD_PORT}/`;
  const download = [process.execPath, join(import.meta.dir, "download.ts"), url];
  const { stdout } = await to.run(download, { timeoutMs: DOWNLOAD_TIMEOUT_MS });
  await serving.stop();
  return stdout.trim() === `${payload.bytes} ${payload.sha256}` ? "whole" : stdout.trim();
}
