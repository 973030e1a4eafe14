import { useLocation } from "preact-iso/router";
import { useState } from "preact/hooks";
import { useQuery } from "../api/query.ts";
import type { JobDetail } from "../api/shapes.ts";
import { me, mayChange, ofApp } from "../me.ts";
import { Choice, Field } from "../parts/fields.tsx";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { Fields, type FormOf } from "./new/fields.tsx";
import {
  FIRST,
  KINDS,
  ONCE,
  SCHEDULE_MORE,
  SCHEMAS,
  WHEN,
  formOf,
  jobSchema,
  moreOf,
  requestOf,
  type Form,
  type Kind,
  type When,
} from "./new/kinds.ts";
import { wholeJob } from "./job/whole.tsx";
import { newKey, resendOf, resendSchema, resendTexts } from "./new/resend.ts";
import type { Texts } from "./new/schema.ts";
import { SendForm } from "./new/send-form.tsx";
import { Times } from "./schedules/times.tsx";

// A form for each kind of job, with the curl that does the same beside it. `from` is a job to send again, changed.

export default function New() {
  const { query } = useLocation();
  const from = query["from"];
  if (!mayChange.value) {
    return (
      <div class="empty">
        <h1 tabIndex={-1}>New job</h1>
        <p>Your token may look at this app, and send nothing.</p>
      </div>
    );
  }
  return from === undefined ? <NewJob key={query["type"]} type={query["type"] ?? "url"} /> : <Again id={from} />;
}

/** The kinds by their execution types. */
const BY_TYPE: Readonly<Record<string, Kind>> = {
  "rest-api": "url",
  "lambda-invoke": "function",
  "lambda-url": "functionUrl",
};

/** `type`: a kind or an execution type, `schedule`, or the name of a task. */
function begun(type: string): Form {
  const echo = me.value?.local?.echoUrl ?? "https://";
  const isTask = Object.hasOwn(SCHEMAS.tasks, type);
  const named = Object.hasOwn(BY_TYPE, type) ? BY_TYPE[type] : Object.hasOwn(KINDS, type) ? (type as Kind) : undefined;
  const kind = isTask ? "task" : (named ?? "url");
  return {
    kind,
    when: type === "schedule" ? "schedule" : "once",
    name: "",
    texts: {
      url: echo,
      body: '{ "hello": "world" }',
      task: isTask ? type : "export_report",
      expression: "0 9 * * 1-5",
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    },
  };
}

function NewJob({ type }: { readonly type: string }) {
  const [form, setForm] = useState(() => begun(type));
  const made = requestOf(form);
  const { kind, when, texts } = form;
  const setTexts = (some: Texts) => setForm((now) => ({ ...now, texts: { ...now.texts, ...some } }));
  return (
    <SendForm
      title={kind === "group" ? "New group" : when === "schedule" ? "New schedule" : "New job"}
      send={kind === "group" ? "Make the group" : when === "schedule" ? "Make the schedule" : "Send"}
      made={{ ...made, request: { ...made.request, body: { ...made.request.body, ...(when === "once" && ofApp()) } } }}
      begin={
        <>
          <div class="pair">
            <Choice
              id="kind"
              label="What"
              value={kind}
              options={KINDS}
              onChange={(next) => setForm({ ...form, kind: next as Kind, ...(next === "group" && { when: "once" }) })}
            />
            {kind !== "group" && (
              <Choice
                id="when"
                label="When"
                value={when}
                options={WHEN}
                onChange={(next) => setForm({ ...form, when: next as When })}
              />
            )}
          </div>
          <Examples form={form} onTake={setForm} />
        </>
      }
    >
      {(shown) => (
        <>
          {when === "schedule" && kind !== "group" && (
            <>
              <Field
                id="name"
                label="Key"
                hint="The schedule's name"
                value={form.name}
                problem={shown["name"]}
                onChange={(name) => setForm({ ...form, name })}
              />
              <Times expression={texts["expression"] ?? ""} timezone={texts["timezone"] ?? ""} onChange={setTexts} />
            </>
          )}
          <KindFields form={form} texts={texts} wrong={shown} set={(path, text) => setTexts({ [path]: text })} />
        </>
      )}
    </SendForm>
  );
}

function KindFields({ form: { kind, when }, ...fields }: FormOf & { readonly form: Form }) {
  if (kind === "group") {
    const names = Object.keys(SCHEMAS.group.properties ?? {}).filter((name) => name !== "appId");
    return <Fields schema={SCHEMAS.group} names={names} {...fields} />;
  }
  const task = fields.texts["task"] ?? "";
  const schema = jobSchema(kind, when, task);
  const first = FIRST[kind].filter((name) => name !== "task" && (name !== "body" || hasBody(fields.texts)));
  return (
    <>
      {kind === "task" && (
        <Choice
          id="task"
          label="Task"
          value={task}
          options={Object.fromEntries(Object.keys(SCHEMAS.tasks).map((each) => [each, each]))}
          hint={SCHEMAS.tasks[task]?.description}
          onChange={(next) => fields.set("task", next)}
        />
      )}
      {kind === "task" && <Fields schema={schema.properties?.["payload"] ?? {}} path="payload" {...fields} />}
      <Fields schema={schema} names={[...first, ...(when === "once" ? ONCE : [])]} {...fields} />
      <details class="inset">
        <summary>More: labels, retries, what follows{when === "schedule" && ", overlapping and missed runs"}</summary>
        <div class="form">
          {when === "schedule" && <Fields schema={SCHEMAS.schedule} names={SCHEDULE_MORE} {...fields} />}
          <Fields schema={schema} names={moreOf(kind, when)} {...fields} />
        </div>
      </details>
    </>
  );
}

const hasBody = (texts: Texts) => !/^(?:GET|HEAD)$/.test(texts["method"] ?? "");

function Examples({ form, onTake }: { readonly form: Form; readonly onTake: (form: Form) => void }) {
  const { job, schedule, group, tasks } = SCHEMAS.examples;
  const echo = me.value?.local?.echoUrl;
  const isOf = (example: object) => form.kind in example;
  const all =
    form.kind === "group"
      ? group
      : form.kind === "task" && form.when === "once"
        ? Object.fromEntries(Object.entries(tasks).map(([task, payload]) => [task, { task, payload }]))
        : form.when === "schedule"
          ? schedule
          : Object.fromEntries(Object.entries(job).filter(([, example]) => isOf(example)));
  const names = Object.keys(all);
  if (names.length === 0) return null;
  const take = (name: string) => {
    // On a local stack, what an example calls answers.
    const text = JSON.stringify(all[name] ?? {});
    const example = JSON.parse(echo === undefined ? text : text.replaceAll("https://example.com", echo)) as object;
    onTake(formOf(example as Readonly<Record<string, unknown>>, form));
  };
  return (
    <p class="row wide small">
      <span class="muted">Examples:</span>
      {names.map((name) => (
        <button key={name} type="button" class="button small plain link" onClick={() => take(name)}>
          {name}
        </button>
      ))}
    </p>
  );
}

function Again({ id }: { readonly id: string }) {
  const asked = useQuery({
    key: ["whole job", id],
    ask: async (signal) => wholeJob(id, signal),
  });
  if (asked.isPending) return <Skeleton title="Edit and send again" />;
  return asked.data ? <AgainForm job={asked.data} /> : <Refreshing query={asked} />;
}

function AgainForm({ job }: { readonly job: JobDetail }) {
  const schema = resendSchema(job);
  const [texts, setTexts] = useState<Texts>(() => ({ ...resendTexts(job, schema), key: newKey(job) }));
  const { payload, ...others } = schema.properties ?? {};
  const set = (path: string, text: string) => setTexts((now) => ({ ...now, [path]: text }));
  return (
    <SendForm
      title="Edit and send again"
      send="Send the copy"
      made={resendOf(job, schema, texts)}
      begin={
        <p class="muted">
          A new job; the old one stays as it is. What is shown as *** stays on the server, and goes along to the same
          place alone.
        </p>
      }
    >
      {(wrong) => (
        <>
          {payload && <Fields schema={{ properties: { payload } }} texts={texts} wrong={wrong} set={set} />}
          <Fields schema={schema} names={Object.keys(others)} texts={texts} wrong={wrong} set={set} />
        </>
      )}
    </SendForm>
  );
}
