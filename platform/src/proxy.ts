/**
 * Which HTTP proxy a connection has to take, by the variables that everybody uses: HTTPS_PROXY, HTTP_PROXY, NO_PROXY,
 * in the reading of Go's golang.org/x/net/http/httpproxy (so of curl, kubectl, Docker as well), or small letters.
 *
 *   const proxy = proxyFor(new URL("wss://198.51.100.7/v1/datagrams"));   // undefined: straight
 *   new WebSocket(url, { ...(proxy && { proxy: proxy.url }) });
 *   log.debug("by {proxy}", { proxy: proxy?.shown });                     // never `url`: it may hold a password
 *
 * Nothing of this machine is ever asked for by a proxy.
 */
import { BlockList, isIP } from "node:net";
import { UserError } from "@burrow/protocol";

export interface HttpProxy {
  /** With name and password, if there are any: for the connection alone. */
  readonly url: string;
  /** Without: for people and logs. */
  readonly shown: string;
  /** The variable that names it. */
  readonly variable: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const SECURE = ["HTTPS_PROXY", "https_proxy"] as const;
const PLAIN = ["HTTP_PROXY", "http_proxy"] as const;
const EXCEPTIONS = ["NO_PROXY", "no_proxy"] as const;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8);
LOOPBACK.addAddress("::1", "ipv6");

/** The proxy for an http, https, ws or wss URL. A variable that names none that we can use counts as not set. */
export function proxyFor(target: URL, env: Environment = process.env): HttpProxy | undefined {
  const isSecure = target.protocol === "https:" || target.protocol === "wss:";
  const proxy = named(isSecure ? SECURE : PLAIN, env);
  if (proxy === undefined || typeof proxy === "string" || isExempt(target, isSecure, env)) return undefined;
  return proxy;
}

/** What a failed connection by a proxy says, in words that tell where to mend it. */
export function proxyProblem(message: string, { shown, variable }: HttpProxy): string {
  if (/proxy authentication required/i.test(message)) {
    return `the proxy ${shown} wants a name and a password; put them into ${variable}`;
  }
  const [, answer] = /proxy connection failed: (.*)$/i.exec(message) ?? [];
  if (answer !== undefined) return `the proxy ${shown} refuses to connect there: ${answer}`;
  return `by the proxy ${shown}: ${message}`;
}

/** Throws a UserError when a variable names what is no HTTP proxy: better than going around the proxy in silence. */
export function checkProxies(env: Environment = process.env): void {
  for (const names of [SECURE, PLAIN]) {
    const proxy = named(names, env);
    if (typeof proxy !== "string") continue;
    throw new UserError(
      proxy,
      "give an http:// or https:// URL, like http://proxy.example:3128, or unset the variable",
    );
  }
}

/** The proxy named by the first variable that is set, or what is wrong with it. The text may be a secret. */
function named(names: readonly string[], env: Environment): HttpProxy | string | undefined {
  const variable = names.find((name) => (env[name] ?? "").trim() !== "");
  if (variable === undefined) return undefined;
  const text = env[variable]?.trim() ?? "";
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  if (url === undefined || url.hostname === "") return `${variable} is no URL`;
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return `${variable} names a proxy that speaks ${url.protocol.slice(0, -1)}, not HTTP`;
  }
  return { url: url.href, shown: url.origin, variable };
}

function isExempt({ hostname, port }: URL, isSecure: boolean, env: Environment): boolean {
  const host = hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
  const family = isIP(host) === 6 ? "ipv6" : "ipv4";
  if (host === "localhost" || host.endsWith(".localhost")) return true;
  if (isIP(host) !== 0 && LOOPBACK.check(host, family)) return true;
  const exceptions = EXCEPTIONS.map((name) => env[name] ?? "").find((text) => text.trim() !== "") ?? "";
  const wanted = port === "" ? (isSecure ? "443" : "80") : port;
  return exceptions
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => entry !== "" && matches(entry, host, wanted));
}

/** One entry of NO_PROXY: `*`, an address, a prefix, or a domain with what is below it, each perhaps with a port. */
function matches(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  const [, bracketed, plain = "", wanted] =
    /^(?:\[([^\]]*)\]|([^:]*|[^:]*:[^:]*:.*?))(?::(\d+))?$/.exec(entry) ?? [];
  const name =
    isIP(entry) === 6 || /^[0-9a-f:.]*:[0-9a-f:.]*\/\d+$/.test(entry) ? entry : (bracketed ?? plain);
  if (name !== entry && wanted !== undefined && wanted !== port) return false;
  if (name.includes("/")) return isWithin(host, name);
  if (isIP(name) !== 0) return isWithin(host, `${name}/${isIP(name) === 6 ? 128 : 32}`);
  const domain = name.replace(/^\*?\./, "");
  if (domain === "") return false;
  return host.endsWith(`.${domain}`) || (host === domain && !/^\*?\./.test(name));
}

function isWithin(host: string, prefix: string): boolean {
  const [network = "", bits = ""] = prefix.split("/");
  const family = isIP(network);
  if (
    family === 0 ||
    isIP(host) !== family ||
    !/^\d{1,3}$/.test(bits) ||
    Number(bits) > (family === 6 ? 128 : 32)
  ) {
    return false;
  }
  const list = new BlockList();
  list.addSubnet(network, Number(bits), family === 6 ? "ipv6" : "ipv4");
  return list.check(host, family === 6 ? "ipv6" : "ipv4");
}
