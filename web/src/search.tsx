import { useLocation } from "preact-iso/router";
import { useEffect, useState } from "preact/hooks";
import { isId, suggestions, taken } from "./filter.ts";
import { Combobox } from "./parts/combobox.tsx";
import { pathOf } from "./root.ts";

/** The search of jobs, on every page. */
export function Search() {
  const { query, path, route } = useLocation();
  const shown = path === pathOf("/jobs") ? (query["q"] ?? "") : "";
  const [text, setText] = useState(shown);
  useEffect(() => setText(shown), [shown]);
  const submit = (asked: string) => {
    const q = asked.trim();
    if (isId(q)) route(pathOf(`/jobs/${q.toLowerCase()}`));
    else route(pathOf(`/jobs${q === "" ? "" : `?q=${encodeURIComponent(q)}`}`));
  };
  return (
    <Combobox
      id="search"
      label="Search jobs"
      placeholder="Search jobs: status:dead host:… or an id   ( / )"
      value={text}
      onInput={setText}
      onSubmit={submit}
      suggest={suggestions}
      take={(all, { value }) => taken(all, value)}
    />
  );
}
