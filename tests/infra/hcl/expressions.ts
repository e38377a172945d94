/** The names that an HCL expression uses, found in its text: enough to see which of them nobody declared. */

export interface Names {
  /** `var.NAME`, `local.NAME`, `each.NAME` and so on: [root, first attribute, second attribute]. */
  readonly references: readonly (readonly [string, string | undefined, string | undefined])[];
  readonly functions: readonly string[];
}

/** Words of the language that stand where a name could. */
const KEYWORDS = new Set([
  ...["true", "false", "null", "for", "in", "if", "else", "endif", "endfor"],
  // Types, which stand in `type = …`.
  ...["string", "number", "bool", "any"],
]);

/** Names that are used in expressions and neither functions, keys, keywords nor declared by a `for` in the same text. */
export function namesIn(expression: string): Names {
  const text = withoutStringTexts(expression).replace(/(?:#|\/\/).*$/gm, "");
  const own = new Set(
    [...text.matchAll(/\bfor\s+(\w+)(?:\s*,\s*(\w+))?\s+in\b/g)].flatMap((m) => m.slice(1)),
  );
  const references: (readonly [string, string | undefined, string | undefined])[] = [];
  const functions: string[] = [];
  const name = /(?<![\w.-])([A-Za-z_][\w-]*)((?:\.[A-Za-z_*][\w-]*|\[[^\][]*\])*)/g;
  for (const match of text.matchAll(name)) {
    const [whole, root = "", rest = ""] = match;
    const after = text.slice(match.index + whole.length);
    if (/^\s*\(/.test(after) && !KEYWORDS.has(root)) functions.push(root);
    if (
      /^\s*\(/.test(after) ||
      (rest === "" && /^\s*(?:=(?!=|>)|:(?!:))/.test(after) && isKey(text, match.index))
    )
      continue;
    if (KEYWORDS.has(root) || own.has(root)) continue;
    const attributes = rest
      .replace(/\[[^\][]*\]/g, "")
      .split(".")
      .filter((part) => part !== "");
    references.push([root, attributes[0], attributes[1]]);
    // What is inside index brackets is an expression too.
    for (const [, inner = ""] of rest.matchAll(/\[([^\][]*)\]/g))
      references.push(...namesIn(inner).references);
  }
  return { references, functions };
}

/** A name before `=` or `:` is a key when what precedes it opens an object or ends an entry; not so in `a ? b : c`. */
function isKey(text: string, at: number): boolean {
  return /(?:^|[{,\n])\s*$/.test(text.slice(0, at));
}

/** Blanks out the literal parts of strings; what is interpolated in them stays. */
function withoutStringTexts(text: string): string {
  let out = "";
  // Each level is either code or the inside of a string; braces are counted in code only.
  const levels: { kind: "code" | "string"; depth: number }[] = [{ kind: "code", depth: 0 }];
  for (let i = 0; i < text.length; i++) {
    const level = levels[levels.length - 1];
    const char = text[i] ?? "";
    if (level === undefined) break;
    if (level.kind === "string") {
      if (char === "\\") i++;
      else if (char === '"') levels.pop();
      else if ((char === "$" || char === "%") && text[i + 1] === "{" && text[i - 1] !== char) {
        levels.push({ kind: "code", depth: 1 });
        out += " ( ";
        i++;
        continue;
      }
      out += char === "\n" ? "\n" : " ";
      continue;
    }
    if (char === '"') {
      levels.push({ kind: "string", depth: 0 });
      // Something that is no name and no key stands for the string.
      out += "0";
      continue;
    }
    if (char === "{") level.depth++;
    if (char === "}" && --level.depth === 0 && levels.length > 1) {
      levels.pop();
      out += " ) ";
      continue;
    }
    out += char;
  }
  return out;
}

/** The texts between `${` or `%{` and their closing braces, the outermost ones. */
export function interpolations(text: string): string[] {
  const found: string[] = [];
  const opening = /(?<![$%])[$%]\{~?/g;
  for (let match = opening.exec(text); match !== null; match = opening.exec(text)) {
    const from = match.index + match[0].length;
    let depth = 1;
    let i = from;
    // Braces in strings come in pairs, since they are interpolations again.
    for (; i < text.length && depth > 0; i++) {
      if (text[i] === "{") depth++;
      else if (text[i] === "}") depth--;
    }
    found.push(text.slice(from, i - 1).replace(/~$/, ""));
    opening.lastIndex = i;
  }
  return found;
}

/** The keys of the object with which `templatefile("…/FILE", {…})` is called: [path, keys]. */
export function templateCalls(expression: string): (readonly [string, readonly string[]])[] {
  return [...expression.matchAll(/templatefile\(\s*"\$\{path\.module\}\/([^"]+)",\s*\{/g)].map((match) => {
    const path = match[1] ?? "";
    const keys: string[] = [];
    let depth = 1;
    let key = "";
    for (let i = match.index + match[0].length; i < expression.length && depth > 0; i++) {
      const char = expression[i] ?? "";
      if (char === "{" || char === "(" || char === "[") depth++;
      else if (char === "}" || char === ")" || char === "]") depth--;
      if (depth !== 1) continue;
      if (char === "," || char === "\n") key = "";
      else if (char === "=" && /^\s*\w+\s*$/.test(key)) keys.push(key.trim());
      else key += char;
    }
    return [path, keys] as const;
  });
}
