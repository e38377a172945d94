/** Latency matrices from files: `REGION.dat` per source, `min/avg/max/mdev:DESTINATION` a line, and `sites.csv`. */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type Place, UserError } from "@burrow/protocol";

export interface Site {
  readonly name: string;
  readonly at: Place;
}

export interface Matrix {
  readonly name: string;
  readonly sites: readonly Site[];
  /** Mean round trip in ms, [from][to]. */
  readonly rttMs: readonly (readonly number[])[];
}

/** Two relays to choose between, and somebody to choose. */
const SITES_LEAST = 3;

/** Throws a UserError that says which file and line is wrong. */
export function readMatrix(directory: string): Matrix {
  const sites = parseSites(read(join(directory, "sites.csv")), directory);
  if (sites.length < SITES_LEAST) fail(`${directory}/sites.csv: fewer than ${SITES_LEAST} sites`);
  const rttMs = sites.map(({ name }) => {
    const row = parseRow(read(join(directory, `${name}.dat`)), `${directory}/${name}.dat`);
    return sites.map((to) => {
      const ms = row.get(to.name);
      return ms ?? fail(`${directory}/${name}.dat: no line for ${to.name}`);
    });
  });
  return { name: basename(directory), sites, rttMs };
}

function parseSites(text: string, directory: string): Site[] {
  const [head, ...lines] = text.trim().split(/\r?\n/);
  if (head?.trim() !== "name,lat,lon") fail(`${directory}/sites.csv: must begin with name,lat,lon`);
  return lines.map((line, i) => {
    const [name = "", lat = "", lon = ""] = line.split(",").map((part) => part.trim());
    const at = { lat: Number(lat), lon: Number(lon) };
    const fits = Math.abs(at.lat) <= 90 && Math.abs(at.lon) <= 180 && lat !== "" && lon !== "";
    if (name === "" || !fits) fail(`${directory}/sites.csv:${i + 2}: not name,lat,lon`);
    return { name, at };
  });
}

function parseRow(text: string, file: string): Map<string, number> {
  const row = new Map<string, number>();
  for (const [i, line] of text.trim().split(/\r?\n/).entries()) {
    const [times = "", name = ""] = line.split(":");
    const ms = Number(times.split("/")[1]);
    if (!(ms >= 0 && ms < Number.POSITIVE_INFINITY) || name === "") {
      fail(`${file}:${i + 1}: not min/avg/max/mdev:DESTINATION, in ms`);
    }
    row.set(name.trim(), ms);
  }
  return row;
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    return fail(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function fail(problem: string): never {
  throw new UserError(
    problem,
    "Give a folder with sites.csv (name,lat,lon) and per site a NAME.dat of lines min/avg/max/mdev:NAME.",
  );
}
