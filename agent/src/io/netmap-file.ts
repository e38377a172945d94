/** What the coordinator said last, kept for a start without it. Holds tickets, so only its owner may read it. */
import { join } from "node:path";
import { readPrivateFile, writeFileAtomic } from "@burrow/platform";
import { parseMessage, toAgent } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import type { Netmap } from "../core/contract.ts";

const log = getLogger(["burrow", "agent", "state"]);
const FILE_NAME = "netmap.json";
const origin = z.object({ coordinatorUrl: z.string().refine((text) => URL.canParse(text)) });
const begun = z.object({ firstSequence: z.int().nonnegative() });
/** More Binds than a run sends, and more introductions: one each second for four months. */
const SEQUENCES_PER_RUN = 10_000_000;
/** Changes come in bursts; the last one counts. */
const SAVE_PAUSE_MS = 1_000;

/** The saved map, if there is one. One that cannot be read is said so and done without. */
export async function loadNetmap(stateDir: string): Promise<Netmap | undefined> {
  const bytes = await readPrivateFile(join(stateDir, FILE_NAME));
  if (bytes === undefined) return undefined;
  const parsed = parseMessage(toAgent, new TextDecoder().decode(bytes));
  if (parsed.ok && parsed.message.type === "welcome") {
    const { type: _, ...netmap } = parsed.message;
    return netmap;
  }
  log.warn("the saved network map is not readable and is ignored: {problem}", {
    problem: parsed.ok ? "not a welcome" : parsed.problem,
  });
  return undefined;
}

/** Which coordinator said so; undefined where there is no map. */
export async function loadCoordinatorUrl(stateDir: string): Promise<string | undefined> {
  const bytes = await readPrivateFile(join(stateDir, FILE_NAME));
  if (bytes === undefined) return undefined;
  const parsed = parseMessage(origin, new TextDecoder().decode(bytes));
  return parsed.ok ? parsed.message.coordinatorUrl : undefined;
}

/**
 * Where this run's Binds and introductions begin to count, on `clock`: above the last run's, also on a machine whose clock stood earlier
 * when it started, as those without a battery do.
 */
export async function loadFirstSequence(stateDir: string, clock: number): Promise<number> {
  const now = Math.floor(clock);
  const bytes = await readPrivateFile(join(stateDir, FILE_NAME));
  const parsed = bytes === undefined ? undefined : parseMessage(begun, new TextDecoder().decode(bytes));
  return parsed?.ok === true ? Math.max(now, parsed.message.firstSequence + SEQUENCES_PER_RUN) : now;
}

/** Saves maps one after another, each whole, the latest soon after it was given. */
export class NetmapSaver {
  readonly #path: string;
  readonly #about: { readonly coordinatorUrl: string; readonly firstSequence: number };
  #wanted: Netmap | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(stateDir: string, about: { readonly coordinatorUrl: string; readonly firstSequence: number }) {
    this.#about = about;
    this.#path = join(stateDir, FILE_NAME);
  }

  save(netmap: Netmap): void {
    this.#wanted = netmap;
    this.#timer ??= setTimeout(() => this.#write(), SAVE_PAUSE_MS);
  }

  async close(): Promise<void> {
    if (this.#timer !== undefined) this.#write();
    await this.#writing;
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = `${JSON.stringify({ type: "welcome", ...this.#about, ...this.#wanted })}\n`;
    this.#writing = this.#writing
      .then(() => writeFileAtomic(this.#path, text, 0o600))
      .catch((error: unknown) =>
        log.warn("the network map could not be saved: {error}", { error: String(error) }),
      );
  }
}
