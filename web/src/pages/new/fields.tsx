import { Area, Choice, Field } from "../../parts/fields.tsx";
import { choicesOf, kindOf, labelOf, pathTo, type Schema, type Texts, type Wrong } from "./schema.ts";

// The fields of a form, as its schema has them.

export interface FormOf {
  readonly texts: Texts;
  readonly wrong: Wrong;
  readonly set: (path: string, text: string) => void;
}

interface FieldsProps extends FormOf {
  readonly schema: Schema;
  readonly names?: readonly string[];
  readonly path?: string;
}

export function Fields({ schema, names, path = "", ...form }: FieldsProps) {
  const { properties = {}, required = [] } = schema;
  const shown = names ?? Object.keys(properties);
  return (
    <>
      {shown.map((name) => {
        const of = properties[name];
        return (
          of && (
            <OneField
              key={name}
              name={name}
              schema={of}
              path={pathTo(path, name)}
              isRequired={required.includes(name)}
              {...form}
            />
          )
        );
      })}
    </>
  );
}

interface OneProps extends FormOf {
  readonly name: string;
  readonly schema: Schema;
  readonly path: string;
  readonly isRequired: boolean;
}

const LABELS: Readonly<Record<string, string>> = {
  url: "URL",
  functionUrl: "URL of the function",
  html: "HTML",
  csv: "CSV",
  bom: "Byte order mark",
  key: "Idempotency key",
  onComplete: "When it has ended, post it to",
  onSuccess: "Job after a success",
  onFailure: "Job after a failure",
};
const HINTS: Readonly<Record<string, string>> = {
  headers: "One a line: name: value",
  body: "JSON, or any text",
  onComplete: "An address, or JSON with url, headers, on",
  onSuccess: "JSON, as this form makes it",
  onFailure: "JSON, as this form makes it",
  key: "The same key is the same job. Empty: none",
};

/** Texts of many lines, though no schema says so. */
const DOCUMENTS: ReadonlySet<string> = new Set(["html", "markdown"]);

const LONG: ReadonlySet<string> = new Set(["body", "payload", ...DOCUMENTS]);

function OneField({ name, schema, path, isRequired, texts, wrong, set }: OneProps) {
  const kind = DOCUMENTS.has(name) ? "area" : kindOf(schema);
  const fallback = defaultOf(schema);
  const common = {
    id: path,
    label: LABELS[name] ?? labelOf(name),
    hint: hintOf(name, schema),
    problem: wrong[path],
    value: texts[path] ?? "",
    onChange: (text: string) => set(path, text),
  };
  switch (kind) {
    case "object":
      return (
        <fieldset class="inset">
          <legend>{common.label}</legend>
          {schema.description !== undefined && <p class="hint muted small">{schema.description}</p>}
          <Fields schema={schema} path={path} texts={texts} wrong={wrong} set={set} />
        </fieldset>
      );
    case "choice": {
      const choices = Object.fromEntries((choicesOf(schema) ?? []).map((each) => [each, shownChoice(each)]));
      const none = isRequired
        ? common.value === "" && { "": "–" }
        : { "": fallback === undefined ? "–" : `${shownChoice(wordOf(fallback))} (default)` };
      return <Choice {...common} options={{ ...none, ...choices }} />;
    }
    case "flag": {
      const options = { "": `${String(fallback) === "true" ? "yes" : "no"} (default)`, true: "yes", false: "no" };
      return <Choice {...common} options={options} />;
    }
    case "lines":
      return <Area {...common} rows={3} hint={["One a line", common.hint].filter(Boolean).join(". ")} />;
    case "pairs":
      return <Area {...common} rows={2} />;
    case "area":
    case "free":
      return <Area {...common} rows={LONG.has(name) ? 6 : 3} />;
    case "number":
    case "text":
    default:
      return <Field {...common} />;
  }
}

/** Where a schema has none, its description may tell. */
function defaultOf({ default: fallback, description }: Schema): unknown {
  return fallback ?? /(?:^|\. )Default: (\w+)\./.exec(description ?? "")?.[1];
}

function hintOf(name: string, { description, default: fallback }: Schema): string | undefined {
  const own = HINTS[name];
  if (own !== undefined) return own;
  const isTold = fallback !== undefined && typeof fallback !== "object" && !/default/i.test(description ?? "");
  const parts = [
    /^Default: \w+\.$/.test(description ?? "") ? undefined : description,
    ...(isTold ? [`Default: ${wordOf(fallback)}`] : []),
  ].filter((each) => each !== undefined);
  return parts.length === 0 ? undefined : parts.join(" ");
}

function wordOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function shownChoice(value: string): string {
  return value === "\t" ? "tab" : value;
}
