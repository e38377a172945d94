/** How relays rank for an address. */
import { parseAddress } from "@burrow/protocol";
import type { Hono } from "hono";
import type { HttpEnv, HttpParts } from "./app.ts";
import { badRequest } from "./requests.ts";
import { nearestView } from "./views.ts";

export function addNearest(app: Hono<HttpEnv>, { shell, geo }: HttpParts): void {
  app.get("/v1/nearest", (context) => {
    const asked = context.req.query("ip");
    const ip = asked === undefined ? context.env.address : parseAddress(asked);
    if (ip === undefined)
      return badRequest(context, "ip is not an IP address, as in /v1/nearest?ip=192.0.2.1");
    return context.json(nearestView(shell.mesh, ip, geo));
  });
}
