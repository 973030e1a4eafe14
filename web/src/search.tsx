import { useLocation } from "preact-iso/router";
import { useEffect, useState } from "preact/hooks";
import { client } from "./api/query.ts";
import type { Answer, Counts } from "./api/shapes.ts";
import { hostOf } from "./destinations.ts";
import { onArrival } from "./heading.ts";
import { isId, searchOf, suggestions, taken } from "./filter.ts";
import { appId, mayOperate, me } from "./me.ts";
import { Combobox, type Option } from "./parts/combobox.tsx";
import { LOCAL, MAIN, OF_APP, OF_OPERATORS } from "./places.ts";
import { pathOf } from "./root.ts";

/** The search of jobs, on every page. It also leads to the pages by their names. */
export function Search() {
  const { query, path, route } = useLocation();
  const shown = path === pathOf("/jobs") ? (query["q"] ?? "") : "";
  const [text, setText] = useState(shown);
  useEffect(() => setText(shown), [shown]);
  const submit = (asked: string) => {
    const q = asked.trim();
    route(pathOf(isId(q) ? `/jobs/${q.toLowerCase()}` : searchOf(q)));
    // The keys of the list are at hand at once.
    if (q !== "") onArrival();
  };
  const suggest = (of: string): readonly Option[] => [
    ...placesFor(of).map(({ page, word }) => ({
      value: word,
      hint: "page",
      act: () => {
        setText(shown);
        route(pathOf(page));
      },
    })),
    ...suggestions(of, known),
  ];
  return (
    <Combobox
      id="search"
      label="Search jobs"
      placeholder="Search jobs: status:dead host:… or an id   ( / )"
      value={text}
      onInput={setText}
      onSubmit={submit}
      suggest={suggest}
      begin={(all) => (all === "" || all.endsWith(" ") ? all : `${all} `)}
      take={(all, { value }) => taken(all, value)}
    />
  );
}

const LEAST_LETTERS = 2;

function placesFor(text: string) {
  const begun = text.trim().toLowerCase();
  if (begun.length < LEAST_LETTERS) return [];
  const all = [
    ...MAIN,
    ...OF_APP,
    ...(mayOperate.value ? OF_OPERATORS : []),
    ...(me.value?.local ? LOCAL : []),
    { page: "/new", word: "New job" },
  ];
  return all.filter(({ word }) => word.toLowerCase().startsWith(begun));
}

/** Values that have been seen lately, by the word that takes them. */
function known(name: string): readonly string[] {
  switch (name) {
    case "host": {
      const counts = client.getQueryData<Counts>(["counts", appId.value]);
      const listed = client.getQueryData<Answer<"listDestinations">>(["destinations", appId.value]);
      const lists = client.getQueriesData<Answer<"listJobs">>({ queryKey: ["jobs"] });
      const seen = lists.flatMap(([, page]) => page?.items ?? []).flatMap(({ destination }) => destination ?? []);
      const all = [
        ...(counts?.destinations ?? []),
        ...(listed?.items ?? []),
        ...seen.map((each) => ({ destination: each })),
      ];
      return [...new Set(all.map(hostOf))];
    }
    case "schedule":
      return (client.getQueryData<Answer<"listSchedules">>(["schedules", "", appId.value])?.items ?? []).map(
        ({ key }) => key,
      );
    default:
      return [];
  }
}
