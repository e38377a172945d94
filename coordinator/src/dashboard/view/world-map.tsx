/**
 * The world with relays and agents on it. Agents that are close together are one mark, and their ways home one line;
 * pairs that talk are arcs, whole when direct and broken by a relay. The lists tell the same to those who do not see.
 */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Live } from "../browser/live.ts";
import { type Plane, planeOf, type Size } from "../browser/projection.ts";
import { type Cluster, clusters, type Placed } from "../model/clusters.ts";
import { type Link, links } from "../model/links.ts";
import type { Agent, Relay } from "../model/mesh.ts";
import { type Route, routeHash } from "../model/route.ts";
import { amount } from "../model/units.ts";
import { fitted, moved, type ViewBox, WHOLE, ZOOM_MAX, zoomed } from "../model/view-box.ts";
import { useGestures } from "./gestures.ts";
import { useSize } from "./hooks.ts";
import { KindMark, StateMark, StateShape } from "./marks.tsx";

interface MapProps {
  readonly live: Live;
  readonly route: Route;
  readonly pointed: string | undefined;
}

/** On the screen. */
const CELL = 16;
/** With more agents than this marks are larger, and fewer. */
const CROWD = 1_000;
const CROWD_CELL = 28;
const RELAY_RADIUS = 8;
const LABEL_HEIGHT = 15;
const LETTER_WIDTH = 6.6;
const KEY_STEP = 60;
const KEY_ZOOM = 1.5;
const CLUSTER_ZOOM = 2.5;

export function WorldMap(props: MapProps) {
  const frame = useRef<HTMLElement>(null);
  const size = useSize(frame);
  return (
    <section
      class="map"
      ref={frame}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what can be moved by keys must be reached by them
      tabIndex={0}
      aria-label="World map. Arrow keys move it, plus and minus zoom; the list tells the same."
    >
      {size !== undefined && size.width > 0 && size.height > 0 && (
        <Drawn {...props} size={size} frame={frame} />
      )}
    </section>
  );
}

interface DrawnProps extends MapProps {
  readonly size: Size;
  readonly frame: { readonly current: HTMLElement | null };
}

function Drawn({ live, route, pointed, size, frame }: DrawnProps) {
  const { model } = live;
  const plane = useMemo(() => planeOf(size), [size.width, size.height]);
  const [view, setView] = useState<ViewBox>(WHOLE);
  const { width, height } = size;
  // Until somebody moves it, the map shows all that is there.
  const [isMoved, setMoved] = useState(false);
  const move = (change: (view: ViewBox) => ViewBox) => {
    setMoved(true);
    setView(change);
  };
  useGestures(frame, size, move);

  const relays = useMemo(() => placedRelays(model.relays, plane), [model.versions.relays, plane]);
  const agents = useMemo(
    () => placedAgents(model.agents, model.relays, plane),
    [model.versions.agents, plane, model.relays.size],
  );
  const cell = agents.size > CROWD ? CROWD_CELL : CELL;
  const marks = useMemo(() => clusters(agents.values(), cell / view.k), [agents, cell, view.k]);
  const looked = route.page === "agent" ? route.id : undefined;
  const pairs = useMemo(() => links(model.paths, looked), [model.versions.paths, looked]);
  const lit = pointed ?? (route.page === "relay" || route.page === "agent" ? route.id : undefined);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== frame.current || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = viewAfterKey(event.key, view, size);
    if (next === undefined) return;
    event.preventDefault();
    move(() => next);
  };
  useEffect(() => {
    const element = frame.current;
    element?.addEventListener("keydown", onKeyDown);
    return () => element?.removeEventListener("keydown", onKeyDown);
  });

  const places = relays.length + agents.size;
  useEffect(() => {
    setView((now) => (isMoved ? moved(now, 0, 0, size) : fitted([...relays, ...agents.values()], size)));
  }, [width, height, places, isMoved]);
  const zoom = (factor: number) => move((now) => zoomed(now, factor, width / 2, height / 2, size));
  return (
    <>
      <svg width={width} height={height} aria-hidden="true" focusable="false">
        <g
          class={pairs.some((link) => isOf(link, lit)) ? "plane dimmed" : "plane"}
          transform={`translate(${view.x} ${view.y}) scale(${view.k})`}
        >
          <path class="land" d={plane.land} />
          <HomeLines marks={marks} relays={relays} lit={lit} />
          {pairs.map((link) => (
            <Arc
              key={`${link.key} ${link.kind}`}
              link={link}
              plane={plane}
              live={live}
              isLit={isOf(link, lit)}
            />
          ))}
        </g>
        <AgentMarks
          marks={marks}
          view={view}
          agents={model.agents}
          relays={relays}
          lit={lit}
          zoomTo={(x, y) => move((now) => zoomed(now, CLUSTER_ZOOM, x, y, size))}
        />
        <RelayMarks relays={relays} view={view} width={width} lit={lit} />
      </svg>
      <div class="map-tools">
        <button type="button" aria-label="Zoom in" onClick={() => zoom(KEY_ZOOM)}>
          +
        </button>
        <button type="button" aria-label="Zoom out" onClick={() => zoom(1 / KEY_ZOOM)}>
          −
        </button>
        <button type="button" onClick={() => (isMoved ? setMoved(false) : move(() => WHOLE))}>
          {isMoved ? "Fit" : "World"}
        </button>
      </div>
      <Legend hasAgents={model.agents.size > 0} />
    </>
  );
}

function viewAfterKey(key: string, view: ViewBox, size: Size): ViewBox | undefined {
  const { width, height } = size;
  switch (key) {
    case "+":
    case "=":
      return zoomed(view, KEY_ZOOM, width / 2, height / 2, size);
    case "-":
      return zoomed(view, 1 / KEY_ZOOM, width / 2, height / 2, size);
    case "0":
      return WHOLE;
    case "ArrowLeft":
      return moved(view, KEY_STEP, 0, size);
    case "ArrowRight":
      return moved(view, -KEY_STEP, 0, size);
    case "ArrowUp":
      return moved(view, 0, KEY_STEP, size);
    case "ArrowDown":
      return moved(view, 0, -KEY_STEP, size);
    default:
      return undefined;
  }
}

interface PlacedRelay {
  readonly relay: Relay;
  readonly x: number;
  readonly y: number;
}

function placedRelays(relays: ReadonlyMap<string, Relay>, plane: Plane): PlacedRelay[] {
  return [...relays.values()].flatMap((relay) => {
    if (relay.at === null) return [];
    const [x, y] = plane.project(relay.at.lat, relay.at.lon);
    return [{ relay, x, y }];
  });
}

/** Where nobody knows where an agent is, it stands beside its home. */
function placeOf(agent: Agent, relays: ReadonlyMap<string, Relay>) {
  return agent.at ?? (agent.home === null ? null : (relays.get(agent.home)?.at ?? null));
}

function placedAgents(
  agents: ReadonlyMap<string, Agent>,
  relays: ReadonlyMap<string, Relay>,
  plane: Plane,
): Map<string, Placed> {
  const placed = new Map<string, Placed>();
  const known = new Map<string, readonly [number, number]>();
  for (const agent of agents.values()) {
    const at = agent.online ? placeOf(agent, relays) : null;
    if (at === null) continue;
    const key = `${at.lat} ${at.lon}`;
    const [x, y] = known.get(key) ?? plane.project(at.lat, at.lon);
    known.set(key, [x, y]);
    placed.set(agent.id, { id: agent.id, x, y, home: agent.home });
  }
  return placed;
}

interface HomeLinesProps {
  readonly marks: readonly Cluster[];
  readonly relays: readonly PlacedRelay[];
  readonly lit: string | undefined;
}

function HomeLines({ marks, relays, lit }: HomeLinesProps) {
  const at = new Map(relays.map((of) => [of.relay.id, of]));
  return (
    <g class="homes">
      {marks.flatMap((mark) =>
        [...mark.homes.keys()].map((home) => {
          const relay = at.get(home);
          if (relay === undefined) return null;
          const isLit = lit === home || (mark.count === 1 && lit === mark.id);
          return (
            <path
              key={`${mark.id} ${home}`}
              class={isLit ? "homeward lit" : "homeward"}
              d={`M${mark.x} ${mark.y}L${relay.x} ${relay.y}`}
            />
          );
        }),
      )}
    </g>
  );
}

interface ArcProps {
  readonly link: Link;
  readonly plane: Plane;
  readonly live: Live;
  readonly isLit: boolean;
}

function Arc({ link, plane, live, isLit }: ArcProps) {
  const { agents, relays } = live.model;
  const stops = [agents.get(link.a), ...link.relays.map((id) => relays.get(id)), agents.get(link.b)].map(
    (of) => (of === undefined ? null : "home" in of ? placeOf(of, relays) : of.at),
  );
  const places = stops.filter((place) => place !== null);
  const d = useMemo(() => plane.arc(places), [plane, JSON.stringify(places)]);
  return <path class={`arc ${link.kind}${isLit ? " lit" : ""}`} data-pair={link.key} d={d} />;
}

function isOf(link: Link, id: string | undefined): boolean {
  return id !== undefined && (link.a === id || link.b === id || link.relays.includes(id));
}

interface AgentMarksProps {
  readonly marks: readonly Cluster[];
  readonly view: ViewBox;
  readonly agents: ReadonlyMap<string, Agent>;
  readonly relays: readonly PlacedRelay[];
  readonly lit: string | undefined;
  /** Into a mark that stands for several: where it is, on the screen. */
  readonly zoomTo: (x: number, y: number) => void;
}

function AgentMarks({ marks, view, agents, relays, lit, zoomTo }: AgentMarksProps) {
  return (
    <g class="agents">
      {marks.map(({ id, x, y, count }) => {
        const radius = count === 1 ? 4 : Math.min(22, 6 + 2.2 * Math.log2(count));
        const name = count === 1 ? (agents.get(id)?.name ?? id) : `${count} agents`;
        const [sx, sy] = [view.x + x * view.k, view.y + y * view.k];
        const isCovered = relays.some(
          (of) => Math.hypot(of.x - x, of.y - y) * view.k < radius + RELAY_RADIUS,
        );
        return (
          <g key={id} class={lit === id ? "agent lit" : "agent"} transform={`translate(${sx} ${sy})`}>
            <a
              href={routeHash(count === 1 ? { page: "agent", id } : { page: "agents" })}
              tabIndex={-1}
              onClick={(event) => {
                if (count === 1 || view.k >= ZOOM_MAX) return;
                event.preventDefault();
                zoomTo(sx, sy);
              }}
            >
              <title>{name}</title>
              <circle class="hit" r={Math.max(12, radius)} />
              <circle class="dot" r={radius} />
              {count > 1 && (
                <text class={isCovered ? "beside above" : "inside"} dy={isCovered ? -radius - 4 : ".35em"}>
                  {amount(count).replace(" ", "")}
                </text>
              )}
            </a>
          </g>
        );
      })}
    </g>
  );
}

interface RelayMarksProps {
  readonly relays: readonly PlacedRelay[];
  readonly view: ViewBox;
  readonly width: number;
  readonly lit: string | undefined;
}

function RelayMarks({ relays, view, width, lit }: RelayMarksProps) {
  const labels = new Labels(width);
  // The one that is looked at is drawn last, above all others, and named first.
  const ordered = [...relays].sort((a, b) => Number(b.relay.id === lit) - Number(a.relay.id === lit));
  const drawn = ordered.map(({ relay, x, y }) => {
    const [sx, sy] = [view.x + x * view.k, view.y + y * view.k];
    return { relay, sx, sy, side: labels.sideOf(sx, sy, relay.region) };
  });
  return (
    <g class="relays">
      {drawn.reverse().map(({ relay, sx, sy, side }) => (
        <g
          key={relay.id}
          class={lit === relay.id ? "relay lit" : "relay"}
          data-relay={relay.id}
          data-state={relay.state}
          transform={`translate(${sx} ${sy})`}
        >
          <a href={routeHash({ page: "relay", id: relay.id })} tabIndex={-1}>
            <title>{relay.region}</title>
            <circle class="hit" r="14" />
            <circle class="halo" r="11" />
            <StateShape state={relay.state} />
            {side !== undefined && (
              <text class={`beside ${side}`} x={side === "right" ? 11 : -11} dy=".35em">
                {relay.region}
              </text>
            )}
          </a>
        </g>
      ))}
    </g>
  );
}

/** Names stand right of their marks, or left where there is no room; those that would lie over others are left out. */
class Labels {
  readonly #width: number;
  readonly #taken: { readonly left: number; readonly right: number; readonly y: number }[] = [];

  constructor(width: number) {
    this.#width = width;
  }

  sideOf(x: number, y: number, text: string): "right" | "left" | undefined {
    const length = 14 + text.length * LETTER_WIDTH;
    const sides = [
      { side: "right", left: x - 8, right: x + length },
      { side: "left", left: x - length, right: x + 8 },
    ] as const;
    const free = sides.find(
      ({ left, right }) =>
        left >= 0 &&
        right <= this.#width &&
        this.#taken.every(
          (other) => left > other.right || right < other.left || Math.abs(y - other.y) > LABEL_HEIGHT,
        ),
    );
    if (free !== undefined) this.#taken.push({ left: free.left, right: free.right, y });
    return free?.side;
  }
}

function Legend({ hasAgents }: { readonly hasAgents: boolean }) {
  return (
    <ul class="legend" aria-hidden="true">
      {(["healthy", "draining", "down"] as const).map((state) => (
        <li key={state}>
          <StateMark state={state} />
          {state}
        </li>
      ))}
      {hasAgents &&
        (["direct", "relay"] as const).map((kind) => (
          <li key={kind}>
            <KindMark kind={kind} />
            {kind === "direct" ? "direct" : "by relay"}
          </li>
        ))}
    </ul>
  );
}
