/** Names that a Python program uses and nobody defines, by Python's own parser. */

const CHECKER = `
import ast, builtins, importlib, sys
tree = ast.parse(sys.stdin.read())
nodes = list(ast.walk(tree))
modules = {a.asname or a.name.split(".")[0]: a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
defined = set(dir(builtins)) | set(modules) | {"__file__"}
for n in nodes:
    if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load): defined.add(n.id)
    if isinstance(n, ast.arg): defined.add(n.arg)
    if isinstance(n, (ast.FunctionDef, ast.ClassDef)): defined.add(n.name)
used = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
for name in sorted(used - defined): print("nobody defines " + name)
for name, full in modules.items():
    try: loaded = importlib.import_module(full)
    except ImportError: print("there is no module " + full); continue
    if name not in used: print("nobody uses " + name)
    if name != full: continue
    for n in nodes:
        if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == name:
            if not hasattr(loaded, n.attr): print(f"{name} has no {n.attr}")
`;

/** What is wrong with a program, one problem a line; a program that does not parse is one problem. */
export function checkPython(path: string, program: string): string[] {
  const run = Bun.spawnSync(["python3", "-c", CHECKER], { stdin: Buffer.from(program), stderr: "pipe" });
  if (run.exitCode !== 0) return [`${path}: ${run.stderr.toString().trim().split("\n").at(-1)}`];
  const lines = run.stdout.toString().trim().split("\n");
  return lines.filter((line) => line !== "").map((line) => `${path}: ${line}`);
}

/** The programs that a shell script gives to `python3 -c`. */
export const embeddedPython = (script: string): string[] =>
  [...script.matchAll(/python3 -c '([^']*)'/g)].map(([, program = ""]) => program);
