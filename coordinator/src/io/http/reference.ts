/** The API's own description: as an OpenAPI document for programs, and as a page for people. */
import { z } from "zod";
import manifest from "../../../package.json";
import type { Api } from "./endpoint.ts";
import { REFERENCE_STYLE_HASH, referencePage } from "./reference-page.ts";

const group = "Reference";
const ENDPOINTS = {
  document: {
    method: "get",
    path: "/openapi.json",
    name: "readDocument",
    group,
    summary: "This API as an OpenAPI 3.1 document",
    access: "everybody",
    answer: { status: 200, description: "The document", schema: z.looseObject({ openapi: z.string() }) },
  },
  page: {
    method: "get",
    path: "/docs",
    name: "readReference",
    group,
    summary: "This API as a page",
    access: "everybody",
    answer: { status: 200, description: "The page", schema: z.string(), contentType: "text/html" },
  },
} as const;

export function addReference(api: Api): void {
  // Drawn when it is first asked for: all endpoints are known then.
  let known: { readonly document: string; readonly page: string } | undefined;
  const reference = () => {
    if (known !== undefined) return known;
    const document = api.document(manifest.version);
    known = { document: JSON.stringify(document), page: referencePage(document) };
    return known;
  };
  api.add(
    ENDPOINTS.document,
    () => new Response(reference().document, { headers: { "content-type": "application/json" } }),
  );
  api.add(
    ENDPOINTS.page,
    () =>
      new Response(reference().page, {
        headers: {
          "content-type": "text/html; charset=utf-8",
          "content-security-policy": `default-src 'none'; style-src '${REFERENCE_STYLE_HASH}'; frame-ancestors 'none'`,
        },
      }),
  );
}
