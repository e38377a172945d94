/**
 * Goes before the program that a benchmark measures: at SIGUSR2 a full collection, then a line on standard output with
 * what is still alive on its heap.
 */
import { heapStats } from "bun:jsc";

process.on("SIGUSR2", () => {
  Bun.gc(true);
  const { heapSize, extraMemorySize } = heapStats();
  console.log(JSON.stringify({ liveBytes: heapSize + extraMemorySize }));
});
