/** The line above all: how many relays are how, how many agents are there, whether this page is up to date. */
import { useMemo } from "preact/hooks";
import type { Connection, Live } from "../browser/live.ts";
import type { Relay } from "../model/mesh.ts";
import { count } from "../model/units.ts";
import { StateMark } from "./marks.tsx";

const CONNECTION_WORDS: Readonly<Record<Connection, string>> = {
  connecting: "Connecting…",
  live: "Live",
  lost: "Connection lost, trying again…",
};

export function Header({ live, logIn }: { readonly live: Live; readonly logIn: () => void }) {
  const { relays, agents, versions } = live.model;
  const online = useMemo(
    () => [...agents.values()].reduce((sum, { online }) => sum + Number(online), 0),
    [versions.agents],
  );
  const inState = (state: Relay["state"]) =>
    [...relays.values()].filter((relay) => relay.state === state).length;
  return (
    <header class="top">
      <h1>
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="8" />
          <path class="arch" d="M5 22a11 11 0 0 1 22 0" />
          <path class="door" d="M11 22a5 5 0 0 1 10 0z" />
        </svg>
        Burrow
      </h1>
      <ul class="sums" aria-label="Summary">
        {(["healthy", "draining", "down"] as const).map((state) => (
          <li key={state} class={inState(state) === 0 ? "zero" : undefined}>
            <StateMark state={state} />
            <b>{count(inState(state))}</b> {state}
          </li>
        ))}
        {live.isOperator && (
          <li>
            <b>{count(online)}</b> {online === 1 ? "agent" : "agents"}
          </li>
        )}
      </ul>
      <span class={`connection ${live.connection}`} role="status">
        <i aria-hidden="true" />
        <span>{CONNECTION_WORDS[live.connection]}</span>
      </span>
      <a class="quiet" href="/docs">
        API
      </a>
      {live.isOperator ? (
        <button type="button" onClick={() => live.logOut().catch(() => {})}>
          Log out
        </button>
      ) : (
        <button type="button" onClick={logIn} disabled={live.connection === "connecting"}>
          Log in
        </button>
      )}
    </header>
  );
}
