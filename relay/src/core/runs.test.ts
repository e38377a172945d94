/** Runs: `forwardRun` does to many datagrams alike what `forward` does to each of them. */
import { expect, test } from "bun:test";
import { type Endpoint, keyToText } from "@burrow/protocol";
import { seededRandom, TestAgent, TestRelay, transport } from "../testing/harness.ts";
import { HANDLED, NEEDS_BYTES, ONE_BY_ONE } from "./forwarder.ts";

const A_AT = "192.0.2.1:5000" as Endpoint;
const B_AT = "192.0.2.2:5000" as Endpoint;

/** What `forwardRun` makes of a run, as its caller goes on: how many of the datagrams go where. */
function ofRun(
  relay: TestRelay,
  index: number,
  packets: number,
  length: number,
  from: Endpoint,
): (string | undefined)[] {
  const at = relay.addresses.handle(from);
  const to = relay.forwarder.forwardRun(index, packets, length, at, relay.now);
  if (to === ONE_BY_ONE) {
    return Array.from({ length: packets }, () => ofRun(relay, index, 1, length, from)).flat();
  }
  if (to === NEEDS_BYTES) {
    return Array.from({ length: packets }, () => relay.feed(transport(index, length), from)[0]?.to);
  }
  return new Array(packets).fill(to === HANDLED ? undefined : relay.addresses.endpoint(to));
}

test("go where their datagrams would go each for itself, and count as much", () => {
  const [one, other] = [1, 2].map((boot) => {
    const relay = new TestRelay({ seed: 5, boot });
    const elsewhere = new TestRelay();
    const a = new TestAgent(relay, A_AT, { rateClass: 1 });
    const b = new TestAgent(relay, B_AT);
    const c = new TestAgent(elsewhere, "192.0.2.3:5000");
    for (const agent of [a, b]) agent.bind(relay);
    relay.feed(a.initiationTo(b, 1), a.at);
    relay.feed(b.responseTo(a, 2, 1), b.at);
    relay.forwarder.setRelays([elsewhere.info]);
    const route = { agent: c.id, key: keyToText(c.publicKey), network: c.network, relay: elsewhere.id };
    relay.forwarder.setRoutes([route], [], true, relay.now);
    a.bindOnce(relay, { flows: [{ receiverIndex: 9, agent: c.id }] });
    return relay;
  }) as [TestRelay, TestRelay];
  const random = seededRandom(99);
  let gone = 0;
  for (let n = 0; n < 2_000; n++) {
    const [which = 0, kind = 0, size = 0, ms = 0] = random(4);
    const index = [2, 2, 2, 1, 9, 7][kind % 6] ?? 0;
    const from = [A_AT, A_AT, B_AT, "192.0.2.77:1"][which % 4] as Endpoint;
    const length = [16, 31, 32, 200, 1_420, 1_420][size % 6] ?? 0;
    const packets = 1 + (size >> 2);
    const each = Array.from({ length: packets }, () => other.feed(transport(index, length), from)[0]);
    const toOf = (sent: (typeof each)[number]) => sent?.to.replace(/^203.*/, "elsewhere");
    const run = ofRun(one, index, packets, length, from).map((to) => to?.replace(/^203.*/, "elsewhere"));
    expect(run).toEqual(each.map(toOf));
    gone += run.filter((to) => to !== undefined).length;
    for (const relay of [one, other]) relay.pass(ms % 8);
  }
  expect(gone).toBeGreaterThan(1_000);
  expect(one.drops()).toEqual(other.drops());
  expect(Object.keys(one.drops())).toContain("rate-limited");
  const counted = ({ forwarder }: TestRelay) => {
    const { received, packets, bytes, transports, trunk } = forwarder.snapshot();
    return { received, packets, bytes, transports, trunk };
  };
  expect(counted(one)).toEqual(counted(other));
});
