/** Reads a stream of server-sent events as a browser does (HTML Living Standard §9.2.6), for tests. */
import { type MeshEventView, meshEvent } from "../io/http/schemas/event.ts";

const WAIT_MS = 8_000;
type Of<Type extends MeshEventView["type"]> = Extract<MeshEventView, { type: Type }>;

export class EventReader {
  /** All events so far; each has passed its schema. */
  readonly events: MeshEventView[] = [];
  /** How many comments came: heartbeats. */
  comments = 0;
  lastEventId = "";
  /** Resolves when the stream ends, however it ends. */
  readonly ended: Promise<void>;
  readonly #abort = new AbortController();
  #wake = Promise.withResolvers<void>();

  private constructor(body: ReadableStream<Uint8Array>, abort: AbortController) {
    this.#abort = abort;
    this.ended = this.#read(body).catch(() => {});
  }

  static async open(url: string, headers: Record<string, string> = {}): Promise<EventReader> {
    const abort = new AbortController();
    const response = await fetch(`${url}/v1/events`, { headers, signal: abort.signal });
    if (response.status !== 200 || response.body === null) throw new Error(`answered ${response.status}`);
    return new EventReader(response.body, abort);
  }

  /** The first event of the type that fits. */
  async next<Type extends MeshEventView["type"]>(
    type: Type,
    fits: (event: Of<Type>) => boolean = () => true,
  ): Promise<Of<Type>> {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const found = this.events.find((of): of is Of<Type> => of.type === type && fits(of as Of<Type>));
      if (found !== undefined) return found;
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`no ${type}; got ${this.events.map((of) => of.type).join()}`);
      const timer = setTimeout(() => this.#wake.resolve(), left);
      await this.#wake.promise;
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#abort.abort();
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of body) {
      text += decoder.decode(chunk, { stream: true });
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) this.#take(block);
      const wake = this.#wake;
      this.#wake = Promise.withResolvers();
      wake.resolve();
    }
  }

  #take(block: string): void {
    const data: string[] = [];
    for (const line of block.split("\n")) {
      const colon = line.indexOf(":");
      if (colon === 0) this.comments++;
      const value = line.slice(colon + 1).replace(/^ /, "");
      if (line.startsWith("data:")) data.push(value);
      else if (line.startsWith("id:")) this.lastEventId = value;
    }
    if (data.length > 0) this.events.push(meshEvent.parse(JSON.parse(data.join("\n"))));
  }
}
