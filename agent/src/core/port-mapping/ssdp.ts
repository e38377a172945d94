/** Finding a UPnP router: SSDP (UPnP Device Architecture 2.0 §1.3), as far as one search takes. */
import { endpoint, utf8 } from "@burrow/protocol";

export const SSDP_GROUP = endpoint("239.255.255.250", 1900);
export const SSDP_PORT = 1900;

/** Routers of the second version answer to the first as well, as they must (§1.3.2), but not all do. */
const TARGETS = [1, 2].map((version) => `urn:schemas-upnp-org:device:InternetGatewayDevice:${version}`);
/** Seconds over which devices spread their answers. */
const ANSWER_WITHIN_S = 1;
const ANSWER_LENGTH_MAX = 4_096;

/** One datagram for each kind of router. */
export function searches(): Uint8Array[] {
  return TARGETS.map((target) =>
    utf8(
      [
        "M-SEARCH * HTTP/1.1",
        `HOST: ${SSDP_GROUP}`,
        'MAN: "ssdp:discover"',
        `MX: ${ANSWER_WITHIN_S}`,
        `ST: ${target}`,
        "",
        "",
      ].join("\r\n"),
    ),
  );
}

/** Where the device that answers describes itself; undefined if it is no answer, or not that of a router. */
export function parseSearchAnswer(datagram: Uint8Array): string | undefined {
  if (datagram.length > ANSWER_LENGTH_MAX) return undefined;
  // ASCII, as far as anything of it counts here.
  const [status = "", ...lines] = String.fromCharCode(...datagram).split(/\r?\n/);
  if (!/^HTTP\/1\.[01] 200(?: |$)/.test(status)) return undefined;
  const header = (name: string) => {
    const line = lines.find((text) => text.slice(0, name.length + 1).toLowerCase() === `${name}:`);
    return line?.slice(name.length + 1).trim();
  };
  const isRouter = header("st")?.includes(":InternetGatewayDevice:") === true;
  return isRouter ? header("location") : undefined;
}
