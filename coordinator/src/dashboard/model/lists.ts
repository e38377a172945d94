/** The lists of relays and agents, filtered and in order. Every word of a filter must be somewhere in a row. */
import type { Agent, Relay } from "./mesh.ts";

const STATE_ORDER: Readonly<Record<Relay["state"], number>> = { down: 0, draining: 1, healthy: 2 };

/** What needs looking at comes first. */
export function relayRows(relays: ReadonlyMap<string, Relay>, filter: string): Relay[] {
  const fits = matcher(filter);
  return [...relays.values()]
    .filter(({ region, id, state, endpoints }) => fits(`${region} ${id} ${state} ${endpoints.join(" ")}`))
    .sort(
      (a, b) =>
        STATE_ORDER[a.state] - STATE_ORDER[b.state] || compare(a.region, b.region) || compare(a.id, b.id),
    );
}

/** Those that are connected come first. */
export function agentRows(agents: ReadonlyMap<string, Agent>, filter: string): Agent[] {
  const fits = matcher(filter);
  return [...agents.values()]
    .filter((of) =>
      fits(
        `${of.name} ${of.network} ${of.id} ${of.ipv4} ${of.region ?? ""} ${of.place ?? ""} ${of.address ?? ""} ${of.online ? "online" : "offline"}`,
      ),
    )
    .sort((a, b) => Number(b.online) - Number(a.online) || compare(a.name, b.name) || compare(a.id, b.id));
}

function matcher(filter: string): (text: string) => boolean {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return () => true;
  return (text) => {
    const lower = text.toLowerCase();
    return words.every((word) => lower.includes(word));
  };
}

/** Code units, not a language's order: the same everywhere, and fast enough for any list. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
