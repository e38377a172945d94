/** The operators' HTTP API: health, metrics, and who is where. Reads the mesh; changes go through the store first. */
import { agentId, type NetworkId, parseAddress, relayId, toHex } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import { HTTPException } from "hono/http-exception";
import { routePath } from "hono/route";
import { z } from "zod";
import type { GeoResolver } from "../core/geo.ts";
import type { RandomBytes } from "../core/ticket-office.ts";
import { TOKEN_USES_MAX } from "../core/tokens.ts";
import type { Census } from "./census.ts";
import type { Channel } from "./channel.ts";
import type { Metrics } from "./metrics.ts";
import { bearsToken, hashSecret, secretText } from "./operator.ts";
import { problem } from "./problem.ts";
import type { Shell } from "./shell.ts";
import type { Store } from "./store/store.ts";
import { agentView, nearestView, pathViews, relayView, relayViews } from "./views.ts";

const log = getLogger(["burrow", "coordinator", "http"]);

export const BODY_BYTES_MAX = 64 * 1024;
/** A store that takes longer than this to write is not ready. */
const STORE_CHECK_MS = 2_000;
const DAY_MS = 24 * 60 * 60 * 1000;
const TOKEN_LIFE_MAX_MS = 10 * 365 * DAY_MS;

export interface HttpParts {
  readonly shell: Shell;
  readonly store: Store;
  readonly channel: Channel;
  readonly metrics: Metrics;
  readonly census: Census;
  readonly geo: GeoResolver | undefined;
  readonly operatorToken: string;
  readonly random: RandomBytes;
  /** Names of the networks that agents belong to. */
  readonly networkName: (id: NetworkId) => string;
  readonly networkMade: (id: NetworkId, name: string) => void;
}

export interface HttpEnv {
  readonly Bindings: { readonly address: string };
}

const networkName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "letters a-z, digits and -, 63 at most");

export const tokenBody = z.strictObject({
  for: z.enum(["agent", "relay"]),
  network: networkName.optional(),
  uses: z.number().int().min(1).max(TOKEN_USES_MAX).default(1),
  expiresInMs: z.number().int().min(1000).max(TOKEN_LIFE_MAX_MS).default(DAY_MS),
});

export const drainBody = z.strictObject({ draining: z.boolean().default(true) });

export function createHttpApp(parts: HttpParts): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.use(counted(parts.metrics));
  app.use(bodyLimit({ maxSize: BODY_BYTES_MAX, onError: tooLarge }));
  addHealth(app, parts);
  addRelays(app, parts);
  addAgents(app, parts);
  addTokens(app, parts);
  app.notFound((context) =>
    problem(context, 404, {
      code: "not-found",
      message: "There is nothing at this path.",
      remedy: "See docs/api.md for the paths; check the method, too.",
    }),
  );
  app.onError((error, context) => {
    if (error instanceof HTTPException && error.status < 500) {
      return badRequest(context, "The request was not understood.");
    }
    log.error("a request failed: {problem}", { problem: String(error) });
    return problem(context, 500, {
      code: "internal",
      message: "The coordinator could not answer this request.",
      remedy: "Try again; operators: see the coordinator's log.",
    });
  });
  return app;
}

function addHealth(app: Hono<HttpEnv>, { store, metrics }: HttpParts): void {
  app.get("/healthz", (context) => context.json({ status: "ok" }));
  app.get("/readyz", async (context) => {
    const failure = await within(store.check(), STORE_CHECK_MS).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    if (failure === undefined)
      return context.json({ status: "ready", store: store.kind, channel: "serving" });
    log.warn("the store cannot be written to: {problem}", { problem: String(failure) });
    return problem(context, 503, {
      code: "store-unavailable",
      message: "The store cannot be written to.",
      remedy: "Operators: see the coordinator's log; is the disk full or read-only?",
    });
  });
  app.get("/metrics", async (context) =>
    context.body(await metrics.registry.metrics(), 200, { "content-type": metrics.registry.contentType }),
  );
}

function addRelays(app: Hono<HttpEnv>, parts: HttpParts): void {
  const { shell, store, channel, census, geo, operatorToken } = parts;
  app.get("/v1/relays", (context) => context.json(relayViews(shell.mesh, census)));
  app.get("/v1/relays/:id", (context) => {
    const id = relayId.safeParse(context.req.param("id"));
    const entry = id.success ? shell.mesh.relays.get(id.data) : undefined;
    return entry === undefined ? noSuch(context, "relay") : context.json(relayView(entry, census));
  });
  app.post("/v1/relays/:id/drain", operatorsOnly(operatorToken), async (context) => {
    const id = relayId.safeParse(context.req.param("id"));
    const body = await jsonBody(context, drainBody);
    if (!body.ok) return badRequest(context, body.problem);
    const record = id.success ? await store.requestDrain(id.data, body.value.draining) : undefined;
    if (record === undefined) return noSuch(context, "relay");
    shell.run((mesh, now) => mesh.drainRequested(record, now));
    const entry = shell.mesh.relays.get(record.id);
    log.info("an operator asked relay {relay} to drain: {draining}", {
      relay: record.id,
      draining: record.drainRequested,
    });
    return entry === undefined ? noSuch(context, "relay") : context.json(relayView(entry, census));
  });
  app.delete("/v1/relays/:id", operatorsOnly(operatorToken), async (context) => {
    const id = relayId.safeParse(context.req.param("id"));
    const removed = id.success ? await store.removeRelay(id.data) : undefined;
    if (removed === undefined) return noSuch(context, "relay");
    channel.endRelay(removed.id);
    shell.run((mesh, now) => mesh.relayRemoved(removed.id, now));
    log.info("an operator removed relay {relay} ({region})", { relay: removed.id, region: removed.region });
    return context.json({ id: removed.id, region: removed.region });
  });
  app.get("/v1/nearest", (context) => {
    const asked = context.req.query("ip");
    const ip = asked === undefined ? context.env.address : parseAddress(asked);
    if (ip === undefined)
      return badRequest(context, "ip is not an IP address, as in /v1/nearest?ip=192.0.2.1");
    return context.json(nearestView(shell.mesh, ip, geo));
  });
}

function addAgents(app: Hono<HttpEnv>, parts: HttpParts): void {
  const { shell, store, channel } = parts;
  app.use("/v1/agents/*", operatorsOnly(parts.operatorToken));
  app.get("/v1/agents", (context) => {
    const { mesh } = shell;
    return context.json(
      mesh.agents.all().map((entry) => agentView(mesh, parts.networkName(entry.record.network), entry)),
    );
  });
  app.get("/v1/agents/:id/paths", (context) => {
    const id = agentId.safeParse(context.req.param("id"));
    const entry = id.success ? shell.mesh.agents.get(id.data) : undefined;
    return entry === undefined ? noSuch(context, "agent") : context.json(pathViews(shell.mesh, entry));
  });
  app.delete("/v1/agents/:id", async (context) => {
    const id = agentId.safeParse(context.req.param("id"));
    const revoked = id.success ? await store.revokeAgent(id.data, shell.now) : undefined;
    if (revoked === undefined) return noSuch(context, "agent");
    channel.endAgent(revoked.id);
    shell.run((mesh, now) => mesh.agentRevoked(revoked.id, now));
    log.info("an operator revoked agent {agent} ({name})", { agent: revoked.id, name: revoked.name });
    return context.json({ id: revoked.id, name: revoked.name, revokedAtMs: revoked.revokedAtMs });
  });
}

function addTokens(app: Hono<HttpEnv>, parts: HttpParts): void {
  const { shell, store, random } = parts;
  app.post("/v1/tokens", operatorsOnly(parts.operatorToken), async (context) => {
    const body = await jsonBody(context, tokenBody);
    if (!body.ok) return badRequest(context, body.problem);
    const { for: kind, uses, expiresInMs } = body.value;
    if (kind === "relay" && body.value.network !== undefined) {
      return badRequest(context, "network is for agents' tokens only: relays serve all networks");
    }
    const secret = secretText("burrow_", random);
    const { token, network } = await store.createToken(
      {
        hash: hashSecret(secret),
        kind,
        networkName: body.value.network ?? "default",
        freshNetworkId: toHex(random(8)) as NetworkId,
        usesMax: uses,
        expiresAtMs: shell.now + expiresInMs,
      },
      shell.now,
    );
    if (network !== undefined) parts.networkMade(network.id, network.name);
    log.info("an operator made a token for {uses} of {kind}", { uses, kind });
    const { expiresAtMs } = token;
    const named = network === undefined ? {} : { network: network.name };
    return context.json({ token: secret, for: kind, ...named, uses, expiresAtMs }, 201);
  });
}

// ── shared by the routes ──

function counted(metrics: Metrics) {
  return createMiddleware<HttpEnv>(async (context, next) => {
    await next();
    const route = routePath(context, -1);
    metrics.requests.inc({
      method: METHODS.has(context.req.method) ? context.req.method : "other",
      route: context.res.status === 404 && !route.includes(":") ? "unknown" : route,
      status: String(context.res.status),
    });
  });
}

/** Any text is a method: a label must not grow by what strangers send. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]);

function operatorsOnly(token: string) {
  return createMiddleware<HttpEnv>(async (context, next) => {
    if (bearsToken(context.req.header("authorization"), token)) {
      await next();
      return;
    }
    context.header("www-authenticate", "Bearer");
    return problem(context, 401, {
      code: "unauthorized",
      message: "This is for operators only.",
      remedy:
        "Send the operator token, kept in operator.json of the coordinator's state directory, as: Authorization: Bearer TOKEN",
    });
  });
}

type Body<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** No body at all is an empty object. */
async function jsonBody<Schema extends z.ZodType>(
  context: Context,
  schema: Schema,
): Promise<Body<z.output<Schema>>> {
  const text = await context.req.text();
  let value: unknown;
  try {
    value = text.trim() === "" ? {} : JSON.parse(text);
  } catch {
    return { ok: false, problem: "The body is not JSON." };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, value: parsed.data };
  const [issue] = parsed.error.issues;
  const where = issue?.path.join(".") ?? "";
  return { ok: false, problem: `${where === "" ? "body" : where}: ${issue?.message ?? "does not fit"}` };
}

function badRequest(context: Context, message: string): Response {
  return problem(context, 400, {
    code: "bad-request",
    message,
    remedy: "Correct the request and send it again.",
  });
}

function noSuch(context: Context, what: "agent" | "relay"): Response {
  return problem(context, 404, {
    code: "not-found",
    message: `There is no ${what} of this id.`,
    remedy: `\`burrow ${what}s\` lists them, and so does GET /v1/${what}s.`,
  });
}

function tooLarge(context: Context): Response {
  return problem(context, 413, {
    code: "too-large",
    message: `The body is larger than ${BODY_BYTES_MAX} bytes.`,
    remedy: "Send less.",
  });
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  return await Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}
