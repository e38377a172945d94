/** One relay: how it is and why, its curves, what it drops, who is at home there; draining it, for operators. */
import { useMemo, useState } from "preact/hooks";
import type { Live } from "../browser/live.ts";
import type { Agent, Relay } from "../model/mesh.ts";
import { routeHash } from "../model/route.ts";
import { amount, count, duration, milliseconds, place } from "../model/units.ts";
import { reachText, wishesText } from "../model/words.ts";
import { Curve, type Line } from "./curve.tsx";
import { OnlineMark, StateWord } from "./marks.tsx";
import { Facts, Gone, PageHead } from "./page-parts.tsx";

const SESSIONS: readonly Line[] = [
  { title: "Sessions", colour: "--accent", value: ({ sessions }) => sessions },
];
const PACKETS: readonly Line[] = [{ title: "Packets", colour: "--accent", value: ({ packets }) => packets }];
const BYTES: readonly Line[] = [{ title: "Bytes", colour: "--accent", value: ({ bytes }) => bytes }];
const DROPS: readonly Line[] = [{ title: "Drops", colour: "--bad", value: ({ drops }) => drops }];
const RTTS: readonly Line[] = [
  { title: "p50", colour: "--accent", value: ({ p50Ms }) => p50Ms },
  { title: "p90", colour: "--ink-2", value: ({ p90Ms }) => p90Ms },
  { title: "p99", colour: "--warn", value: ({ p99Ms }) => p99Ms },
];
/** The list of agents, filtered, shows all of them. */
const AGENTS_SHOWN_MAX = 30;

export function RelayPage({ live, id }: { readonly live: Live; readonly id: string }) {
  const relay = live.model.relays.get(id);
  if (relay === undefined) return <Gone live={live} what="relay" back={{ page: "relays" }} />;
  const samples = live.model.history.of(id);
  const perSecond = (value: number | null) => amount(value);
  return (
    <article class="page">
      <PageHead title={relay.region} back={{ page: "relays" }} backTitle="Relays" key={id}>
        <StateWord state={relay.state} />
        <span>for {duration(live.now - relay.sinceMs)}</span>
      </PageHead>
      <p class="reason lead">{relay.reason}</p>
      {live.isOperator && <Drain live={live} relay={relay} key={`${id} ${relay.state}`} />}
      <section aria-label="Curves" class="curves" data-since={samples[0]?.atMs}>
        <Curve title="Sessions" lines={SESSIONS} samples={samples} text={(value) => amount(value)} />
        <Curve title="Packets a second" lines={PACKETS} samples={samples} text={perSecond} />
        <Curve title="Bytes a second" lines={BYTES} samples={samples} text={(value) => amount(value, "B")} />
        <Curve title="Drops a second" lines={DROPS} samples={samples} text={perSecond} />
        <Curve title="RTT of its agents" lines={RTTS} samples={samples} text={milliseconds} />
      </section>
      <Facts
        facts={[
          ["Id", <code>{relay.id}</code>],
          ["Addresses", relay.endpoints.map((endpoint) => <code key={endpoint}>{endpoint}</code>)],
          ["Place", relay.at === null ? "Not stated" : place(relay.at)],
          ["Data port", reachText(relay)],
          ["Serves", relay.network === null ? "All networks" : `The network ${relay.network} alone`],
          ["Wishes", wishesText(relay)],
          ["Version", relay.version],
          ["Flows", count(relay.load.flows)],
          ["Since its start", `${amount(relay.load.packets)} packets, ${amount(relay.load.bytes, "B")}`],
        ]}
      />
      <Drops relay={relay} />
      {live.isOperator && <AtHome live={live} relay={relay} />}
    </article>
  );
}

function Drain({ live, relay }: { readonly live: Live; readonly relay: Relay }) {
  const [asked, setAsked] = useState(false);
  const [problem, setProblem] = useState("");
  if (relay.state === "down") return null;
  const isDraining = relay.state === "draining";
  const drain = () => {
    setAsked(false);
    live.drain(relay.id, !isDraining).catch((error: Error) => setProblem(error.message));
  };
  return (
    <div class="actions">
      {!asked && (
        <button type="button" onClick={isDraining ? drain : () => setAsked(true)}>
          {isDraining ? "Take back into service" : "Drain…"}
        </button>
      )}
      {asked && (
        <fieldset class="sure">
          <legend>Its agents move to other relays first; no packet is lost.</legend>
          <button type="button" class="primary" onClick={drain}>
            Drain
          </button>
          <button type="button" onClick={() => setAsked(false)}>
            Keep
          </button>
        </fieldset>
      )}
      <p class="problem" role="alert">
        {problem}
      </p>
    </div>
  );
}

function Drops({ relay }: { readonly relay: Relay }) {
  const drops = Object.entries(relay.load.drops)
    .filter(([, dropped]) => dropped > 0)
    .sort(([, a], [, b]) => b - a);
  if (drops.length === 0) return null;
  return (
    <section>
      <h3>Dropped since its start, by reason</h3>
      <table>
        <thead>
          <tr>
            <th scope="col">Reason</th>
            <th scope="col" class="end">
              Datagrams
            </th>
          </tr>
        </thead>
        <tbody>
          {drops.map(([reason, dropped]) => (
            <tr key={reason}>
              <td>
                <code>{reason}</code>
              </td>
              <td class="end">{count(dropped)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function AtHome({ live, relay }: { readonly live: Live; readonly relay: Relay }) {
  const { agents, versions } = live.model;
  const here = useMemo(() => atHome(agents, relay.id), [versions.agents, relay.id]);
  return (
    <section>
      <h3>
        At home here <span class="count">{count(here.length)}</span>
      </h3>
      {here.length === 0 && <p class="quiet">Nobody.</p>}
      <ul class="links">
        {here.slice(0, AGENTS_SHOWN_MAX).map((agent) => (
          <li key={agent.id}>
            <OnlineMark online={agent.online} />
            <a href={routeHash({ page: "agent", id: agent.id })}>{agent.name}</a>
            <span class="quiet">
              {milliseconds(agent.rtts.find(({ relay: of }) => of === relay.id)?.rttMs)}
            </span>
          </li>
        ))}
      </ul>
      {here.length > AGENTS_SHOWN_MAX && (
        <p class="quiet">
          and {count(here.length - AGENTS_SHOWN_MAX)} more: filter the agents by “{relay.region}”.
        </p>
      )}
    </section>
  );
}

function atHome(agents: ReadonlyMap<string, Agent>, relay: string): Agent[] {
  return [...agents.values()]
    .filter(({ home, online }) => online && home === relay)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
