/** Probes the network around this machine for `core/surroundings.ts` to judge. Every probe ends within seconds. */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { type HttpProxy, hasDefaultRoute, proxyFor, proxyProblem } from "@burrow/platform";
import { PROBE_CHALLENGE, PROBE_PATH, PROBE_RESPONSE, PROBE_TIME, probeResponse } from "@burrow/protocol";
import type { NameAnswer, Observations, ProbeAnswer } from "../core/surroundings.ts";

const PATIENCE_MS = 4_000;
/** More than this of a redirection's target is not shown. */
const SHOWN_MAX = 80;

export async function observe(coordinator: string): Promise<Omit<Observations, "doors" | "ports">> {
  const url = new URL(coordinator);
  const proxy = proxyFor(url);
  const plainUrl = new URL(`http://${url.hostname}/`);
  const [name, probe, plain] = await Promise.all([
    resolveName(url, proxy),
    probeAt(url, proxy),
    url.protocol === "https:" ? probeAt(plainUrl, proxyFor(plainUrl)) : ({ kind: "unasked" } as const),
  ]);
  const { shown: by, variable: proxyVariable } = proxy ?? {};
  return { coordinator, host: url.hostname, proxy: by, proxyVariable, name, probe, plain };
}

async function resolveName({ hostname }: URL, proxy: HttpProxy | undefined): Promise<NameAnswer> {
  if (proxy !== undefined || isIP(hostname.replace(/^\[|\]$/g, "")) !== 0) return { kind: "unneeded" };
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`nothing within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  try {
    const found = await Promise.race([lookup(hostname, { all: true }), late.promise]);
    return { kind: "resolved", addresses: found.map(({ address }) => address) };
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    const isUnknown = /ENOTFOUND|ENODATA|NXDOMAIN/.test(code);
    return { kind: isUnknown ? "unknown-name" : "no-answer", detail: code === "" ? message : code };
  } finally {
    clearTimeout(timer);
  }
}

/** Asks for the probe page, with a challenge that nobody can have cached. */
export async function probeAt(at: URL, proxy: HttpProxy | undefined): Promise<ProbeAnswer> {
  const challenge = crypto.randomUUID();
  const sentMs = Date.now();
  let response: Response;
  try {
    response = await fetch(new URL(PROBE_PATH, at), {
      headers: { [PROBE_CHALLENGE]: challenge },
      redirect: "manual",
      cache: "no-store",
      signal: AbortSignal.timeout(PATIENCE_MS),
      ...(proxy && { proxy: proxy.url }),
    });
  } catch (error) {
    return failureOf(error as Error & { code?: string }, proxy);
  }
  const rttMs = Date.now() - sentMs;
  await response.body?.cancel();
  if (response.status === 204 && response.headers.get(PROBE_RESPONSE) === probeResponse(challenge)) {
    const theirs = Number(response.headers.get(PROBE_TIME) ?? Number.NaN);
    const skewMs = Number.isFinite(theirs) ? Math.round(sentMs + rttMs / 2 - theirs) : undefined;
    return { kind: "exact", rttMs, skewMs };
  }
  return strangerOf(response, at);
}

/** Whose answer it is, if it is not ours. */
function strangerOf({ status, headers }: Response, at: URL): ProbeAnswer {
  if (status === 407) return { kind: "proxy", detail: "it wants a name and a password (407)" };
  // RFC 6585 §6: made for captive portals.
  if (status === 511) return { kind: "portal", detail: "it says that this network wants a sign-in (511)" };
  const target = headers.get("location") ?? "";
  if (status >= 300 && status < 400 && URL.canParse(target, at.href)) {
    const { hostname, origin } = new URL(target, at.href);
    if (hostname !== at.hostname) {
      return { kind: "portal", detail: `it sends us to ${shown(origin)} (${status})` };
    }
  }
  if (status === 200) return { kind: "portal", detail: "a page where there should be none (200)" };
  return { kind: "other", detail: `status ${status}` };
}

function failureOf(error: Error & { code?: string }, proxy: HttpProxy | undefined): ProbeAnswer {
  const { code = "", message, name } = error;
  const what = `${code} ${message}`;
  if (proxy !== undefined) return { kind: "proxy", detail: proxyProblem(shown(message), proxy) };
  if (name === "TimeoutError" || name === "AbortError" || /ETIMEDOUT/.test(what)) {
    return { kind: "silent", detail: `no answer within ${PATIENCE_MS / 1_000} s` };
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO_|TLS|SSL/i.test(code)) return { kind: "certificate", detail: code };
  if (/ENETUNREACH|EHOSTUNREACH|ENETDOWN/.test(what)) {
    // A router further on says the same (ICMP) as a machine that has none.
    return { kind: hasDefaultRoute() === true ? "unreachable" : "offline", detail: code || message };
  }
  const isRefused = /ECONNREFUSED|ConnectionRefused|ECONNRESET|FailedToOpenSocket|ConnectionClosed/.test(
    what,
  );
  return { kind: "closed", detail: isRefused ? "nothing takes the connection there" : shown(message) };
}

/** Of a stranger's text, what cannot move a terminal's cursor. */
function shown(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, SHOWN_MAX);
}
