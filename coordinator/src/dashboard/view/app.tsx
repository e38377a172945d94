/** The whole page: what is going on in a line, the map, and beside it a list or what was opened from it. */
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";
import { Live } from "../browser/live.ts";
import { type Route, routeHash } from "../model/route.ts";
import { AgentPage } from "./agent-page.tsx";
import { Header } from "./header.tsx";
import { useRoute } from "./hooks.ts";
import { AgentList, RelayList } from "./lists.tsx";
import { Login } from "./login.tsx";
import { RelayPage } from "./relay-page.tsx";
import { WorldMap } from "./world-map.tsx";

/** Ages are shown to the second. */
const CLOCK_MS = 1_000;

export function App() {
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const [live] = useState(() => new Live(() => redraw(undefined)));
  const [isLoginOpen, setLoginOpen] = useState(false);
  const [pointed, setPointed] = useState<string>();
  const route = useRoute();
  const opened = useRef<string | undefined>(undefined);
  useEffect(() => {
    live.start();
    const clock = setInterval(() => {
      if (!document.hidden) redraw(undefined);
    }, CLOCK_MS);
    return () => clearInterval(clock);
  }, [live]);
  useLayoutEffect(() => {
    const onEscape = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog") !== null)
        return;
      if (route.page === "relay") go({ page: "relays" });
      if (route.page === "agent") go({ page: "agents" });
    };
    addEventListener("keydown", onEscape);
    return () => removeEventListener("keydown", onEscape);
  }, [route]);
  if (route.page === "relay" || route.page === "agent") opened.current = route.id;
  useEffect(() => {
    live.look(route.page === "agent" || route.page === "relay" ? route : undefined);
    setPointed(undefined);
  }, [live, route]);
  return (
    <>
      <a class="skip" href={routeHash(route)} onClick={skip}>
        Skip to the list
      </a>
      <Header live={live} logIn={() => setLoginOpen(true)} />
      <main>
        <WorldMap live={live} route={route} pointed={pointed} />
        <div class="panel" id="panel" tabIndex={-1}>
          <Panel
            live={live}
            route={route}
            start={opened.current}
            pointed={setPointed}
            logIn={() => setLoginOpen(true)}
          />
        </div>
      </main>
      {isLoginOpen && <Login live={live} close={() => setLoginOpen(false)} />}
    </>
  );
}

function go(route: Route): void {
  location.hash = routeHash(route);
}

/** The address's hash is the route: the skip link moves the focus itself. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("panel")?.focus();
}

interface PanelProps {
  readonly live: Live;
  readonly route: Route;
  readonly start: string | undefined;
  readonly pointed: (id: string | undefined) => void;
  readonly logIn: () => void;
}

function Panel({ live, route, start, pointed, logIn }: PanelProps) {
  const [relayFilter, setRelayFilter] = useState("");
  const [agentFilter, setAgentFilter] = useState("");
  if (route.page === "relay") return <RelayPage live={live} id={route.id} />;
  if (route.page === "agent") return <AgentPage live={live} id={route.id} />;
  const { relays, agents } = live.model;
  return (
    <>
      <nav class="tabs" aria-label="Lists">
        <a href="#/relays" aria-current={route.page === "relays" ? "page" : undefined}>
          Relays <span class="count">{relays.size}</span>
        </a>
        <a href="#/agents" aria-current={route.page === "agents" ? "page" : undefined}>
          Agents {live.isOperator && <span class="count">{agents.size}</span>}
        </a>
      </nav>
      {route.page === "relays" && (
        <RelayList
          live={live}
          filter={relayFilter}
          setFilter={setRelayFilter}
          start={start !== undefined && relays.has(start) ? start : undefined}
          open={(id) => go({ page: "relay", id })}
          pointed={pointed}
        />
      )}
      {route.page === "agents" && live.isOperator && (
        <AgentList
          live={live}
          filter={agentFilter}
          setFilter={setAgentFilter}
          start={start !== undefined && agents.has(start) ? start : undefined}
          open={(id) => go({ page: "agent", id })}
          pointed={pointed}
        />
      )}
      {route.page === "agents" && !live.isOperator && (
        <div class="nothing">
          <p>Agents are shown to operators only.</p>
          <button type="button" class="primary" onClick={logIn}>
            Log in
          </button>
        </div>
      )}
    </>
  );
}
