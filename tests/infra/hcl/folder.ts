/** A folder of Terraform files as its parser gives it, and what it declares. */

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type Blocks = { readonly [key: string]: Json };

export interface Folder {
  readonly path: string;
  readonly blocks: readonly Blocks[];
  readonly variables: ReadonlyMap<string, Blocks>;
  readonly locals: ReadonlySet<string>;
  readonly outputs: ReadonlySet<string>;
  /** `aws_vpc.this`, `data.aws_ami.debian`. */
  readonly resources: ReadonlySet<string>;
  readonly modules: ReadonlyMap<string, Blocks>;
}

export const at = (blocks: Blocks, key: string): Json | undefined => blocks[key];

/** A block that may be there several times is a list. */
export const bodyOf = (body: Json): Blocks => (Array.isArray(body) ? body[0] : body) as Blocks;
