/** Loaded before every test file: machines are shared, and what takes a moment may take seconds on a busy one. */
import { setDefaultTimeout } from "bun:test";

setDefaultTimeout(30_000);
