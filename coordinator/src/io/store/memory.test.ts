import { openMemoryStore } from "./memory.ts";
import { storeContract } from "./store.contract.ts";

storeContract("memory", async () => {
  const store = openMemoryStore();
  return { store, end: () => store.close() };
});
