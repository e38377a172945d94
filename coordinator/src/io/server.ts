/** The one listening socket: WebSocket upgrades go to the channel, all else to the HTTP API. */
import { CHANNEL_PATH, UserError } from "@burrow/protocol";
import type { Server } from "bun";
import type { Hono } from "hono";
import type { Channel } from "./channel.ts";
import { clientAddress } from "./client-address.ts";
import type { Connection } from "./connection.ts";
import { BODY_BYTES_MAX, badRequest } from "./http/endpoint.ts";
import { EVENTS_PATH } from "./http/events.ts";
import type { HttpEnv } from "./http/parts.ts";
import { problem } from "./http/problem.ts";

export interface Listen {
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
}

/** Throws a UserError when the address cannot be listened on. */
export function listen(
  at: Listen,
  trustProxy: boolean,
  app: Hono<HttpEnv>,
  channel: Channel,
): Server<Connection> {
  try {
    return Bun.serve<Connection>({
      hostname: at.address,
      port: at.port,
      development: false,
      // Without this word, Bun in production mode shares the port with whoever else listens on it.
      reusePort: false,
      maxRequestBodySize: 2 * BODY_BYTES_MAX,
      websocket: channel.handler,
      fetch(request, server) {
        const peer = server.requestIP(request)?.address ?? "";
        const address = clientAddress(peer, request.headers.get("x-forwarded-for"), trustProxy);
        const isSecure = trustProxy && request.headers.get("x-forwarded-proto") === "https";
        // The URL carries the Host header, which may be any text.
        if (!URL.canParse(request.url)) return badRequest("The request's URL or Host is not one.");
        const { pathname } = new URL(request.url);
        if (pathname === CHANNEL_PATH) return upgrade(request, server, channel, address);
        // A stream is silent for longer than an idle connection may be.
        if (pathname === EVENTS_PATH) server.timeout(request, 0);
        return app.fetch(request, { address, isSecure });
      },
      error: () => problem("internal", "The coordinator could not answer this request.", "Try again."),
    });
  } catch (cause) {
    throw cannotListen(at, cause);
  }
}

function upgrade(
  request: Request,
  server: Server<Connection>,
  channel: Channel,
  address: string,
): Response | undefined {
  switch (channel.upgrade(request, server, address)) {
    case "upgraded":
      return undefined;
    case "crowded":
      return problem(
        "crowded",
        "Too many connections are waiting to prove their keys.",
        "Try again in some seconds.",
      );
    case "not-websocket":
      return problem(
        "not-websocket",
        "This path speaks WebSocket only.",
        "Connect with: burrow up, or burrow relay",
        { upgrade: "websocket" },
      );
  }
}

function cannotListen({ address, port }: Listen, cause: unknown): UserError {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  const where = address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
  const [why, remedy] =
    code === "EADDRINUSE"
      ? ["another program has the port", `find it with \`ss -ltnp 'sport = :${port}'\``]
      : code === "EACCES"
        ? ["no permission", "ports below 1024 take root or CAP_NET_BIND_SERVICE"]
        : [
            cause instanceof Error ? cause.message : String(cause),
            "check that the address is this machine's",
          ];
  return new UserError(
    `cannot listen on ${where}: ${why}`,
    `${remedy}; or choose another with --listen IP:PORT`,
    {
      cause,
    },
  );
}
