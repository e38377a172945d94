/** Serves one file over HTTP: `bun file-server.ts ADDRESS PORT FILE`. Runs inside a namespace of the lab. */
const [hostname = "", port, file = ""] = process.argv.slice(2);

const server = Bun.serve({ hostname, port: Number(port), fetch: () => new Response(Bun.file(file)) });
console.log(`ready on ${server.url}`);
