/**
 * Places on the globe: what a GeoIP record really says, and how long light takes between two places.
 * Opening databases and looking addresses up is io's business.
 */
import type { Place } from "@burrow/protocol";

/** From this radius on, a record means a country's middle, not a place (8.8.8.8 → the middle of the USA). */
export const COUNTRY_RADIUS_KM = 500;
const EARTH_RADIUS_KM = 6371;

export interface GeoLocation {
  readonly at: Place;
  /** `country`: the point only stands for a whole country, so relays must be probed more widely. */
  readonly precision: "city" | "country";
  /** How far off the record says that it may be. */
  readonly radiusKm?: number | undefined;
  /** For people: `London, GB`. */
  readonly label: string;
}

/** Where an IP address is, as far as anybody knows. */
export interface GeoResolver {
  (address: string): GeoLocation | undefined;
  /** Whom to thank, where what it found is shown: the licences of free databases ask for it. */
  readonly attribution?: string | undefined;
}

/** Great-circle distance (haversine formula). */
export function distanceKm(a: Place, b: Place): number {
  const radians = Math.PI / 180;
  const lat = Math.sin(((b.lat - a.lat) * radians) / 2) ** 2;
  const lon = Math.sin(((b.lon - a.lon) * radians) / 2) ** 2;
  const h = lat + Math.cos(a.lat * radians) * Math.cos(b.lat * radians) * lon;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(h)));
}

/**
 * A location from a database record of unknown make: nested as MaxMind's (`location.latitude`), or flat as some
 * free databases (`latitude` at the top, no radius). Undefined when it has no usable coordinates.
 */
export function locationOfRecord(record: unknown): GeoLocation | undefined {
  const top = fields(record);
  const location = fields(top.location);
  const lat = degrees(location.latitude ?? top.latitude, 90);
  const lon = degrees(location.longitude ?? top.longitude, 180);
  if (lat === undefined || lon === undefined) return undefined;
  const city = nameOf(top.city);
  const country = countryOf(top);
  const radius = location.accuracy_radius ?? top.accuracy_radius;
  const radiusKm = typeof radius === "number" && radius > 0 ? radius : undefined;
  const vague = city === undefined || (radiusKm !== undefined && radiusKm >= COUNTRY_RADIUS_KM);
  const label = [vague ? undefined : city, country].filter((part) => part !== undefined).join(", ");
  return {
    at: { lat, lon },
    precision: vague ? "country" : "city",
    label: label === "" ? `${lat.toFixed(1)}, ${lon.toFixed(1)}` : label,
    ...(radiusKm === undefined ? {} : { radiusKm }),
  };
}

function countryOf(top: RecordFields): string | undefined {
  const nested = [fields(top.country), fields(top.registered_country)];
  const codes = [...nested.map((country) => country.iso_code), top.country_code, top.country];
  return codes.find((code): code is string => typeof code === "string" && code !== "");
}

function nameOf(city: unknown): string | undefined {
  const { en } = fields(fields(city).names);
  const name = typeof city === "string" ? city : en;
  return typeof name === "string" && name !== "" ? name : undefined;
}

/** The fields that we look for, of records at any depth; any of them may be anything. */
interface RecordFields {
  readonly location?: unknown;
  readonly latitude?: unknown;
  readonly longitude?: unknown;
  readonly accuracy_radius?: unknown;
  readonly city?: unknown;
  readonly names?: unknown;
  readonly en?: unknown;
  readonly country?: unknown;
  readonly registered_country?: unknown;
  readonly country_code?: unknown;
  readonly iso_code?: unknown;
}

function fields(value: unknown): RecordFields {
  return typeof value === "object" && value !== null ? value : {};
}

/** Flat databases give numbers as texts at times. */
function degrees(value: unknown, limit: number): number | undefined {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isFinite(number)) return undefined;
  return Math.abs(number) <= limit ? number : undefined;
}
