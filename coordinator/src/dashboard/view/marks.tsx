/** States and kinds as small shapes: told apart without colours as well. */
import type { Path, Relay } from "../model/mesh.ts";
import { KIND_WORDS, STATE_WORDS } from "../model/words.ts";

/** Around (0, 0), within 7 units. Healthy: a disc. Draining: a diamond, half full. Down: a cross in a square. */
export function StateShape({ state }: { readonly state: Relay["state"] }) {
  switch (state) {
    case "healthy":
      return <circle class="mark healthy" r="5.5" />;
    case "draining":
      return (
        <g class="mark draining">
          <path class="back" d="M0-6.5 6.5 0 0 6.5-6.5 0z" />
          <path class="full" d="M-6.5 0 0 6.5 6.5 0z" />
        </g>
      );
    case "down":
      return (
        <g class="mark down">
          <rect class="back" x="-5.5" y="-5.5" width="11" height="11" rx="1.5" />
          <path class="cross" d="M-2.5-2.5l5 5m0-5-5 5" />
        </g>
      );
  }
}

export function StateMark({ state }: { readonly state: Relay["state"] }) {
  return (
    <svg class="symbol" viewBox="-8 -8 16 16" aria-hidden="true">
      <StateShape state={state} />
    </svg>
  );
}

export function StateWord({ state }: { readonly state: Relay["state"] }) {
  return (
    <span class={`state ${state}`}>
      <StateMark state={state} />
      {STATE_WORDS[state]}
    </span>
  );
}

/** An agent that is connected is a dot, one that is not a ring. */
export function OnlineMark({ online }: { readonly online: boolean }) {
  return (
    <svg class="symbol" viewBox="-8 -8 16 16" aria-hidden="true">
      <circle class={online ? "mark online" : "mark offline"} r="4" />
    </svg>
  );
}

/** A line as on the map: whole when direct, broken by a relay. */
export function KindMark({ kind }: { readonly kind: Path["kind"] }) {
  return (
    <svg class="symbol wide" viewBox="-14 -8 28 16" aria-hidden="true">
      <path class={`link ${kind}`} d={kind === "none" ? "M-5-5 5 5M5-5-5 5" : "M-12 0H12"} />
    </svg>
  );
}

export function KindWord({ kind }: { readonly kind: Path["kind"] }) {
  return (
    <span class={`kind ${kind}`}>
      <KindMark kind={kind} />
      {KIND_WORDS[kind]}
    </span>
  );
}
