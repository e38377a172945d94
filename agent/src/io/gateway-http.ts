/**
 * One HTTP exchange with the router before us, which may be an old and broken one: nothing of it is trusted, redirects
 * are not followed, and no proxy that the environment names is asked (`fetch` would).
 */
import { request } from "node:http";
import type { HttpAnswer, HttpRequest } from "../core/port-mapping/igd.ts";

/** Descriptions of routers have some 5 KB. */
const BODY_BYTES_MAX = 64 * 1024;

/** What it answers; undefined when it does not in time, or too much. */
export function exchangeHttp(
  { method, url, headers, body }: HttpRequest,
  timeoutMs: number,
): Promise<HttpAnswer | undefined> {
  const { promise, resolve } = Promise.withResolvers<HttpAnswer | undefined>();
  const length = Buffer.byteLength(body);
  const sized = length === 0 ? {} : { "Content-Length": String(length) };
  const exchange = request(url, {
    method,
    headers: { ...headers, ...sized, Connection: "close" },
    agent: false,
  });
  const timer = setTimeout(() => end(undefined), timeoutMs);
  const end = (answer: HttpAnswer | undefined) => {
    clearTimeout(timer);
    exchange.destroy();
    resolve(answer);
  };
  exchange.on("error", () => end(undefined));
  exchange.on("response", (response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on("error", () => end(undefined));
    response.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > BODY_BYTES_MAX) end(undefined);
      else chunks.push(chunk);
    });
    response.on("end", () => {
      end({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") });
    });
  });
  exchange.end(body);
  return promise;
}
