/** One seed, from plan to outcome. */
import { drawPlan } from "./plan.ts";
import { type Outcome, World } from "./world.ts";

export function simulate(seed: number): Outcome {
  return new World(drawPlan(seed)).run();
}

/** The same with everything that happened, for whoever looks into a failing seed. */
export function narrate(seed: number): { readonly outcome: Outcome; readonly story: readonly string[] } {
  const plan = drawPlan(seed);
  const world = new World(plan);
  plan.agents.forEach(({ home }, index) => {
    const { nat, firewall, carrier } = plan.homes[home] ?? {};
    const kind = nat?.name ?? (firewall === true ? "public, firewalled" : "public");
    const above = carrier === undefined ? "" : ` behind a carrier's ${carrier.name}`;
    world.tell(`a${index} lives in home ${home}: ${kind}${above}; is ${world.agent(index).id}`);
  });
  for (const relay of world.relays)
    world.tell(`${relay.region} is ${relay.id} at ${relay.host.endpoints.join(" and ")}`);
  for (const { from, to, everyMs } of plan.talks) world.tell(`a${from} asks a${to} every ${everyMs} ms`);
  for (const agent of world.agents) {
    const before = agent.onEvent;
    agent.onEvent = (event) => {
      before(event);
      if (event.type !== "echo" && event.type !== "netmap")
        world.tell(`${agent.name} ${JSON.stringify(event)}`);
    };
  }
  const outcome = world.run();
  return { outcome, story: world.story };
}
