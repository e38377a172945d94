/** Nothing that is logged, on any level, may hold a token or a key. */
import { expect, test } from "bun:test";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { TestCoordinator } from "../testing/coordinator.ts";

test("a whole life of a mesh leaves no secret in the log", async () => {
  const records: LogRecord[] = [];
  await configure({
    sinks: { keep: (record) => records.push(record) },
    loggers: [
      { category: ["burrow", "coordinator"], lowestLevel: "trace", sinks: ["keep"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: [] },
    ],
  });
  const coordinator = await TestCoordinator.start();
  try {
    const secrets = [coordinator.operatorToken];
    const relay = await coordinator.relay();
    const agent = await coordinator.agent();
    const token = await coordinator.token("agent");
    const wrong = coordinator.client();
    await wrong.hello({ role: "agent", acceptsOutside: false, token: `${token}x` });
    await wrong.closed;
    await coordinator.operator.drainRelay(relay.id);
    await coordinator.operator.revokeAgent(agent.id);
    await agent.client.closed;
    secrets.push(token, relay.welcome.ticketKey);
    for (const { sessionKey, ticket } of agent.welcome.tickets) secrets.push(sessionKey, ticket);
    for (const { privateKey } of [relay.client, agent.client]) {
      secrets.push(Buffer.from(privateKey).toString("base64"), Buffer.from(privateKey).toString("hex"));
    }
    const text = records
      .map(({ message, properties }) => `${message.join("")} ${JSON.stringify(properties)}`)
      .join("\n");
    expect(records.length).toBeGreaterThan(5);
    for (const secret of secrets) expect(text).not.toContain(secret);
  } finally {
    await coordinator.end();
    await reset();
  }
});
