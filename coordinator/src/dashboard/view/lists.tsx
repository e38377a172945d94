/** The lists of relays and of agents, each with a filter: what the map shows, for those who read rather than look. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { Live } from "../browser/live.ts";
import { agentRows, relayRows } from "../model/lists.ts";
import type { Agent, Relay } from "../model/mesh.ts";
import { amount, count, duration, milliseconds } from "../model/units.ts";
import { STATE_WORDS } from "../model/words.ts";
import { type Column, Grid } from "./grid.tsx";
import { OnlineMark, StateMark } from "./marks.tsx";

interface ListProps {
  readonly live: Live;
  readonly filter: string;
  readonly setFilter: (filter: string) => void;
  readonly start: string | undefined;
  readonly open: (id: string) => void;
  readonly pointed: (id: string | undefined) => void;
}

export function RelayList(list: ListProps) {
  const { live, filter } = list;
  const { model } = live;
  const rows = useMemo(() => relayRows(model.relays, filter), [model.versions.relays, filter]);
  const columns: readonly Column<Relay>[] = [
    {
      title: "Relay",
      cell: (relay) => (
        <>
          <StateMark state={relay.state} />
          <span class="two">
            <b>{relay.region}</b>
            <small>
              {STATE_WORDS[relay.state]} for {duration(live.now - relay.sinceMs)}
            </small>
          </span>
        </>
      ),
    },
    { title: "Agents", align: "end", cell: ({ agents }) => count(agents) },
    { title: "Sessions", align: "end", cell: ({ sessions }) => amount(sessions) },
    { title: "RTT p50", align: "end", cell: ({ rtt }) => milliseconds(rtt?.p50Ms) },
  ];
  return (
    <Panel {...list} title="Relays" rows={rows} columns={columns} all={model.relays.size}>
      Start one with <code>burrow relay</code>; it appears here at once.
    </Panel>
  );
}

export function AgentList(list: ListProps) {
  const { live, filter } = list;
  const { model } = live;
  const rows = useMemo(() => agentRows(model.agents, filter), [model.versions.agents, filter]);
  const columns: readonly Column<Agent>[] = [
    {
      title: "Agent",
      cell: (agent) => (
        <>
          <OnlineMark online={agent.online} />
          <span class="two">
            <b>{agent.name}</b>
            <small>
              {agent.online ? "" : "Not connected · "}
              {agent.network}
              {agent.place === null ? "" : ` · ${agent.place}`}
            </small>
          </span>
        </>
      ),
    },
    { title: "Home", cell: ({ region }) => <span class="ellipsis">{region ?? "–"}</span> },
    {
      title: "RTT",
      align: "end",
      cell: ({ home, rtts }) => milliseconds(rtts.find(({ relay }) => relay === home)?.rttMs),
    },
  ];
  return (
    <Panel {...list} title="Agents" rows={rows} columns={columns} all={model.agents.size}>
      Make a token with <code>burrow token create --for agent</code>, and join with <code>burrow up</code>.
    </Panel>
  );
}

interface PanelProps<Row> extends ListProps {
  readonly title: "Relays" | "Agents";
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  /** How many there are without the filter. */
  readonly all: number;
  /** What to do while there are none. */
  readonly children: ComponentChildren;
}

function Panel<Row extends { readonly id: string }>(props: PanelProps<Row>) {
  const { live, filter, setFilter, start, open, pointed, title, rows, columns, all, children } = props;
  const what = title.toLowerCase();
  return (
    <section class={`list ${what}`} aria-label={title}>
      <Filter filter={filter} setFilter={setFilter} what={what} shown={rows.length} all={all} />
      {rows.length === 0 ? (
        <Nothing live={live} what={what} isFiltered={filter !== ""}>
          {children}
        </Nothing>
      ) : (
        <Grid
          label={title}
          columns={columns}
          rows={rows}
          idOf={({ id }) => id}
          start={start}
          open={({ id }) => open(id)}
          pointed={(row) => pointed(row?.id)}
        />
      )}
    </section>
  );
}

interface FilterProps {
  readonly filter: string;
  readonly setFilter: (filter: string) => void;
  readonly what: string;
  readonly shown: number;
  readonly all: number;
}

function Filter({ filter, setFilter, what, shown, all }: FilterProps) {
  const input = useRef<HTMLInputElement>(null);
  // In time for the very next key.
  useLayoutEffect(() => {
    const onSlash = (event: KeyboardEvent) => {
      const isTyping = event.target instanceof HTMLInputElement;
      if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      input.current?.focus();
    };
    addEventListener("keydown", onSlash);
    return () => removeEventListener("keydown", onSlash);
  }, []);
  return (
    <div class="filter">
      <input
        ref={input}
        type="search"
        value={filter}
        placeholder={`Filter ${what}`}
        aria-label={`Filter ${what}`}
        aria-keyshortcuts="/"
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => setFilter(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape" || filter === "") return;
          event.stopPropagation();
          setFilter("");
        }}
      />
      <span class="shown" role="status">
        {filter === "" ? count(all) : `${count(shown)} of ${count(all)}`}
      </span>
    </div>
  );
}

interface NothingProps {
  readonly live: Live;
  readonly what: string;
  readonly isFiltered: boolean;
  readonly children: ComponentChildren;
}

function Nothing({ live, what, isFiltered, children }: NothingProps) {
  if (isFiltered) return <p class="nothing">No {what} match this filter.</p>;
  if (!live.isLoaded) return <p class="nothing">Reading the list…</p>;
  return (
    <p class="nothing">
      There are no {what} yet. {children}
    </p>
  );
}
