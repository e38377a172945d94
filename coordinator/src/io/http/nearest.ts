/** How relays rank for an address. */
import { parseAddress } from "@burrow/protocol";
import { z } from "zod";
import { type Api, badRequest, type Endpoint } from "./endpoint.ts";
import type { HttpParts } from "./parts.ts";
import { nearestView as nearestSchema } from "./schemas/nearest.ts";
import { nearestView } from "./views.ts";

const NEAREST = {
  method: "get",
  path: "/v1/nearest",
  name: "rankRelays",
  group: "Relays",
  summary: "How relays rank for an address, with every term of it",
  access: "more-for-operators",
  query: z.object({
    ip: z
      .string()
      .optional()
      .meta({ description: "IPv4 or IPv6; without it, the address of the one who asks" }),
    network: z
      .string()
      .optional()
      .meta({ description: "For operators: as the agents of this network see them, its own relays first" }),
  }),
  answer: { status: 200, description: "The nearest first", schema: nearestSchema },
} as const satisfies Endpoint;

export function addNearest(api: Api, { shell, geo, networkOf }: HttpParts): void {
  api.add(NEAREST, ({ context, query, isOperator }) => {
    const ip = query.ip === undefined ? context.env.address : parseAddress(query.ip);
    if (ip === undefined) return badRequest("ip is not an IP address, as in /v1/nearest?ip=192.0.2.1");
    const network = isOperator && query.network !== undefined ? networkOf(query.network) : undefined;
    // To others it is as if there were none: which networks there are is not theirs to know.
    if (query.network !== undefined && network === undefined) {
      return badRequest("there is no network of this name, as far as you may know");
    }
    return { body: nearestView(shell.mesh, ip, geo, network) };
  });
}
