/** The operators' HTTP API from the other side, for commands and tests. Every failure is a UserError. */
import { UserError } from "@burrow/protocol";
import { z } from "zod";
import type { AgentView, PathView } from "./http/schemas/agent.ts";
import type { NearestView } from "./http/schemas/nearest.ts";
import type { RelayView } from "./http/schemas/relay.ts";
import type { TokenView } from "./http/tokens.ts";
import type { OperatorAccess } from "./operator.ts";

export type { AgentView, NearestView, PathView, RelayView, TokenView };

export interface TokenRequest {
  readonly for: "agent" | "relay";
  readonly network?: string;
  readonly uses?: number;
  readonly expiresInMs?: number;
}

export interface CreatedToken {
  readonly id: string;
  /** Shown this once. */
  readonly token: string;
  readonly for: "agent" | "relay";
  readonly network?: string;
  readonly uses: number;
  readonly expiresAtMs: number;
}

export interface OperatorClient {
  createToken(request: TokenRequest): Promise<CreatedToken>;
  tokens(): Promise<TokenView[]>;
  /** Lets nobody in any more. */
  removeToken(id: string): Promise<TokenView>;
  /** This client is none of an operator's from then on. */
  rotateOperatorToken(): Promise<{ readonly token: string }>;
  drainRelay(id: string, draining?: boolean): Promise<RelayView>;
  /** What is left out stays as it is. */
  setRelay(id: string, wishes: { readonly weightMs?: number; readonly avoid?: boolean }): Promise<RelayView>;
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
const PLAIN_TIMEOUT_MS = 2_000;
const problemBody = z.object({ message: z.string(), remedy: z.string() });

export function operatorClient(access: OperatorAccess): OperatorClient {
  const get = <T>(path: string) => ask<T>(access, "GET", path);
  const id = encodeURIComponent;
  return {
    createToken: (request) => ask(access, "POST", "/v1/tokens", request),
    tokens: () => all(access, "/v1/tokens"),
    removeToken: (token) => ask(access, "DELETE", `/v1/tokens/${id(token)}`),
    rotateOperatorToken: () => ask(access, "POST", "/v1/operator-token", {}),
    drainRelay: (relay, draining = true) =>
      ask(access, "POST", `/v1/relays/${id(relay)}/drain`, { draining }),
    setRelay: (relay, wishes) => ask(access, "PATCH", `/v1/relays/${id(relay)}`, wishes),
    removeRelay: (relay) => ask(access, "DELETE", `/v1/relays/${id(relay)}`),
    revokeAgent: (agent) => ask(access, "DELETE", `/v1/agents/${id(agent)}`),
    relays: () => all(access, "/v1/relays"),
    agents: () => all(access, "/v1/agents"),
    paths: (agent) => all(access, `/v1/agents/${id(agent)}/paths`),
    nearest: (ip) => get(`/v1/nearest?ip=${id(ip)}`),
  };
}

/** Whether https: was asked of a port at which plain HTTP answers. */
async function speaksPlainHttp(url: string): Promise<boolean> {
  if (!url.startsWith("https:")) return false;
  const plain = `http:${url.slice("https:".length)}`;
  const signal = AbortSignal.timeout(PLAIN_TIMEOUT_MS);
  return await fetch(plain, { signal, redirect: "manual" }).then(
    (response) => response.status < 300 || response.status === 404,
    () => false,
  );
}

/** Nobody has this many agents, but a server that is none of ours may send us in circles. */
const PAGES_MAX = 10_000;

/** A list to its end, page by page. */
async function all<T>(access: OperatorAccess, first: string): Promise<T[]> {
  const items: T[] = [];
  let path: string | undefined = first;
  for (let page = 0; path !== undefined && page < PAGES_MAX; page++) {
    const { body, next }: Answered<T[]> = await answer(access, "GET", path);
    items.push(...body);
    path = next;
  }
  return items;
}

interface Answered<T> {
  readonly body: T;
  /** Where a list goes on. */
  readonly next: string | undefined;
}

async function ask<T>(access: OperatorAccess, method: string, path: string, body?: unknown): Promise<T> {
  return (await answer<T>(access, method, path, body)).body;
}

async function answer<T>(
  access: OperatorAccess,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answered<T>> {
  let response: Response;
  try {
    response = await fetch(new URL(path, access.url), {
      method,
      headers: { authorization: `Bearer ${access.token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
      // A POST that is sent on becomes a GET, and the token stays behind: whoever typed the URL must know.
      redirect: "manual",
    });
  } catch (cause) {
    const remedy = (await speaksPlainHttp(access.url))
      ? "it speaks no TLS there: write http:// instead of https://, or give the URL of the TLS proxy before it"
      : "check that it runs and that the URL is right";
    throw new UserError(`the coordinator at ${access.url} does not answer`, remedy, { cause });
  }
  refuseRedirect(access, response);
  const told: unknown = await response.json().catch(() => undefined);
  if (response.ok && told !== undefined) {
    return { body: told as T, next: /<(\/[^>]*)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1] };
  }
  const problem = problemBody.safeParse(told);
  if (problem.success && response.status === 401) {
    throw new UserError(
      `the coordinator at ${access.url} does not take this operator token`,
      "its own is in operator.json of its state directory; a BURROW_OPERATOR_TOKEN or --operator-token-file from before `burrow operator rotate` is void",
    );
  }
  throw problem.success
    ? new UserError(problem.data.message, problem.data.remedy)
    : new UserError(
        `the server at ${access.url} is no coordinator (it answered ${response.status})`,
        "check the URL: scheme, host and port; `burrow coordinator` prints it when it is ready",
      );
}

function refuseRedirect({ url }: OperatorAccess, { status, headers }: Response): void {
  const location = headers.get("location");
  if (status < 300 || status > 399 || location === null || !URL.canParse(location, url)) return;
  throw new UserError(
    `${url} sends its callers on to ${new URL(location, url).origin}`,
    "if that is the coordinator, give its URL",
  );
}
