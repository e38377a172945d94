/** Asks the agent that runs on this machine, over the Unix socket in its state directory. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "@burrow/protocol";

export const AGENT_SOCKET = "agent.sock";

/** Nobody listens at the socket. */
export class NoAgent extends UserError {}

export class AgentApi {
  readonly #socket: string;
  readonly #stateDir: string;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
    this.#socket = join(stateDir, AGENT_SOCKET);
  }

  async get<Answer>(path: string): Promise<Answer> {
    const response = await this.#fetch(path);
    return (await response.json()) as Answer;
  }

  /** As `get`; undefined where no agent runs, or one that is stopping. */
  async find<Answer>(path: string): Promise<Answer | undefined> {
    try {
      return await this.get<Answer>(path);
    } catch (error) {
      if (error instanceof NoAgent) return undefined;
      throw error;
    }
  }

  /** The JSON lines of an answer, as they come; ends when the agent ends it or `signal` aborts. */
  async *lines<Line>(path: string, signal: AbortSignal): AsyncGenerator<Line> {
    let response: Response;
    try {
      response = await this.#fetch(path, signal);
    } catch (error) {
      // Nothing had come yet.
      if (signal.aborted) return;
      throw error;
    }
    const decoder = new TextDecoder();
    let held = "";
    try {
      for await (const chunk of response.body ?? []) {
        const parts = (held + decoder.decode(chunk, { stream: true })).split("\n");
        held = parts.pop() ?? "";
        for (const part of parts) if (part !== "") yield JSON.parse(part) as Line;
      }
    } catch (error) {
      if (!signal.aborted) throw this.#gone(error);
    }
  }

  async #fetch(path: string, signal?: AbortSignal): Promise<Response> {
    this.#checkSocket();
    let response: Response;
    try {
      response = await fetch(`http://agent${path}`, {
        unix: this.#socket,
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      throw this.#gone(error);
    }
    if (!response.ok) throw await refusalOf(response);
    return response;
  }

  /** The three ways not to find an agent, each with another remedy. */
  #checkSocket(): void {
    try {
      statSync(this.#socket);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EACCES" || code === "EPERM") throw this.#forbidden(error);
      throw new NoAgent(
        `no agent is running with state in ${this.#stateDir}`,
        existsSync(this.#stateDir)
          ? "start it with `burrow up`, or name another agent's directory with --state DIR"
          : "join a network with `burrow up --coordinator URL --token-file FILE`, or give the running agent's --state DIR",
        { cause: error },
      );
    }
  }

  #gone(error: unknown): UserError {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EACCES" || code === "EPERM") return this.#forbidden(error);
    return new NoAgent(
      `the agent with state in ${this.#stateDir} does not answer`,
      "it has stopped or is stopping; start it again with `burrow up`",
      { cause: error },
    );
  }

  #forbidden(cause: unknown): UserError {
    return new UserError(
      `no right to talk to the agent in ${this.#stateDir}`,
      "run this as the user who started the agent, for instance with sudo",
      { cause },
    );
  }
}

/** The agent's or coordinator's own words about a request that it did not grant. */
export async function refusalOf(response: Response): Promise<UserError> {
  let body: { message?: unknown; error?: unknown; remedy?: unknown } = {};
  try {
    const parsed: unknown = await response.json();
    if (typeof parsed === "object" && parsed !== null) body = parsed;
  } catch {
    // Not one of ours, or cut short: the status must do.
  }
  const inner = typeof body.error === "object" && body.error !== null ? (body.error as typeof body) : body;
  const message = [inner.message, inner.error].find((text) => typeof text === "string");
  const remedy =
    typeof inner.remedy === "string" ? inner.remedy : "check the name and the flags of this command";
  return new UserError(String(message ?? `answered ${response.status} ${response.statusText}`), remedy);
}
