/** A client of the side channel for tests: a real WebSocket that proves its key and keeps every message. */
import { nativePrimitives, randomBytes } from "@burrow/platform";
import { answerChallenge, CHANNEL_PATH, keyToText, type ToAgent, type ToRelay } from "@burrow/protocol";

export type ToClient = ToAgent | ToRelay;
type Of<Type extends ToClient["type"]> = Extract<ToClient, { type: Type }>;
export type AgentWelcome = Extract<ToAgent, { type: "welcome" }>;
export type RelayWelcome = Extract<ToRelay, { type: "welcome" }>;

const keys = nativePrimitives();
const WAIT_MS = 8_000;

export class TestClient {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly received: ToClient[] = [];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  readonly #socket: WebSocket;
  readonly #waiting = new Set<() => void>();

  constructor(url: string, privateKey = randomBytes(32), headers: Record<string, string> = {}) {
    this.privateKey = privateKey;
    this.publicKey = keys.x25519Public(privateKey);
    this.#socket = new WebSocket(url.replace(/^http/, "ws") + CHANNEL_PATH, { headers });
    this.#socket.onmessage = (event) => {
      this.received.push(JSON.parse(String(event.data)));
      for (const wake of this.#waiting) wake();
    };
    this.closed = new Promise((resolve) => {
      this.#socket.onclose = ({ code, reason }) => {
        resolve({ code, reason });
        for (const wake of this.#waiting) wake();
      };
    });
  }

  get key(): string {
    return keyToText(this.publicKey);
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  send(message: unknown): void {
    this.#socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  sendBytes(bytes: Uint8Array<ArrayBuffer>): void {
    this.#socket.send(bytes);
  }

  close(): void {
    this.#socket.close();
  }

  /** The first message of the type, from `from` on in `received`, that fits. */
  async next<Type extends ToClient["type"]>(
    type: Type,
    fits: (message: Of<Type>) => boolean = () => true,
    from = 0,
  ): Promise<Of<Type>> {
    const find = () =>
      this.received.slice(from).find((m): m is Of<Type> => m.type === type && fits(m as Of<Type>));
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      const left = deadline - Date.now();
      if (left <= 0 || this.#socket.readyState === WebSocket.CLOSED) {
        throw new Error(
          `no ${type}; got ${this.received.map((m) => JSON.stringify(m).slice(0, 200)).join("\n")}`,
        );
      }
      await this.#wake(left);
    }
  }

  async hello(fields: Record<string, unknown>, tamper = false): Promise<void> {
    const challenge = await this.next("challenge");
    const answer = answerChallenge(challenge, this, keys.x25519);
    if (answer === undefined) throw new Error("challenge is not one");
    const { key, proof } = answer;
    const sent = tamper ? `${proof.startsWith("A") ? "B" : "A"}${proof.slice(1)}` : proof;
    this.send({ type: "hello", key, proof: sent, version: "test", ...fields });
  }

  async asAgent(fields: Record<string, unknown> = {}): Promise<AgentWelcome> {
    await this.hello({ role: "agent", acceptsOutside: false, ...fields });
    return (await this.next("welcome")) as AgentWelcome;
  }

  async asRelay(fields: Record<string, unknown> = {}): Promise<RelayWelcome> {
    await this.hello({ role: "relay", region: "test", endpoints: [], port: 21820, ...fields });
    return (await this.next("welcome")) as RelayWelcome;
  }

  heartbeat(draining = false, sessions = 0): void {
    const load = { sessions, flows: 0, packets: 0, bytes: 0, drops: {} };
    this.send({ type: "heartbeat", load, draining });
  }

  #wake(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#waiting.add(done);
    });
  }
}
