import type { Judge } from "./rule.ts";

// The promise to receivers: a job comes under one `webhook-id`, however often it comes.

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

/** The key by which a receiver, who knows no jobs, sees that two requests are the same. */
function whatIsSeen(path: string, body: string): string | undefined {
  if (path === CALLBACK) return body;
  return POST.test(path) ? path : undefined;
}

/** The paths of plans: of the nth post, and of a callback. Recurring schedules have other paths. */
const POST = /^\/\d+$/;
const CALLBACK = "/done";
