/** The commands of a document: its fenced blocks of `sh`, each under its heading. */

export interface Block {
  readonly heading: string;
  readonly line: number;
  readonly script: string;
  /** Needs a machine of its own: not run here. */
  readonly isElsewhere: boolean;
}

export function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let heading = "";
  let open: { readonly info: string; readonly line: number; readonly lines: string[] } | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    if (open !== undefined) {
      if (line !== "```") {
        open.lines.push(line);
        continue;
      }
      const [language, mark] = open.info.split(" ");
      if (language === "sh") {
        const script = `${open.lines.join("\n")}\n`;
        blocks.push({ heading, line: open.line, script, isElsewhere: mark === "elsewhere" });
      }
      open = undefined;
    } else if (line.startsWith("```")) open = { info: line.slice(3), line: index + 1, lines: [] };
    else heading = /^#+ (.*)$/.exec(line)?.[1] ?? heading;
  }
  return blocks;
}
