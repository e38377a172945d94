/** The OpenAPI document as one page of HTML: no script, nothing from elsewhere. Wide schemas fold. */
import { createHash } from "node:crypto";
import type { JsonObject, JsonValue } from "@burrow/protocol";
import { html, raw } from "hono/html";
import type { HtmlEscapedString } from "hono/utils/html";

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --get: #1a7f4b; --post: #1f6feb; --delete: #c0362c; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem 1.25rem 4rem; max-width: 58rem; font: 1rem/1.5 system-ui, sans-serif; }
code, pre { font: .875em/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
h1 { margin: .5rem 0; } h2 { margin: 2.5rem 0 .5rem; } h3 { margin: 0; font-size: 1rem; font-weight: 600; }
nav ul { list-style: none; padding: 0; columns: 18rem; } nav a { text-decoration: none; }
article { border: 1px solid var(--line); border-radius: .5rem; margin: 1rem 0; padding: .75rem 1rem; }
article > header { display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: baseline; }
b.get { color: var(--get); } b.post { color: var(--post); } b.delete { color: var(--delete); }
b { font: 700 .8rem ui-monospace, monospace; } .who { margin-left: auto; font-size: .85rem; opacity: .75; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; } .wide { overflow-x: auto; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-top: 1px solid var(--line); }
thead th { border: 0; opacity: .75; font-weight: 600; }
details { margin-top: .5rem; } summary { cursor: pointer; } pre { background: var(--soft); padding: .75rem; overflow-x: auto; }
@media (prefers-color-scheme: dark) { :root { --get: #56d68f; --post: #79b8ff; --delete: #ff8f86; } }
`;
/** For the page's content security policy: this style and no other. */
export const REFERENCE_STYLE_HASH = `sha256-${createHash("sha256").update(STYLE).digest("base64")}`;

type Html = HtmlEscapedString | Promise<HtmlEscapedString>;

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly id: string;
  readonly group: string;
  readonly summary: string;
  readonly description: string;
  readonly who: string;
  readonly parameters: readonly JsonValue[];
  readonly body: JsonValue | undefined;
  readonly responses: JsonObject;
}

export function referencePage(document: JsonObject): string {
  const { info, components } = document;
  const { title, description, version } = objectOf(info);
  const operations = operationsOf(document);
  const groups = [...Map.groupBy(operations, ({ group }) => group)];
  const { schemas } = objectOf(components);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${textOf(title)}: HTTP API</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<header>
<h1>${textOf(title)}</h1>
<p>${textOf(description)}</p>
<p>Version ${textOf(version)}; for programs: <a href="/openapi.json">openapi.json</a></p>
</header>
<nav aria-label="Paths"><ul>${operations.map(
    ({ method, path, id }) =>
      html`<li><a href="#${id}"><b class="${method}">${method.toUpperCase()}</b> <code>${path}</code></a></li>`,
  )}</ul></nav>
<main>
${groups.map(
  ([group, members]) =>
    html`<section aria-label="${group}"><h2>${group}</h2>${members.map(operationCard)}</section>`,
)}
<section aria-label="Schemas"><h2>Schemas</h2>
${Object.entries(objectOf(schemas)).map(([name, schema]) => schemaCard(name, objectOf(schema)))}
</section>
</main>
</body>
</html>
`;
  return String(page);
}

function operationsOf({ paths }: JsonObject): Operation[] {
  return Object.entries(objectOf(paths)).flatMap(([path, methods]) =>
    Object.entries(objectOf(methods)).map(([method, of]) => {
      const { operationId, tags, summary, description, security, parameters, requestBody, responses } =
        objectOf(of);
      return {
        method,
        path,
        id: textOf(operationId),
        group: textOf(listOf(tags)[0]),
        summary: textOf(summary),
        description: textOf(description),
        who: whoMay(listOf(security)),
        parameters: listOf(parameters),
        body: requestBody,
        responses: objectOf(responses),
      };
    }),
  );
}

function operationCard(of: Operation): Html {
  return html`<article id="${of.id}">
<header><b class="${of.method}">${of.method.toUpperCase()}</b> <code>${of.path}</code> <span class="who">${of.who}</span></header>
<h3>${of.summary}</h3>
${of.description === "" ? "" : html`<p>${prose(of.description)}</p>`}
${of.parameters.length === 0 ? "" : parameterTable(of.parameters)}
${bodyLine(of.body)}
<div class="wide"><table><thead><tr><th>Status</th><th>means</th><th>body</th></tr></thead>
<tbody>${Object.entries(of.responses).map(([status, answer]) => answerRow(status, objectOf(answer)))}</tbody></table></div>
</article>`;
}

function parameterTable(parameters: readonly JsonValue[]): Html {
  return html`<div class="wide"><table><thead><tr><th>Parameter</th><th>in</th><th>what</th></tr></thead>
<tbody>${parameters.map(objectOf).map(
    ({ name, in: where, description, schema }) => html`<tr><td><code>${textOf(name)}</code></td>
<td>${textOf(where)}</td><td>${textOf(description)} ${schemaLine(schema)}</td></tr>`,
  )}</tbody></table></div>`;
}

function answerRow(status: string, { description, content }: JsonObject): Html {
  return html`<tr><td><code>${status}</code></td><td>${prose(textOf(description))}</td><td>${contentLine(content)}</td></tr>`;
}

function whoMay(ways: readonly JsonValue[]): string {
  if (ways.length === 0) return "everybody";
  return ways.some((way) => Object.keys(objectOf(way)).length === 0) ? "more for operators" : "operators";
}

function bodyLine(body: JsonValue | undefined): Html | "" {
  const { content } = objectOf(body);
  return content === undefined ? "" : html`<p>Body: ${contentLine(content)}</p>`;
}

function contentLine(content: JsonValue | undefined): Html[] {
  return Object.entries(objectOf(content)).map(([type, of]) => {
    const { schema } = objectOf(of);
    return html`<code>${type}</code> ${schemaLine(schema)}`;
  });
}

/** A link where the schema has a name; small ones in place; the rest folded. */
function schemaLine(schema: JsonValue | undefined): Html | "" {
  const of = objectOf(schema);
  const { type, items } = of;
  const name = referenceOf(of) ?? referenceOf(objectOf(items));
  if (name !== undefined) {
    return html`<a href="#schema-${name}">${name}</a>${type === "array" ? " each" : ""}`;
  }
  const text = JSON.stringify(of);
  if (text.length <= 100) return html`<code>${text}</code>`;
  return html`<details><summary>schema</summary><pre>${JSON.stringify(of, null, 2)}</pre></details>`;
}

function schemaCard(name: string, schema: JsonObject): Html {
  const { description } = schema;
  return html`<details id="schema-${name}"><summary><code>${name}</code> ${textOf(description)}</summary>
<pre>${JSON.stringify(schema, null, 2)}</pre></details>`;
}

/** What stands between backticks is code. */
function prose(text: string): (Html | string)[] {
  return text.split("`").map((part, n) => (n % 2 === 1 ? html`<code>${part}</code>` : part));
}

function referenceOf({ $ref }: JsonObject): string | undefined {
  return typeof $ref === "string" ? $ref.split("/").at(-1) : undefined;
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}
