/** GeoIP by a MaxMind database held in memory, with the format's traps closed (see locationOfRecord for records). */
import { readFileSync } from "node:fs";
import { parseAddress, UserError } from "@burrow/protocol";
import { Reader, type Response, validate } from "maxmind";
import { type GeoResolver, locationOfRecord } from "../core/geo.ts";

/** Throws a UserError when the file is missing or not a database. */
export function openGeoip(path: string): GeoResolver {
  const reader = openReader(path);
  const { ipVersion, databaseType } = reader.metadata;
  const locate = (text: string) => {
    // The reader takes "8.8.8.8:443" for 8.8.8.8, and finds nothing for ::ffff:8.8.8.8: parse and unmap first.
    const address = parseAddress(text);
    if (address === undefined || !validate(address)) return undefined;
    // A database of IPv4 only would answer with the place of some unrelated IPv4 address.
    if (ipVersion === 4 && address.includes(":")) return undefined;
    try {
      return locationOfRecord(reader.get(address));
    } catch {
      // A damaged record places nobody; it must not keep anybody out.
      return undefined;
    }
  };
  return Object.assign(locate, { attribution: attributionOf(databaseType) });
}

/** By the beginning of the database's own name for its type. */
const ATTRIBUTIONS = [
  ["GeoLite2", "GeoLite2 data created by MaxMind, https://www.maxmind.com"],
  ["DBIP", "IP geolocation by DB-IP, https://db-ip.com"],
  ["IP2LITE", "IP2Location LITE data, https://lite.ip2location.com"],
  ["IP2Location", "IP2Location LITE data, https://lite.ip2location.com"],
] as const;

function attributionOf(databaseType: string): string {
  return ATTRIBUTIONS.find(([start]) => databaseType.startsWith(start))?.[1] ?? databaseType;
}

function openReader(path: string): Reader<Response> {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new UserError(
      `The GeoIP database ${path} cannot be read: ${problem}.`,
      "Check the path given with --geoip, or leave it out: all regions are then probed.",
      { cause },
    );
  }
  try {
    const reader = new Reader<Response>(bytes);
    const { ipVersion, nodeCount, recordSize } = reader.metadata;
    const treeBytes = (nodeCount * recordSize) / 4;
    if ((ipVersion === 4 || ipVersion === 6) && nodeCount > 0 && treeBytes < bytes.length) return reader;
  } catch {
    // Told below, the same way for all that is not a database.
  }
  throw new UserError(
    `${path} is not a GeoIP database, or only a part of one.`,
    "Give a whole MaxMind DB file (.mmdb, unpacked) of cities with --geoip, or leave it out.",
  );
}
