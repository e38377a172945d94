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

const SHOWN_MAX = 60;
const RELAYS_MAX = 100;
const ARCHITECTURES = ["arm64", "amd64"] as const;
const NAME = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;
const REGIONS_MAX = 200;
const KEYS = new Set(["regions"]);
const KNOWN = new Set(["cloud", "at", "relays", "region", "machine", "architecture", "zones"]);
/** Elsewhere the machine's type alone decides. */
const HAS_ARCHITECTURE: ReadonlySet<Cloud> = new Set(["aws", "gcp"]);

/** `{"regions": [{"cloud": "aws", "at": "eu-central-1", "relays": 2}, …]}`; `places` is the table of known places. */
export function parseRegions(text: string, places: string): readonly Region[] {
  const known = placesByCloud(places);
  const top = record(parseJson(text), "the file");
  requireKnown(top, "the file", KEYS);
  const list = top.get("regions");
  if (!Array.isArray(list) || list.length === 0 || list.length > REGIONS_MAX) {
    throw new RegionsError(`it must be {"regions": […]}, with 1 to ${REGIONS_MAX} regions`);
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

type Places = ReadonlyMap<string, ReadonlySet<string>>;

const placesByCloud = (places: string): Places =>
  new Map(
    Object.entries(JSON.parse(places) as Record<string, object>).map(([cloud, byName]) => [
      cloud,
      new Set(Object.keys(byName)),
    ]),
  );

/** As a map: its own entries alone, so that no name is found that an object brings along. */
function record(value: unknown, where: string): ReadonlyMap<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new RegionsError(`${where} must be an object`);
  return new Map(Object.entries(value));
}

function requireKnown(
  entries: ReadonlyMap<string, unknown>,
  where: string,
  known: ReadonlySet<string>,
): void {
  const unknown = [...entries.keys()].filter((key) => !known.has(key));
  if (unknown.length > 0)
    throw new RegionsError(`${where} has ${unknown.map(shown).join(", ")}; known: ${[...known].join(", ")}`);
}

/** What was written, in the message about it: as JSON, and not all of it. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length <= SHOWN_MAX ? text : `${text.slice(0, SHOWN_MAX)}…`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RegionsError(`not JSON: ${(error as Error).message}`);
  }
}

function parseRegion(entry: unknown, where: string, places: Places): Region {
  const entries = record(entry, where);
  requireKnown(entries, where, KNOWN);
  const { relays = 1, ...given } = Object.fromEntries(entries);
  const { cloud, at, region, machine, architecture, zones } = given;
  if (!isOneOf(CLOUDS, cloud))
    throw new RegionsError(`${where}.cloud must be one of ${CLOUDS.join(", ")}, not ${shown(cloud)}`);
  if (typeof at !== "string" || !NAME.test(at) || places.get(cloud)?.has(at) !== true) {
    throw new RegionsError(
      `${where}.at: ${cloud} has no place ${shown(at)} in infra/modules/relay/places.json`,
    );
  }
  if (typeof relays !== "number" || !Number.isInteger(relays) || relays < 0 || relays > RELAYS_MAX) {
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
    relays,
    ...(region === undefined ? {} : { region }),
    ...(machine === undefined ? {} : { machine }),
    ...(architecture === undefined ? {} : { architecture }),
    ...(zones === undefined ? {} : { zones: parseZones(zones, where, cloud, at) }),
  };
}

/** AWS calls them eu-central-1a, Google europe-west3-a. */
function parseZones(zones: unknown, where: string, cloud: Cloud, at: string): readonly string[] {
  const names: readonly unknown[] = Array.isArray(zones) ? zones : [];
  const good = names.filter((zone): zone is string => typeof zone === "string" && NAME.test(zone));
  if (good.length === 0 || good.length < names.length || !HAS_ARCHITECTURE.has(cloud)) {
    throw new RegionsError(`${where}.zones must be a list of names; only aws and gcp have zones`);
  }
  if (new Set(good).size < good.length) throw new RegionsError(`${where}.zones has a zone twice`);
  const elsewhere = good.filter((zone) => !zone.startsWith(at) || !/^-?[a-z]$/.test(zone.slice(at.length)));
  if (elsewhere.length > 0) {
    const example = cloud === "aws" ? `${at}a` : `${at}-a`;
    throw new RegionsError(
      `${where}.zones: ${shown(elsewhere[0])} is no zone of ${at}; they are like ${example}`,
    );
  }
  return good;
}

function isOneOf<T extends string>(values: readonly T[], value: unknown): value is T {
  return values.includes(value as T);
}
