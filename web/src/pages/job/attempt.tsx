import type { ComponentProps } from "preact";
import type { Attempt, JobDetail } from "../../api/shapes.ts";
import { Code } from "../../parts/json.tsx";
import { later } from "../../parts/later.tsx";
import { Safe } from "../../parts/text.tsx";
import { durationText } from "../../time.ts";
import { whatOf } from "../../what.ts";
import { Whole, wholeJob } from "./whole.tsx";

const Curl = later(async () => (await import("./curl.tsx")).Curl);

const TABS = { response: "Response", request: "Request", headers: "Headers", curl: "curl" } as const;

const TASK_WORDS: Partial<Record<Attempt["outcome"], string>> = {
  lost: "Nothing was heard of this attempt.",
  running: "It is running.",
};

/** Shows another attempt, or another tab. */
export type OnShow = (next: { readonly attempt?: number; readonly tab?: string }) => void;

interface Props {
  readonly job: JobDetail;
  readonly attempt: Attempt;
  readonly tab: string;
  readonly onShow: OnShow;
}

/** One attempt: what was sent and what came back. */
export function AttemptOf({ job, attempt, tab, onShow }: Props) {
  const { number, httpStatus, durationMs, error, timings } = attempt;
  // A task sends no request of its own: its result and its log stand by themselves.
  const isTask = job.executionType === "task";
  return (
    <section class="panel" aria-label={`Attempt ${number}`}>
      <header>
        <h2>
          Attempt {number}
          {httpStatus !== null && ` · ${httpStatus}`}
          {durationMs !== null && ` · ${durationText(durationMs)}`}
        </h2>
        {!isTask && (
          <div class="tabs at-end" role="tablist">
            {Object.entries(TABS).map(([each, word]) => (
              <button
                key={each}
                type="button"
                role="tab"
                aria-selected={each === tab}
                onClick={() => onShow({ tab: each })}
              >
                {word}
              </button>
            ))}
          </div>
        )}
      </header>
      <div class="inside stack" {...(!isTask && { role: "tabpanel" })}>
        {error !== null && error !== `HTTP ${httpStatus}` && (
          <p>
            <Safe text={error} />
          </p>
        )}
        {isTask ? (
          error === null && <p class="muted">{TASK_WORDS[attempt.outcome] ?? "What it did stands in its log."}</p>
        ) : (
          <Tab job={job} attempt={attempt} tab={tab} />
        )}
        {timings && <Timings timings={timings} />}
      </div>
    </section>
  );
}

function Tab({ job, attempt, tab }: Omit<Props, "onShow">) {
  switch (tab) {
    case "request":
      return <Request job={job} attempt={attempt} />;
    case "headers":
      return (
        <div class="stack">
          <Headers title="Sent" headers={attempt.request?.headers ?? job.lambdaProxyMessage?.headers ?? {}} />
          <Headers title="Answered" headers={attempt.responseHeaders ?? {}} />
        </div>
      );
    case "curl":
      return <Whole job={job}>{(whole) => <Curl job={whole} />}</Whole>;
    default:
      return <Response attempt={attempt} />;
  }
}

function Request({ job, attempt }: Pick<Props, "job" | "attempt">) {
  const request = job.lambdaProxyMessage;
  return (
    <div class="stack tight">
      <code class="long">
        {attempt.request?.method ?? request?.httpMethod} <Safe text={attempt.request?.url ?? whatOf(job)} />
      </code>
      {request && request.body !== null ? (
        // Of each job another one: it keeps what it has asked for.
        <Code
          key={job.id}
          text={request.body}
          isJson={!request.isBase64Encoded}
          label="Body"
          whole={wholeBodyOf(job)}
        />
      ) : (
        <p class="muted">Without a body.</p>
      )}
    </div>
  );
}

function wholeBodyOf({ id, bodyLength: length }: JobDetail): ComponentProps<typeof Code>["whole"] {
  return length === undefined
    ? undefined
    : { length, ask: async () => (await wholeJob(id)).lambdaProxyMessage?.body ?? "" };
}

function Response({ attempt: { responseExcerpt, outcome } }: Pick<Props, "attempt">) {
  if (responseExcerpt !== null && responseExcerpt !== "") return <Code text={responseExcerpt} label="Response" />;
  const words: Partial<Record<Attempt["outcome"], string>> = {
    lost: "Nothing was heard of this attempt.",
    running: "No answer yet.",
  };
  return <p class="muted">{words[outcome] ?? "The answer had no body, or none is kept."}</p>;
}

function Headers({ title, headers }: { readonly title: string; readonly headers: Readonly<Record<string, string>> }) {
  const all = Object.entries(headers);
  return (
    <div class="stack tight">
      <h3>{title}</h3>
      {all.length === 0 ? (
        <p class="muted">None is kept.</p>
      ) : (
        <dl class="facts mono small">
          {all.map(([name, value]) => (
            <>
              <dt>
                <Safe text={name} />
              </dt>
              <dd>
                <Safe text={value} />
              </dd>
            </>
          ))}
        </dl>
      )}
    </div>
  );
}

const STAGES = { dnsMs: "name", connectMs: "connection", tlsMs: "TLS", answerMs: "answer" } as const;

function Timings({ timings }: { readonly timings: NonNullable<Attempt["timings"]> }) {
  const known = Object.entries(STAGES).flatMap(([name, word]) => {
    const ms = timings[name as keyof typeof STAGES];
    return ms === null ? [] : [`${word} ${Math.round(ms)} ms`];
  });
  return known.length === 0 ? null : <p class="small muted">{known.join(" · ")}</p>;
}
