import type { JobDetail } from "../../api/shapes.ts";
import { curlOf } from "../../curl.ts";
import { Code } from "../../parts/json.tsx";

export function Curl({ job }: { readonly job: JobDetail }) {
  const text = curlOf(job);
  if (text === undefined) return <p class="muted">This kind of job has no request over HTTP.</p>;
  return <Code text={text} isJson={false} isCommand label="curl" />;
}
