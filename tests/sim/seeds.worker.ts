/** One of several threads that simulate: takes a seed, answers with what became of it. */
import { simulate } from "./simulate.ts";

declare const self: Worker;

self.onmessage = ({ data: seed }: MessageEvent<number>) => {
  const { failures, measures } = simulate(seed);
  postMessage({ seed, failures, measures });
};
