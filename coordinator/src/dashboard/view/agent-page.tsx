/** One agent: where it is at home and why, how far the relays are, and by which path it reaches whom and why so. */
import { useMemo } from "preact/hooks";
import type { Live } from "../browser/live.ts";
import type { Agent, Path } from "../model/mesh.ts";
import { routeHash } from "../model/route.ts";
import { count, duration, milliseconds } from "../model/units.ts";
import { NAT_WORDS, reasonText, whyRelayed } from "../model/words.ts";
import { KindWord, OnlineMark } from "./marks.tsx";
import { Facts, Gone, PageHead } from "./page-parts.tsx";

/** More would be read by nobody; the API has them all. */
const PATHS_SHOWN_MAX = 200;

export function AgentPage({ live, id }: { readonly live: Live; readonly id: string }) {
  const agent = live.model.agents.get(id);
  if (agent === undefined) return <Gone live={live} what="agent" back={{ page: "agents" }} />;
  return (
    <article class="page">
      <PageHead title={agent.name} back={{ page: "agents" }} backTitle="Agents" key={id}>
        <span class={agent.online ? "state healthy" : "state off"}>
          <OnlineMark online={agent.online} />
          {agent.online ? "Connected" : "Not connected"}
        </span>
        {agent.connectedSinceMs !== null && <span>for {duration(live.now - agent.connectedSinceMs)}</span>}
        {agent.lastSeenMs !== null && <span>for {duration(live.now - agent.lastSeenMs)}</span>}
      </PageHead>
      <PathTable live={live} agent={agent} />
      <Homes live={live} agent={agent} />
      <Facts
        facts={[
          ["Network", agent.network],
          ["Addresses", [<code key="4">{agent.ipv4}</code>, <code key="6">{agent.ipv6}</code>]],
          ["Comes from", agent.address === null ? "–" : <code>{agent.address}</code>],
          ["Place", agent.place ?? "Not known"],
          ["NAT", NAT_WORDS[agent.nat]],
          ["Id", <code>{agent.id}</code>],
          ["Version", agent.version],
        ]}
      />
    </article>
  );
}

function Homes({ live, agent }: { readonly live: Live; readonly agent: Agent }) {
  const rtts = [...agent.rtts].sort((a, b) => a.rttMs - b.rttMs);
  const most = Math.max(1, ...rtts.map(({ rttMs }) => rttMs));
  const role = (relay: string) =>
    relay === agent.home ? "home" : relay === agent.standby ? "standby" : undefined;
  return (
    <section>
      <h3>Relays, by round trip</h3>
      <p class="reason">{agent.homeReason ?? "It has not told yet where it is at home."}</p>
      <ul class="bars">
        {rtts.map(({ relay, rttMs }) => (
          <li key={relay} class={role(relay)}>
            <a href={routeHash({ page: "relay", id: relay })}>
              {live.model.relays.get(relay)?.region ?? relay}
            </a>
            <span class="role">{role(relay)}</span>
            <span class="bar" aria-hidden="true">
              <i style={{ width: `${Math.max(1, (100 * rttMs) / most)}%` }} />
            </span>
            <span class="value">{milliseconds(rttMs)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Paths in use first, those that are only plans last. */
function ordered(paths: Iterable<Path>): Path[] {
  const rank = (path: Path) => (path.reason === "idle" ? 2 : path.kind === "none" ? 1 : 0);
  return [...paths].sort(
    (a, b) => rank(a) - rank(b) || ((a.peerName ?? a.peer) < (b.peerName ?? b.peer) ? -1 : 1),
  );
}

function PathTable({ live, agent }: { readonly live: Live; readonly agent: Agent }) {
  const { model } = live;
  const paths = model.paths.get(agent.id);
  const rows = useMemo(() => ordered(paths?.values() ?? []), [model.versions.paths, agent.id]);
  return (
    <section>
      <h3>Paths to its peers {paths !== undefined && <span class="count">{count(paths.size)}</span>}</h3>
      {paths === undefined && <p class="quiet">{agent.online ? "Reading…" : "It is not connected."}</p>}
      {paths?.size === 0 && <p class="quiet">It has told of none: there is nobody to talk to yet.</p>}
      {/* A list and not a table: reasons are sentences. */}
      <ul class="paths">
        {rows.slice(0, PATHS_SHOWN_MAX).map((path) => (
          <PathRow key={path.peer} live={live} agent={agent} path={path} />
        ))}
      </ul>
      {rows.length > PATHS_SHOWN_MAX && (
        <p class="quiet">
          and {count(rows.length - PATHS_SHOWN_MAX)} more, in <code>/v1/agents/{agent.id}/paths</code>.
        </p>
      )}
    </section>
  );
}

interface PathRowProps {
  readonly live: Live;
  readonly agent: Agent;
  readonly path: Path;
}

function PathRow({ live, agent, path }: PathRowProps) {
  const { agents, relays } = live.model;
  const why = whyRelayed(path, agent, agents.get(path.peer));
  return (
    <li data-peer={path.peer} data-kind={path.kind}>
      <span class="path-head">
        <a href={routeHash({ page: "agent", id: path.peer })}>{path.peerName ?? path.peer}</a>
        <span class="value">{milliseconds(path.rttMs)}</span>
      </span>
      <span class="path-way">
        <KindWord kind={path.kind} />
        {path.kind === "direct" && path.endpoint !== null && <code>{path.endpoint}</code>}
        {path.kind === "relay" && path.relay !== null && (
          <a href={routeHash({ page: "relay", id: path.relay })}>
            {relays.get(path.relay)?.region ?? path.relay}
          </a>
        )}
        <span class="quiet">for {duration(live.now - path.sinceMs)}</span>
      </span>
      <span class="why">{reasonText(path.reason)}</span>
      {why !== undefined && <span class="why">{why}</span>}
    </li>
  );
}
