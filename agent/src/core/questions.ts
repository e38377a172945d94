/** What an agent machine can be asked from outside the thread that it runs in: plain questions, plain answers. */
import type { AgentId } from "@burrow/protocol";
import type { Agent } from "./agent.ts";
import type { PathTarget } from "./paths/path.ts";
import { netcheckView, pathView, peerViews, relayViews, statusView, whyView } from "./views.ts";

const ANSWERS = {
  status: (agent: Agent, _: undefined) => statusView(agent),
  peers: (agent: Agent, _: undefined) => peerViews(agent),
  relays: (agent: Agent, _: undefined) => relayViews(agent),
  netcheck: (agent: Agent, _: undefined) => netcheckView(agent),
  /** Undefined for a peer that is gone. */
  why: (agent: Agent, id: AgentId) => {
    const peer = agent.peers.get(id);
    return peer === undefined ? undefined : whyView(agent, peer);
  },
  path: (agent: Agent, target: PathTarget) => pathView(agent, target),
  /** Which relays were tried, and whether any of them answers. */
  links: (agent: Agent, _: undefined) => ({
    hasNetmap: agent.netmap !== undefined,
    links: agent.relays.links.map(({ isBound, info }) => ({ isBound, info })),
  }),
} as const;

export type QuestionKind = keyof typeof ANSWERS;
export type Asked<K extends QuestionKind> = Parameters<(typeof ANSWERS)[K]>[1];
export type Answer<K extends QuestionKind> = ReturnType<(typeof ANSWERS)[K]>;

export function answer<K extends QuestionKind>(agent: Agent, kind: K, about: Asked<K>): Answer<K> {
  return (ANSWERS[kind] as (agent: Agent, about: Asked<K>) => Answer<K>)(agent, about);
}
