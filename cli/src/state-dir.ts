/** Where each part keeps what must survive a restart, when --state does not say. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

export type Part = "coordinator" | "relay" | "agent";

export interface Whereabouts {
  readonly isRoot: boolean;
  readonly home: string;
  readonly xdgStateHome: string | undefined;
}

/** Root keeps state where services do (FHS 3.0 §5.8), others where the XDG base directories say. */
export function defaultStateDir(part: Part, where: Whereabouts = whereabouts()): string {
  if (where.isRoot) return join(SYSTEM_ROOT, part);
  return join(where.xdgStateHome ?? join(where.home, ".local", "state"), "burrow", part);
}

/**
 * Where a command looks for a part that runs already: this user's directory, or, when nothing was ever there,
 * the system's, since the daemon usually runs as root and its questions come from a person.
 */
export function findStateDir(part: Part, where: Whereabouts = whereabouts()): string {
  const own = defaultStateDir(part, where);
  const system = join(SYSTEM_ROOT, part);
  return !existsSync(own) && existsSync(system) ? system : own;
}

const SYSTEM_ROOT = "/var/lib/burrow";

function whereabouts(): Whereabouts {
  const { XDG_STATE_HOME: xdg } = process.env;
  return {
    isRoot: process.getuid?.() === 0,
    home: homedir(),
    // The specification wants relative paths ignored.
    xdgStateHome: xdg?.startsWith("/") ? xdg : undefined,
  };
}
