/** Fetches a URL and prints `BYTES SHA-256`: `bun download.ts URL`, inside a namespace. */
const response = await fetch(process.argv[2] ?? "");
const hasher = new Bun.CryptoHasher("sha256");
let bytes = 0;
for await (const chunk of response.body ?? []) {
  hasher.update(chunk);
  bytes += chunk.length;
}
console.log(`${bytes} ${hasher.digest("hex")}`);
