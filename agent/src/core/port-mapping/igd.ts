/**
 * What is said to a UPnP router once it is found: its description read, mappings asked for by SOAP
 * (WANIPConnection:1 §2.4 and :2 §2.5, which older modems call WANPPPConnection:1). The router is the one before us and
 * no other: a description that points elsewhere is not followed.
 */
import { elements, elementText, escaped } from "./xml.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST";
  /** Plain HTTP at the router's own address. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** A way to the internet that the router lets others control. */
export interface Control {
  readonly url: string;
  readonly service: string;
}

const SERVICE = /^urn:schemas-upnp-org:service:(WANIPConnection:[12]|WANPPPConnection:1)$/;
const CONTROLS_MAX = 4;
const URL_LENGTH_MAX = 512;
const PORT_MAX = 65_535;

/** A URL of plain HTTP at exactly this host; undefined for any other. */
export function urlAt(host: string, url: string): string | undefined {
  const match = /^http:\/\/([0-9.]+)(?::([1-9][0-9]{0,4}))?(\/[\x21-\x7e]*)?$/i.exec(url);
  if (match === null || match[1] !== host || url.length > URL_LENGTH_MAX) return undefined;
  if (Number(match[2] ?? 80) > PORT_MAX) return undefined;
  const port = match[2] === undefined ? "" : `:${match[2]}`;
  return `http://${host}${port}${match[3] ?? "/"}`;
}

/** The services of a description by which ports are mapped, best first. */
export function parseDescription(host: string, location: string, xml: string): Control[] {
  const base = elementText(xml, "URLBase");
  const root = urlAt(host, base ?? "") ?? location;
  const controls = elements(xml, "service").flatMap((service): Control[] => {
    const type = elementText(service, "serviceType") ?? "";
    const url = resolve(host, root, elementText(service, "controlURL") ?? "");
    return SERVICE.test(type) && url !== undefined ? [{ url, service: type }] : [];
  });
  return controls.toSorted((a, b) => order(a) - order(b)).slice(0, CONTROLS_MAX);
}

/** Addresses before dialled lines. */
function order({ service }: Control): number {
  return service.includes("WANIP") ? 0 : 1;
}

/** A reference of a description, which is mostly a path (RFC 3986 §5, as far as routers go). */
function resolve(host: string, root: string, reference: string): string | undefined {
  if (reference === "") return undefined;
  if (/^[a-z][a-z0-9+.-]*:/i.test(reference)) return urlAt(host, reference);
  const pathAt = root.indexOf("/", "http://".length);
  if (reference.startsWith("//")) return undefined;
  if (reference.startsWith("/")) return urlAt(host, root.slice(0, pathAt) + reference);
  return urlAt(host, root.slice(0, root.lastIndexOf("/") + 1) + reference);
}

export function describe(url: string): HttpRequest {
  return { method: "GET", url, headers: {}, body: "" };
}

export interface IgdMapping {
  readonly outsidePort: number;
  readonly port: number;
  readonly local: string;
  /** 0: for good, which old routers insist on. */
  readonly lifetimeS: number;
}

export function addMapping(control: Control, mapping: IgdMapping): HttpRequest {
  return call(control, "AddPortMapping", [
    ["NewRemoteHost", ""],
    ["NewExternalPort", mapping.outsidePort],
    ["NewProtocol", "UDP"],
    ["NewInternalPort", mapping.port],
    ["NewInternalClient", mapping.local],
    ["NewEnabled", 1],
    ["NewPortMappingDescription", "burrow"],
    ["NewLeaseDuration", mapping.lifetimeS],
  ]);
}

export function deleteMapping(control: Control, outsidePort: number): HttpRequest {
  return call(control, "DeletePortMapping", [
    ["NewRemoteHost", ""],
    ["NewExternalPort", outsidePort],
    ["NewProtocol", "UDP"],
  ]);
}

export function askAddress(control: Control): HttpRequest {
  return call(control, "GetExternalIPAddress", []);
}

/** The outer address in the router's answer, whatever it says there. */
export function parseAddressAnswer(body: string): string {
  return elementText(body, "NewExternalIPAddress") ?? "";
}

/** What a refusal says: its code (UPnP's 7xx, else HTTP's) and a text that is fit to be shown. */
export function parseFault({ status, body }: HttpAnswer): { readonly code: number; readonly why: string } {
  const code = Number(elementText(body, "errorCode") ?? status);
  const text = (elementText(body, "errorDescription") ?? "").replace(/[^\x20-\x7e]/g, "").slice(0, 80);
  return { code, why: text === "" ? `it answers with code ${code}` : `it answers "${text}" (${code})` };
}

function call({ url, service }: Control, action: string, args: [string, string | number][]): HttpRequest {
  const inner = args.map(([name, value]) => `<${name}>${escaped(String(value))}</${name}>`).join("");
  return {
    method: "POST",
    url,
    headers: { "Content-Type": 'text/xml; charset="utf-8"', SOAPAction: `"${service}#${action}"` },
    body:
      '<?xml version="1.0"?>\r\n' +
      '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
      's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">' +
      `<s:Body><u:${action} xmlns:u="${service}">${inner}</u:${action}></s:Body></s:Envelope>\r\n`,
  };
}
