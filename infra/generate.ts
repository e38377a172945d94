/**
 * `bun infra/generate.ts FILE.json…`: writes main.tf beside each file, with a provider and a module block for every
 * region in it. Terraform 1.11 can make neither with for_each. What varies at run time stays a variable.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { mainFile } from "./generate/hcl.ts";
import { parseRegions, RegionsError } from "./generate/regions.ts";

const MODULES = fileURLToPath(new URL("modules", import.meta.url));

/** The text of main.tf for a regions file, whose folder decides how the modules are reached. */
export function generate(path: string): string {
  const regions = parseRegions(
    readFileSync(path, "utf8"),
    readFileSync(join(MODULES, "relay/places.json"), "utf8"),
  );
  const modules = relative(dirname(resolve(path)), MODULES);
  return mainFile(regions, modules.startsWith(".") ? modules : `./${modules}`);
}

if (import.meta.main) {
  const files = process.argv.slice(2);
  if (files.length === 0) {
    console.error(
      "error: no file was given\n  try: bun infra/generate.ts infra/examples/twelve-regions/regions.json",
    );
    process.exit(2);
  }
  for (const file of files) {
    try {
      const target = join(dirname(file), "main.tf");
      writeFileSync(target, generate(file));
      console.log(target);
    } catch (error) {
      const isFiles = typeof (error as NodeJS.ErrnoException).syscall === "string";
      if (!(error instanceof RegionsError) && !isFiles) throw error;
      console.error(`error: ${file}: ${(error as Error).message}`);
      process.exit(1);
    }
  }
}
