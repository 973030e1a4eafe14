import { api } from "../../api/http.ts";
import { useQuery } from "../../api/query.ts";
import type { Answer } from "../../api/shapes.ts";
import { Field } from "../../parts/fields.tsx";
import { sentenceOf } from "../../parts/notices.tsx";
import { Ago } from "../../parts/time.tsx";
import { inWords } from "./words.ts";

interface TimesProps {
  readonly expression: string;
  readonly timezone: string;
  readonly onChange: (some: { readonly expression?: string; readonly timezone?: string }) => void;
}

/** An expression and its zone, with the words and the runs that the service makes of them. */
export function Times({ expression, timezone, onChange }: TimesProps) {
  const preview = useQuery({
    key: ["preview", expression, timezone],
    ask: async (signal) =>
      api<Answer<"previewSchedule">>("v1/schedules/preview", {
        method: "POST",
        body: { expression, timezone },
        signal,
      }),
    keeps: true,
  });
  const { data, error } = preview;
  return (
    <>
      <Field
        id="expression"
        label="Times"
        hint="0 9 * * 1-5, cron(0 9 ? * MON-FRI *), rate(5 minutes) or @daily"
        value={expression}
        problem={error ? sentenceOf(error) : undefined}
        onChange={(text) => onChange({ expression: text })}
      />
      <Field
        id="timezone"
        label="Time zone"
        value={timezone}
        options={Intl.supportedValuesOf("timeZone")}
        onChange={(text) => onChange({ timezone: text })}
      />
      {data && !error && (
        <p class="small">
          {inWords(data.expression)} <span class="muted">Next: </span>
          {data.nextRuns.length === 0
            ? "none"
            : data.nextRuns.map((at, n) => (
                <>
                  {n > 0 && ", "}
                  <Ago at={at} />
                </>
              ))}
        </p>
      )}
    </>
  );
}
