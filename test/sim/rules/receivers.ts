import type { Judge } from "./rule.ts";

// What receivers are promised: a job comes to them under one `webhook-id`, however often it comes.

/** A request as it goes out. */
export interface Sent {
  readonly path: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

export function createReceiverRules({ holds }: Pick<Judge, "holds">) {
  const ids = new Map<string, string>();
  const jobs = new Map<string, string>();

  function received(appId: string | undefined, jobId: string, { path, body, headers }: Sent, told: () => string): void {
    const id = headers["webhook-id"] ?? "none";
    const as = () => `${told()} comes as ${id}`;
    const isKnown = (known: Map<string, string>, name: string, value: string) => {
      if (!known.has(name)) known.set(name, value);
      return known.get(name) === value;
    };
    holds("a job keeps its webhook-id, and no other has it", isKnown(ids, jobId, id) && isKnown(jobs, id, jobId), as);
    const seen = whatIsSeen(path, body);
    if (seen) holds("what is asked for once comes under one webhook-id", isKnown(ids, `${appId} ${seen}`, id), as);
  }

  return { received };
}

/** By what a receiver, who knows no jobs, sees that two requests are the same. */
function whatIsSeen(path: string, body: string): string | undefined {
  if (path === CALLBACK) return body;
  return POST.test(path) ? path : undefined;
}

/** Where plans have jobs go: the nth post, and what is told of an end. What runs often has other paths. */
const POST = /^\/\d+$/;
const CALLBACK = "/done";
