/** The operators' HTTP API from the other side, for commands and tests. Every failure is a UserError. */
import { UserError } from "@burrow/protocol";
import { z } from "zod";
import type { OperatorAccess } from "./operator.ts";
import type { agentView, nearestView, pathViews, relayView } from "./views.ts";

export type RelayView = ReturnType<typeof relayView>;
export type AgentView = ReturnType<typeof agentView>;
export type PathView = ReturnType<typeof pathViews>[number];
export type NearestView = ReturnType<typeof nearestView>;

export interface TokenRequest {
  readonly for: "agent" | "relay";
  readonly network?: string;
  readonly uses?: number;
  readonly expiresInMs?: number;
}

export interface CreatedToken {
  /** Shown this once. */
  readonly token: string;
  readonly for: "agent" | "relay";
  readonly network?: string;
  readonly uses: number;
  readonly expiresAtMs: number;
}

export interface OperatorClient {
  createToken(request: TokenRequest): Promise<CreatedToken>;
  drainRelay(id: string, draining?: boolean): Promise<RelayView>;
  /** For relays that are gone for good. */
  removeRelay(id: string): Promise<{ readonly id: string; readonly region: string }>;
  revokeAgent(
    id: string,
  ): Promise<{ readonly id: string; readonly name: string; readonly revokedAtMs: number }>;
  relays(): Promise<RelayView[]>;
  agents(): Promise<AgentView[]>;
  paths(agent: string): Promise<PathView[]>;
  nearest(ip: string): Promise<NearestView>;
}

const TIMEOUT_MS = 15_000;
const problemBody = z.object({ message: z.string(), remedy: z.string() });

export function operatorClient(access: OperatorAccess): OperatorClient {
  const get = <T>(path: string) => ask<T>(access, "GET", path);
  const id = encodeURIComponent;
  return {
    createToken: (request) => ask(access, "POST", "/v1/tokens", request),
    drainRelay: (relay, draining = true) =>
      ask(access, "POST", `/v1/relays/${id(relay)}/drain`, { draining }),
    removeRelay: (relay) => ask(access, "DELETE", `/v1/relays/${id(relay)}`),
    revokeAgent: (agent) => ask(access, "DELETE", `/v1/agents/${id(agent)}`),
    relays: () => get("/v1/relays"),
    agents: () => get("/v1/agents"),
    paths: (agent) => get(`/v1/agents/${id(agent)}/paths`),
    nearest: (ip) => get(`/v1/nearest?ip=${id(ip)}`),
  };
}

async function ask<T>(access: OperatorAccess, method: string, path: string, body?: unknown): Promise<T> {
  let response: Response;
  try {
    response = await fetch(new URL(path, access.url), {
      method,
      headers: { authorization: `Bearer ${access.token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (cause) {
    throw new UserError(
      `the coordinator at ${access.url} does not answer`,
      "check that it runs and that the URL is right",
      { cause },
    );
  }
  if (response.ok) return (await response.json()) as T;
  const told = problemBody.safeParse(await response.json().catch(() => undefined));
  throw told.success
    ? new UserError(told.data.message, told.data.remedy)
    : new UserError(`the coordinator at ${access.url} answered ${response.status}`, "see its log");
}
