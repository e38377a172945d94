/** The one listening socket: WebSocket upgrades go to the channel, all else to the HTTP API. */
import { CHANNEL_PATH, UserError } from "@burrow/protocol";
import type { Server } from "bun";
import type { Hono } from "hono";
import type { Channel } from "./channel.ts";
import { clientAddress } from "./client-address.ts";
import type { Connection } from "./connection.ts";
import type { HttpEnv } from "./http/app.ts";
import { EVENTS_PATH } from "./http/events.ts";
import { problemResponse } from "./http/problem.ts";
import { BODY_BYTES_MAX } from "./http/requests.ts";

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
        // The URL carries the Host header, which may be any text.
        if (!URL.canParse(request.url)) return problemResponse(400, BAD_REQUEST);
        const { pathname } = new URL(request.url);
        if (pathname === CHANNEL_PATH) return upgrade(request, server, channel, address);
        // A stream is silent for longer than an idle connection may be.
        if (pathname === EVENTS_PATH) server.timeout(request, 0);
        return app.fetch(request, { address });
      },
      error: () =>
        problemResponse(500, {
          code: "internal",
          message: "The coordinator could not answer this request.",
          remedy: "Try again.",
        }),
    });
  } catch (cause) {
    throw cannotListen(at, cause);
  }
}

const BAD_REQUEST = {
  code: "bad-request",
  message: "The request's URL or Host is not one.",
  remedy: "Correct the request and send it again.",
};

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
      return problemResponse(503, {
        code: "crowded",
        message: "Too many connections are waiting to prove their keys.",
        remedy: "Try again in some seconds.",
      });
    case "not-websocket":
      return problemResponse(426, {
        code: "not-websocket",
        message: "This path speaks WebSocket only.",
        remedy: "Connect with: burrow up, or burrow relay",
      });
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
