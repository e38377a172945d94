/**
 * A GeoIP database that follows its file: a new version is taken up without a restart, soon after the file changed or
 * at once on SIGHUP. A file that is no database, or only half written yet, changes nothing: the last good one serves.
 */
import { statSync } from "node:fs";
import { UserError } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import type { GeoResolver } from "../core/geo.ts";
import { openGeoip } from "./geoip.ts";

const log = getLogger(["burrow", "coordinator", "geoip"]);

/** By looking at the file, not by being told: updates rename files into place, on disks of any kind. */
const LOOK_INTERVAL_MS = 5_000;

export interface GeoipFile {
  readonly locate: GeoResolver;
  /** Reads the file again if it changed. True when a new version serves from now on. */
  look(): boolean;
  close(): void;
}

/** Throws a UserError when the file is missing or not a database at the start. */
export function followGeoip(path: string, lookIntervalMs = LOOK_INTERVAL_MS): GeoipFile {
  let seen = stateOf(path);
  let current = openGeoip(path);
  const look = (): boolean => {
    const state = stateOf(path);
    if (state === seen) return false;
    seen = state;
    try {
      current = openGeoip(path);
    } catch (error) {
      const problem = error instanceof UserError ? error.message : String(error);
      log.warn("the GeoIP database is kept as it was: {problem}", { problem });
      return false;
    }
    log.info("the GeoIP database {path} was read again", { path });
    return true;
  };
  const timer = setInterval(look, lookIntervalMs);
  timer.unref();
  process.on("SIGHUP", look);
  const locate = (address: string) => current(address);
  Object.defineProperty(locate, "attribution", { get: () => current.attribution });
  return {
    locate,
    look,
    close: () => {
      clearInterval(timer);
      process.off("SIGHUP", look);
    },
  };
}

/** Whatever changes when a file is written or replaced; "" while there is none. */
function stateOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? "" : `${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeMs}`;
}
