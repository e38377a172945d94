/** Asks the coordinator. Answers are of the shapes that its schemas describe; errors carry its words and its remedy. */

export class ApiError extends Error {
  readonly status: number;
  readonly remedy: string;

  constructor(status: number, message: string, remedy: string) {
    super(message);
    this.status = status;
    this.remedy = remedy;
  }
}

export async function ask<Answer>(path: string, init: RequestInit = {}): Promise<Answer> {
  return (await (await send(path, init)).json()) as Answer;
}

export function post<Answer>(path: string, body: unknown): Promise<Answer> {
  return ask(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** A list of any length, page after page. */
export async function askAll<Item>(path: string): Promise<Item[]> {
  const items: Item[] = [];
  for (let next: string | undefined = path; next !== undefined; ) {
    const response: Response = await send(next, {});
    items.push(...((await response.json()) as Item[]));
    next = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
  }
  return items;
}

async function send(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, cache: "no-store" });
  } catch {
    throw new ApiError(0, "The coordinator does not answer.", "Is it running, and is there a way to it?");
  }
  if (response.ok) return response;
  const problem = (await response.json().catch(() => ({}))) as { message?: string; remedy?: string };
  throw new ApiError(
    response.status,
    problem.message ?? `The coordinator answered with status ${response.status}.`,
    problem.remedy ?? "Try again.",
  );
}
