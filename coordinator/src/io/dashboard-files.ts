/**
 * The dashboard's files, bundled from its sources when they are first asked for. The one-file executable has no
 * sources: its build puts the finished files in this module's place.
 */
import { fileURLToPath } from "node:url";

export interface DashboardFile {
  /** `index.html`, or a name that holds a hash of the content. */
  readonly name: string;
  readonly type: string;
  readonly text: string;
}

const PAGE = "../dashboard/index.html";

/** Throws with the bundler's messages when the sources are wrong. */
export async function dashboardFiles(): Promise<readonly DashboardFile[]> {
  const result = await Bun.build({
    entrypoints: [fileURLToPath(new URL(PAGE, import.meta.url))],
    target: "browser",
    minify: true,
    publicPath: "/assets/",
    naming: { entry: "[name].[ext]", chunk: "[name]-[hash].[ext]", asset: "[name]-[hash].[ext]" },
    define: { "process.env.NODE_ENV": '"production"' },
    throw: false,
  });
  if (!result.success) throw new Error(result.logs.map(String).join("\n"));
  return await Promise.all(
    result.outputs.map(async (output) => ({
      name: output.path.split("/").at(-1) ?? "",
      type: output.type,
      text: await output.text(),
    })),
  );
}
