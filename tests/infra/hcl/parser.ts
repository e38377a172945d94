/**
 * Terraform's own HCL parser, compiled to WebAssembly (`@cdktf/hcl2json`). Loaded without its types: they bring the
 * browser's with them, which then hide Bun's in the whole project.
 */
import { createRequire } from "node:module";

interface HclParser {
  /** The file's blocks as JSON. Rejects with the parser's message, line and all, when it is not HCL. */
  parse(filename: string, contents: string): Promise<Record<string, unknown>>;
}

const parser = createRequire(import.meta.url)("@cdktf/hcl2json") as HclParser;

export const parse = parser.parse;
