/** What may come next on a command line: read off the tree of commands, so that it is never behind it. */
import type { Command, Option } from "commander";

export interface Candidate {
  readonly value: string;
  readonly description: string;
}

/** Names of those that a command's argument may name, by what the argument is called. */
export type NamesOf = (argument: string) => Promise<readonly Candidate[]>;

/** Values of flags that commander does not know: their parsers do. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  "--device": ["tun:", "wireguard:", "none"],
  "--log-level": ["trace", "debug", "info", "warning", "error", "fatal"],
};

/** `words`: what is typed behind `burrow`; the last is being typed. Nothing found: the shell offers files. */
export async function complete(
  program: Command,
  words: readonly string[],
  namesOf: NamesOf,
): Promise<readonly Candidate[]> {
  const current = words.at(-1) ?? "";
  const { command, flag, given } = walk(program, words.slice(0, -1));
  const all = flag === undefined ? await nextOf(command, given, current, namesOf) : valuesOf(flag);
  return all.filter(({ value }) => value.startsWith(current));
}

interface Place {
  readonly command: Command;
  /** A flag that waits for its value. */
  readonly flag: Option | undefined;
  /** Arguments of the command so far. */
  readonly given: number;
}

function walk(program: Command, words: readonly string[]): Place {
  let command = program;
  let flag: Option | undefined;
  let given = 0;
  for (const word of words) {
    if (flag !== undefined) flag = undefined;
    else if (word.startsWith("-")) {
      const known = command.options.find(({ long, short }) => long === word || short === word);
      flag = known?.required === true ? known : undefined;
    } else {
      const child = given > 0 ? undefined : command.commands.find((one) => one.name() === word);
      if (child === undefined) given++;
      else command = child;
    }
  }
  return { command, flag, given };
}

function valuesOf(flag: Option): Candidate[] {
  const values = flag.argChoices ?? VALUES[flag.long ?? ""] ?? [];
  return values.map((value) => ({ value, description: "" }));
}

async function nextOf(
  command: Command,
  given: number,
  current: string,
  namesOf: NamesOf,
): Promise<readonly Candidate[]> {
  const help = command.createHelp();
  if (current.startsWith("-")) {
    return help
      .visibleOptions(command)
      .map(({ long, short, description }) => ({ value: long ?? short ?? "", description }));
  }
  const argument = command.registeredArguments[given]?.name();
  const names = argument === undefined ? [] : await namesOf(argument);
  const children = given > 0 ? [] : help.visibleCommands(command);
  return [...names, ...children.map((child) => ({ value: child.name(), description: child.description() }))];
}

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** A candidate as the shell's script reads it: a line. */
export function candidateLine({ value, description }: Candidate, shell: Shell): string {
  const short = description.replace(/\s+/g, " ");
  if (shell === "bash") return value;
  if (shell === "fish") return short === "" ? value : `${value}\t${short}`;
  const escaped = value.replaceAll(":", "\\:");
  return short === "" ? escaped : `${escaped}:${short}`;
}

/** The command that the scripts below ask; whoever types it gets its answer. */
export const COMPLETE_COMMAND = "__complete";

export const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# burrow completion for bash: source <(burrow completion bash)
_burrow() {
  local IFS=$'\\n'
  COMPREPLY=($(burrow ${COMPLETE_COMMAND} bash "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *: ]] && compopt -o nospace
  return 0
}
complete -o default -F _burrow burrow
`,
  zsh: `#compdef burrow
# burrow completion for zsh: source <(burrow completion zsh), or as _burrow in a directory of $fpath
_burrow() {
  local -a candidates
  candidates=("\${(@f)$(burrow ${COMPLETE_COMMAND} zsh "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "\${candidates[1]}" ]]; then _describe -V burrow candidates; else _files; fi
}
compdef _burrow burrow
`,
  fish: `# burrow completion for fish: burrow completion fish | source
function __burrow_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l found (burrow ${COMPLETE_COMMAND} fish $words[2..-1] 2>/dev/null)
  if test (count $found) -gt 0
    printf '%s\\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c burrow -f -k -a '(__burrow_complete)'
`,
};
