/**
 * The running agent's API on a Unix socket in its state directory: what `burrow status`, `peers`, `ping` and the
 * like ask. Whoever may open the socket (its owner, root) may ask everything; it changes nothing.
 */
import { chmod, unlink } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "@burrow/protocol";
import { Hono } from "hono";
import { stream } from "hono/streaming";
import type { RunningAgent } from "./running-agent.ts";

export const SOCKET_NAME = "agent.sock";

const PING_COUNT_MAX = 1_000_000;
const PING_INTERVAL_MIN_MS = 2;
/** The year 2001 in Unix milliseconds: no duration is as long. */
const MOMENT_MIN_MS = 1e12;

export interface LocalApi {
  stop(): Promise<void>;
}

export async function serveLocalApi(running: RunningAgent, stateDir: string): Promise<LocalApi> {
  const path = join(stateDir, SOCKET_NAME);
  // The directory's lock is ours, so whoever made an old socket is gone.
  await unlink(path).catch(() => {});
  let server: Bun.Server<undefined>;
  try {
    const app = localApi(running);
    server = Bun.serve({
      unix: path,
      fetch: (request, self) => {
        // A ping may wait longer for its answer than connections are usually kept.
        self.timeout(request, 0);
        return app.fetch(request);
      },
    });
  } catch (cause) {
    const long =
      path.length > 100 ? "choose a shorter path with --state DIR" : "check the directory's rights";
    throw new UserError(`the agent's socket ${path} cannot be opened`, long, { cause });
  }
  await chmod(path, 0o600);
  return {
    stop: async () => {
      await server.stop(true);
      await unlink(path).catch(() => {});
    },
  };
}

export function localApi(running: RunningAgent): Hono {
  const app = new Hono();
  const problem = (code: string, message: string, remedy: string) => ({ code, message, remedy });
  const isSelf = (text: string) => {
    const self = running.netmap?.agent;
    return self !== undefined && [self.id, self.name, self.ipv4, self.ipv6].some((own) => own === text);
  };
  const unknownPeer = (text: string) =>
    isSelf(text)
      ? problem("peer-self", `${text} is this agent itself`, "take a peer: `burrow peers` lists them")
      : problem(
          "peer-unknown",
          `no peer is called ${text}`,
          "`burrow peers` lists them; names, ids and overlay addresses will do",
        );

  const tell = (view: unknown) =>
    new Response(told(view), { headers: { "content-type": "application/json" } });

  app.get("/v1/status", async () => tell(await running.status()));
  app.get("/v1/peers", async () => tell(await running.ask("peers", undefined)));
  app.get("/v1/relays", async () => tell(await running.ask("relays", undefined)));
  app.get("/v1/netcheck", async () => tell(await running.ask("netcheck", undefined)));
  app.get("/v1/why/:peer", async (context) => {
    const peer = running.find(context.req.param("peer"));
    const view = peer === undefined ? undefined : await running.ask("why", peer.id);
    return view === undefined ? context.json(unknownPeer(context.req.param("peer")), 404) : tell(view);
  });
  app.get("/v1/ping/:peer", (context) => {
    const peer = running.find(context.req.param("peer"));
    if (peer === undefined) return context.json(unknownPeer(context.req.param("peer")), 404);
    const count = numberIn(context.req.query("count"), 1, PING_COUNT_MAX, 4);
    const intervalMs = numberIn(context.req.query("intervalMs"), PING_INTERVAL_MIN_MS, 3_600_000, 1_000);
    const timeoutMs = numberIn(context.req.query("timeoutMs"), 10, 600_000, 5_000);
    context.header("content-type", "application/x-ndjson");
    return stream(context, async (out) => {
      const abort = new AbortController();
      out.onAbort(() => abort.abort());
      const replies = running.ping(peer.id, { count, intervalMs, timeoutMs, signal: abort.signal });
      for await (const reply of replies) {
        const path = reply.via === undefined ? undefined : await running.ask("path", reply.via);
        const { via: _, ...rest } = reply;
        await out.writeln(told({ ...rest, path }));
      }
    });
  });
  app.notFound((context) => context.json(problem("not-found", "no such path", "see docs/cli.md"), 404));
  app.onError((error, context) =>
    context.json(problem("internal", error.message, "see the agent's log"), 500),
  );
  return app;
}

/** Moments as whole milliseconds, which others read as integers; durations as finely as they mean anything. */
export function told(view: unknown): string {
  return JSON.stringify(view, (_, value: unknown) => {
    if (typeof value !== "number" || Number.isInteger(value)) return value;
    return value > MOMENT_MIN_MS ? Math.round(value) : Math.round(value * 1_000) / 1_000;
  });
}

function numberIn(text: string | undefined, min: number, max: number, otherwise: number): number {
  const value = Number(text ?? Number.NaN);
  return Number.isFinite(value) ? Math.min(max, Math.max(min, value)) : otherwise;
}
