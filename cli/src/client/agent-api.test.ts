/** Asking an agent that is slow to answer, or tells the same again and again. */
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answer } from "../commands/common.ts";
import { captured } from "../testing.ts";
import { AGENT_SOCKET, AgentApi } from "./agent-api.ts";

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

function serve(fetch: () => Response | Promise<Response>): string {
  const state = mkdtempSync(join(tmpdir(), "burrow-agent-api-"));
  const server = Bun.serve({ unix: join(state, AGENT_SOCKET), fetch });
  endings.push(
    () => rmSync(state, { recursive: true, force: true }),
    () => server.stop(true),
  );
  return state;
}

test("lines given up before the first came end, and are no failure of the agent", async () => {
  const abort = new AbortController();
  const state = serve(() => {
    abort.abort();
    return new Promise<Response>(() => {});
  });
  expect(await Array.fromAsync(new AgentApi(state).lines("/v1/ping/bob", abort.signal))).toEqual([]);
});

for (const json of [true, false]) {
  test(`watched ${json ? "JSON" : "text"} is shown again when more than the clock has changed`, async () => {
    let asked = 0;
    const state = serve(() => {
      asked++;
      if (asked > 3) return new Response("{}", { status: 500 });
      return Response.json({ nowMs: asked, sinceMs: 0, home: asked === 3 ? "b" : "a" });
    });
    const terminal = captured();
    const watched = answer<{ home: string }>(
      terminal,
      { state, json, watch: true },
      "/v1/status",
      (got, now) => (now === 0 ? `${got.home}\n` : `${got.home}, asked ${asked} times\n`),
    );
    expect(await watched.catch((error: unknown) => String(error))).toContain("500");
    expect(terminal.stdout().replaceAll("\n\n", "\n").trimEnd().split("\n")).toEqual(
      json
        ? ['{"nowMs":1,"sinceMs":0,"home":"a"}', '{"nowMs":3,"sinceMs":0,"home":"b"}']
        : ["a, asked 1 times", "b, asked 3 times"],
    );
  });
}
