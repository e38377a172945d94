/** The forgetful store keeps the same contract, so that tests on it say something. */

import { storeContract } from "../io/store/store.contract.ts";
import { openMemoryStore } from "./memory-store.ts";

storeContract("memory", async () => {
  const store = openMemoryStore();
  return { store, end: () => store.close() };
});
