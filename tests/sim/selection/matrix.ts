/** Latency matrices from files: `REGION.dat` per source, `min/avg/max/mdev:DESTINATION` a line, and `sites.csv`. */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Place } from "@burrow/protocol";

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

/** Throws an Error that says which file and line is wrong. */
export function readMatrix(directory: string): Matrix {
  const sites = parseSites(readFileSync(join(directory, "sites.csv"), "utf8"), directory);
  const rttMs = sites.map(({ name }) => {
    const row = parseRow(readFileSync(join(directory, `${name}.dat`), "utf8"), `${name}.dat`);
    return sites.map((to) => {
      const ms = row.get(to.name);
      if (ms === undefined) throw new Error(`${directory}/${name}.dat: no line for ${to.name}`);
      return ms;
    });
  });
  return { name: basename(directory), sites, rttMs };
}

function parseSites(text: string, directory: string): Site[] {
  const [head, ...lines] = text.trim().split(/\r?\n/);
  if (head?.trim() !== "name,lat,lon")
    throw new Error(`${directory}/sites.csv: must begin with name,lat,lon`);
  return lines.map((line, i) => {
    const [name = "", lat = "", lon = ""] = line.split(",").map((part) => part.trim());
    const at = { lat: Number(lat), lon: Number(lon) };
    const fits = Math.abs(at.lat) <= 90 && Math.abs(at.lon) <= 180 && lat !== "" && lon !== "";
    if (name === "" || !fits) throw new Error(`${directory}/sites.csv:${i + 2}: not name,lat,lon`);
    return { name, at };
  });
}

function parseRow(text: string, file: string): Map<string, number> {
  const row = new Map<string, number>();
  for (const [i, line] of text.trim().split(/\r?\n/).entries()) {
    const [times = "", name = ""] = line.split(":");
    const ms = Number(times.split("/")[1]);
    if (!(ms >= 0) || name === "") throw new Error(`${file}:${i + 1}: not min/avg/max/mdev:DESTINATION`);
    row.set(name.trim(), ms);
  }
  return row;
}
