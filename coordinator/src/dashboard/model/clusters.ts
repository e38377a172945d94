/** Agents that lie close together on the map become one mark: twenty thousand circles would show nothing. */

export interface Placed {
  readonly id: string;
  readonly x: number;
  readonly y: number;
  readonly home: string | null;
}

export interface Cluster {
  /** The first one's id: keeps a mark the same while others come and go. */
  readonly id: string;
  readonly x: number;
  readonly y: number;
  readonly count: number;
  /** How many have which home. */
  readonly homes: ReadonlyMap<string, number>;
}

interface Gathered {
  id: string;
  x: number;
  y: number;
  count: number;
  homes: Map<string, number>;
}

/** One for each square of `cell` that holds anything, at the middle of what it holds. */
export function clusters(placed: Iterable<Placed>, cell: number): Cluster[] {
  const cells = new Map<string, Gathered>();
  for (const { id, x, y, home } of placed) {
    const key = `${Math.floor(x / cell)} ${Math.floor(y / cell)}`;
    let gathered = cells.get(key);
    if (gathered === undefined) {
      gathered = { id, x: 0, y: 0, count: 0, homes: new Map() };
      cells.set(key, gathered);
    }
    if (id < gathered.id) gathered.id = id;
    gathered.x += x;
    gathered.y += y;
    gathered.count++;
    if (home !== null) gathered.homes.set(home, (gathered.homes.get(home) ?? 0) + 1);
  }
  return [...cells.values()].map((of) => ({ ...of, x: of.x / of.count, y: of.y / of.count }));
}
