/** What a regions file says, checked: which clouds, where, how many relays, on what machines. */

export const CLOUDS = ["aws", "gcp", "hetzner", "digitalocean"] as const;
export type Cloud = (typeof CLOUDS)[number];

export interface Region {
  readonly cloud: Cloud;
  /** The cloud's own name of the place, such as eu-central-1. */
  readonly at: string;
  readonly relays: number;
  /** What the mesh calls it, if not as the cloud does. */
  readonly region?: string;
  /** The cloud's name of the kind of machine, if not the module's default. */
  readonly machine?: string;
  readonly architecture?: "arm64" | "amd64";
  readonly zones?: readonly string[];
}

/** Says what is wrong with a regions file, and where. */
export class RegionsError extends Error {}

const RELAYS_MAX = 100;
const ARCHITECTURES = ["arm64", "amd64"] as const;
const NAME = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;
const KNOWN = new Set(["cloud", "at", "relays", "region", "machine", "architecture", "zones"]);
/** Elsewhere the machine's type alone decides. */
const HAS_ARCHITECTURE: ReadonlySet<Cloud> = new Set(["aws", "gcp"]);

/** `{"regions": [{"cloud": "aws", "at": "eu-central-1", "relays": 2}, …]}`; `places` is the table of known places. */
export function parseRegions(text: string, places: string): readonly Region[] {
  const known = JSON.parse(places) as Record<string, Record<string, unknown>>;
  const list = (parseJson(text) as { regions?: unknown } | null)?.regions;
  if (!Array.isArray(list) || list.length === 0) {
    throw new RegionsError('it must be {"regions": […]}, with at least one region');
  }
  const regions = list.map((entry: unknown, i) => parseRegion(entry, `regions[${i}]`, known));
  const seen = new Set<string>();
  for (const { cloud, at } of regions) {
    const key = `${cloud} ${at}`;
    if (seen.has(key)) throw new RegionsError(`${key} is there twice; say how many machines with "relays"`);
    seen.add(key);
  }
  return regions;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RegionsError(`not JSON: ${(error as Error).message}`);
  }
}

function parseRegion(entry: unknown, where: string, places: Record<string, Record<string, unknown>>): Region {
  if (typeof entry !== "object" || entry === null) throw new RegionsError(`${where} must be an object`);
  const { cloud, at, relays = 1, region, machine, architecture, zones } = entry as Record<string, unknown>;
  const unknown = Object.keys(entry).filter((key) => !KNOWN.has(key));
  if (unknown.length > 0)
    throw new RegionsError(`${where} has ${unknown.join(", ")}; known: ${[...KNOWN].join(", ")}`);
  if (!isOneOf(CLOUDS, cloud)) throw new RegionsError(`${where}.cloud must be one of ${CLOUDS.join(", ")}`);
  if (typeof at !== "string" || !NAME.test(at) || places[cloud]?.[at] === undefined) {
    throw new RegionsError(
      `${where}.at: ${cloud} has no place ${String(at)} in infra/modules/relay/places.json`,
    );
  }
  if (!Number.isInteger(relays) || Number(relays) < 0 || Number(relays) > RELAYS_MAX) {
    throw new RegionsError(`${where}.relays must be a whole number from 0 to ${RELAYS_MAX}`);
  }
  if (region !== undefined && (typeof region !== "string" || !NAME.test(region))) {
    throw new RegionsError(`${where}.region must have 1 to 32 small letters, digits and hyphens`);
  }
  if (machine !== undefined && (typeof machine !== "string" || !/^[\w.-]+$/.test(machine))) {
    throw new RegionsError(`${where}.machine must be the cloud's name of a kind of machine`);
  }
  if (architecture !== undefined && !(isOneOf(ARCHITECTURES, architecture) && HAS_ARCHITECTURE.has(cloud))) {
    throw new RegionsError(
      `${where}.architecture: arm64 or amd64, and for ${[...HAS_ARCHITECTURE].join(" and ")} only`,
    );
  }
  return {
    cloud,
    at,
    relays: Number(relays),
    ...(region === undefined ? {} : { region }),
    ...(machine === undefined ? {} : { machine }),
    ...(architecture === undefined ? {} : { architecture }),
    ...(zones === undefined ? {} : { zones: parseZones(zones, where, cloud) }),
  };
}

function parseZones(zones: unknown, where: string, cloud: Cloud): readonly string[] {
  const good = Array.isArray(zones) && zones.every((zone) => typeof zone === "string" && NAME.test(zone));
  if (!good || !HAS_ARCHITECTURE.has(cloud)) {
    throw new RegionsError(`${where}.zones must be a list of names; only aws and gcp have zones`);
  }
  return zones as string[];
}

function isOneOf<T extends string>(values: readonly T[], value: unknown): value is T {
  return values.includes(value as T);
}
