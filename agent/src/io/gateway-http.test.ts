/** HTTP with a router that answers well, and with those that do not. */
import { afterAll, expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import { exchangeHttp } from "./gateway-http.ts";

const REQUEST = { method: "POST", headers: { SOAPAction: '"x#Y"' }, body: "<größe/>" } as const;

const ends: (() => void)[] = [];
afterAll(() => {
  for (const end of ends) end();
});

/** A server on loopback that hands each connection's first piece to `answer`. */
async function router(answer: (socket: Socket, question: string) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", (question) => answer(socket, String(question)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}/ctl`;
}

const exchange = (url: string, timeoutMs = 2_000) => exchangeHttp({ ...REQUEST, url }, timeoutMs);

test("an answer, and a question with its length and headers", async () => {
  let asked = "";
  const url = await router((socket, question) => {
    asked = question;
    socket.end(
      "HTTP/1.0 500 Internal Server Error\r\nContent-Type: text/xml\r\n\r\n<errorCode>718</errorCode>",
    );
  });
  expect(await exchange(url)).toEqual({ status: 500, body: "<errorCode>718</errorCode>" });
  expect(asked).toStartWith("POST /ctl HTTP/1.1\r\n");
  expect(asked).toContain('SOAPAction: "x#Y"');
  expect(asked).toContain(`Content-Length: ${Buffer.byteLength(REQUEST.body)}`);
});

test("no proxy is asked, whatever the environment names", async () => {
  const url = await router((socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  const script = `
    import { exchangeHttp } from ${JSON.stringify(`${import.meta.dir}/gateway-http.ts`)};
    console.log(JSON.stringify(await exchangeHttp({ method: "GET", url: ${JSON.stringify(url)}, headers: {}, body: "" }, 2000)));
  `;
  const proxy = "http://127.0.0.1:1";
  const child = Bun.spawn([process.execPath, "-e", script], {
    env: { ...process.env, http_proxy: proxy, HTTP_PROXY: proxy },
  });
  expect(JSON.parse(await new Response(child.stdout).text())).toEqual({ status: 200, body: "ok" });
});

test("a redirect is an answer like any other, and is not followed", async () => {
  let elsewhere = 0;
  const other = await router((socket) => {
    elsewhere++;
    socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  const url = await router((socket) =>
    socket.end(`HTTP/1.1 302 Found\r\nLocation: ${other}\r\nContent-Length: 0\r\n\r\n`),
  );
  expect(await exchange(url)).toEqual({ status: 302, body: "" });
  expect(elsewhere).toBe(0);
});

test("silence, a body without end, junk and nobody at all are no answer", async () => {
  const silent = await router(() => {});
  expect(await exchange(silent, 50)).toBeUndefined();
  let written = 0;
  const endless = await router((socket) => {
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    const more = () => {
      written += 16_384;
      if (socket.write("x".repeat(16_384)) && written < 64 << 20) setImmediate(more);
      else socket.once("drain", more);
    };
    more();
  });
  expect(await exchange(endless)).toBeUndefined();
  expect(written).toBeLessThan(64 << 20);
  expect(await exchange(await router((socket) => socket.end("SSH-2.0-dropbear\r\n")))).toBeUndefined();
  expect(await exchange("http://127.0.0.1:1/")).toBeUndefined();
});
