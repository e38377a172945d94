/** How the internet treats packets between two of its addresses: distance, loss, copies, jitter, and what is cut. */

export interface Way {
  readonly blocked: boolean;
  readonly loss: number;
  readonly duplication: number;
  readonly delayMs: number;
  readonly jitterMs: number;
}

/** A point on a flat map whose unit is a millisecond of travel. */
export interface Position {
  readonly x: number;
  readonly y: number;
}

/** Where what was never placed is. */
const NOWHERE: Position = { x: 0, y: 0 };
/** Last mile and first routers, one way. */
const ACCESS_MS = 1;

export class Weather {
  loss = 0;
  duplication = 0;
  jitterMs = 0;
  readonly #positions = new Map<string, Position>();
  /** How often `from to` is cut: faults may overlap. */
  readonly #cuts = new Map<string, number>();
  readonly #storms = new Map<string, number>();

  place(address: string, position: Position): void {
    this.#positions.set(address, position);
  }

  positionOf(address: string): Position {
    return this.#positions.get(address) ?? NOWHERE;
  }

  /** Nothing gets from one address to the other until mended. The other direction is another matter. */
  cut(from: string, to: string): void {
    const key = `${from} ${to}`;
    this.#cuts.set(key, (this.#cuts.get(key) ?? 0) + 1);
  }

  mend(from: string, to: string): void {
    const key = `${from} ${to}`;
    const left = (this.#cuts.get(key) ?? 0) - 1;
    if (left > 0) this.#cuts.set(key, left);
    else this.#cuts.delete(key);
  }

  /** Loss on everything from and to this address, on top of what is lost everywhere. Zero ends it. */
  storm(address: string, loss: number): void {
    if (loss > 0) this.#storms.set(address, loss);
    else this.#storms.delete(address);
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(`${from} ${to}`);
  }

  delayMs(from: string, to: string): number {
    const [a, b] = [this.positionOf(from), this.positionOf(to)];
    return ACCESS_MS + Math.hypot(a.x - b.x, a.y - b.y);
  }

  way(from: string, to: string): Way {
    return {
      blocked: this.isCut(from, to),
      loss: Math.min(0.95, this.loss + (this.#storms.get(from) ?? 0) + (this.#storms.get(to) ?? 0)),
      duplication: this.duplication,
      delayMs: this.delayMs(from, to),
      jitterMs: this.jitterMs,
    };
  }
}
