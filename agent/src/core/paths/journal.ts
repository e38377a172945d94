/** What happened to a peer's paths and why: the last entries, for `burrow why`. */

const ENTRIES_MAX = 100;

export interface JournalEntry {
  /** Same clock as the machine that wrote it. */
  readonly at: number;
  /** A short code, stable for scripts. */
  readonly event: string;
  readonly detail: string;
}

export class Journal {
  readonly #entries: JournalEntry[] = [];

  note(now: number, event: string, detail: string): void {
    this.#entries.push({ at: now, event, detail });
    if (this.#entries.length > ENTRIES_MAX) this.#entries.shift();
  }

  get entries(): readonly JournalEntry[] {
    return this.#entries;
  }
}
