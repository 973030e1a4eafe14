import { useState } from "preact/hooks";
import { refresh, told } from "../../actions.ts";
import { ApiError, api } from "../../api/http.ts";
import type { AppSettings } from "../../api/shapes.ts";
import { mayChange } from "../../me.ts";
import { Area, Choice, Field } from "../../parts/fields.tsx";
import { sentenceOf } from "../../parts/notices.tsx";
import { toast } from "../../parts/toasts.tsx";
import { Versions } from "../../parts/versions.tsx";
import { pathOf } from "../../root.ts";
import { SETTINGS, textsOf, valueOf, type Setting, type Texts } from "./texts.ts";

interface FormProps {
  /** As the service has shown them last. */
  readonly app: AppSettings;
  readonly path: string;
}

/** Only what has been changed is sent, and only if nobody else has changed the settings since they were shown. */
export function SettingsForm({ app, path }: FormProps) {
  // What is edited stands on the version that was shown when one began.
  const [base, setBase] = useState(app);
  const [texts, setTexts] = useState<Texts>(() => textsOf(app));
  const [problem, setProblem] = useState<unknown>(undefined);
  const [theirs, setTheirs] = useState<AppSettings | undefined>(undefined);
  const before = textsOf(base);
  const changed = SETTINGS.filter(({ name }) => texts[name] !== before[name]);
  const names = changed.map(({ label }) => label.toLowerCase()).join(", ");
  const begin = (from: AppSettings, mine: Texts = {}) => {
    setBase(from);
    setTexts({ ...textsOf(from), ...mine });
    setTheirs(undefined);
    setProblem(undefined);
  };
  // Nothing is lost when settings that nobody edits here are shown anew.
  if (app.version > base.version && changed.length === 0 && !theirs) begin(app);
  const save = async (event: Event) => {
    event.preventDefault();
    setProblem(undefined);
    try {
      const values = Object.fromEntries(changed.map((each) => [each.name, valueOf(each, texts[each.name] ?? "")]));
      begin(await api<AppSettings>(path, { method: "PATCH", body: { ...values, version: base.version } }));
      toast(`Saved ${names}`);
      await refresh();
    } catch (error) {
      setProblem(error);
      if (error instanceof ApiError && error.status === 409) setTheirs(await told(async () => api<AppSettings>(path)));
    }
  };
  const mine: Texts = Object.fromEntries(changed.map(({ name }) => [name, texts[name] ?? ""]));
  return (
    <form class="form" onSubmit={(event) => void save(event)}>
      {SETTINGS.map((setting) => (
        <Edited
          key={setting.name}
          setting={setting}
          app={app}
          value={texts[setting.name] ?? ""}
          problem={problemsOf(problem, setting)}
          onChange={(text) => setTexts({ ...texts, [setting.name]: text })}
        />
      ))}
      {theirs ? (
        <Versions
          what="settings"
          whoHref={pathOf("/app/audit?object=settings")}
          saved={theirs.version}
          edited={base.version}
          rows={SETTINGS.map(({ name, label }) => ({
            label,
            before: before[name] ?? "",
            theirs: textsOf(theirs)[name] ?? "",
            mine: mine[name],
          }))}
          onKeepMine={() => begin(theirs, mine)}
          onTakeTheirs={() => begin(theirs)}
        />
      ) : (
        problem !== undefined && (
          <p class="problem" role="alert">
            {sentenceOf(problem)}
          </p>
        )
      )}
      {mayChange.value && !theirs && (
        <div class="row">
          <button type="submit" class="button primary" disabled={changed.length === 0}>
            {changed.length === 0 ? "Nothing is changed" : `Save ${names}`}
          </button>
          {changed.length > 0 && (
            <button type="button" class="button" onClick={() => begin(app)}>
              Undo
            </button>
          )}
        </div>
      )}
    </form>
  );
}

function problemsOf(problem: unknown, { name }: Setting): string | undefined {
  const details = problem instanceof ApiError ? problem.details : [];
  const of = details.filter(({ field }) => field === name || field.startsWith(`${name}.`));
  return of.length === 0 ? undefined : of.map(({ message }) => message).join("; ");
}

interface EditedProps {
  readonly setting: Setting;
  readonly app: AppSettings;
  readonly value: string;
  readonly problem: string | undefined;
  readonly onChange: (text: string) => void;
}

function Edited({ setting: { name, label, hint, kind, options }, app, ...field }: EditedProps) {
  const inForce = (app.inForce as Readonly<Record<string, unknown>>)[name];
  const isTighter = inForce !== undefined && inForce !== null && inForce !== app[name];
  const common = {
    id: name,
    label,
    hint:
      [hint, ...(isTighter ? [`The operator's limit holds: ${JSON.stringify(inForce)}.`] : [])].join(" ").trim() ||
      undefined,
    isDisabled: !mayChange.value,
    ...field,
  };
  if (kind === "choice" || kind === "flag") return <Choice {...common} options={options ?? {}} />;
  return kind === "lines" || kind === "json" ? <Area {...common} rows={3} /> : <Field {...common} />;
}
