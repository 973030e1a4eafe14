import type { ComponentChildren } from "preact";
import { useLocation } from "preact-iso/router";
import { useState } from "preact/hooks";
import { ApiError, api } from "../../api/http.ts";
import { quoted } from "../../curl.ts";
import { Code } from "../../parts/json.tsx";
import { sentenceOf } from "../../parts/notices.tsx";
import { API, pathOf } from "../../root.ts";
import type { Made, Request } from "./kinds.ts";
import type { Wrong } from "./schema.ts";

interface SendFormProps {
  readonly title: string;
  readonly send: string;
  readonly made: Made;
  readonly begin: ComponentChildren;
  /** Given what is wrong with which field. */
  readonly children: (wrong: Wrong) => ComponentChildren;
}

/** A form, its checks while one writes, what the service says of it, and the same by curl. */
export function SendForm({ title, send, made, begin, children }: SendFormProps) {
  const { route } = useLocation();
  const [isTried, setTried] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [refused, setRefused] = useState<{ readonly of: string; readonly error: unknown } | undefined>(undefined);
  const { request, wrong } = made;
  const text = JSON.stringify(request);
  // What the service has refused is no longer said once it has been changed.
  const error = refused?.of === text ? refused.error : undefined;
  const shown: Wrong = { ...said(error) };
  // A field is not wrong before anybody has come to it.
  for (const [path, problem] of Object.entries(wrong)) if (isTried || problem !== "is missing") shown[path] = problem;
  const submit = async (event: Event) => {
    event.preventDefault();
    setTried(true);
    if (Object.keys(wrong).length > 0) return;
    setBusy(true);
    try {
      const { method, path, body } = request;
      const { id } = await api<{ readonly id: string }>(path, { method, body });
      route(pathOf(path.startsWith("v1/schedules") ? "/schedules" : `/jobs/${id}`));
    } catch (problem) {
      setRefused({ of: text, error: problem });
    } finally {
      setBusy(false);
    }
  };
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>{title}</h1>
      </div>
      <div class="form-beside">
        <form class="form" noValidate onSubmit={(event) => void submit(event)}>
          {begin}
          {children(shown)}
          {error !== undefined && (
            <p class="problem" role="alert">
              {sentenceOf(error)}
            </p>
          )}
          {isTried && Object.keys(wrong).length > 0 && (
            <p class="problem" role="alert">
              {Object.entries(wrong)
                .map(([path, problem]) => `${path} ${problem}`)
                .join("; ")}
            </p>
          )}
          <div class="row">
            <button type="submit" class="button primary" aria-busy={isBusy} disabled={isBusy}>
              {isBusy ? "Sending…" : send}
            </button>
          </div>
        </form>
        <section class="stack tight beside" aria-label="The same by curl">
          <h2>The same by curl</h2>
          <Code text={curlText(request)} isJson={false} isCommand label="curl" />
        </section>
      </div>
    </div>
  );
}

/** The service's words about fields, by the paths of the form. */
function said(error: unknown): Wrong {
  if (!(error instanceof ApiError)) return {};
  return Object.fromEntries(error.details.map(({ field, message }) => [field.replace(/^(?:job|body)\./, ""), message]));
}

function curlText({ method, path, body }: Request): string {
  return [
    `curl -X ${method} ${quoted(new URL(path, API).href)}`,
    `  -H "Authorization: Bearer $TOKEN"`,
    `  -H 'content-type: application/json'`,
    `  -d ${quoted(JSON.stringify(body, null, 2))}`,
  ].join(" \\\n");
}
