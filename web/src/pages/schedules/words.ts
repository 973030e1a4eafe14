// Expressions of schedules in words. What is too odd for words gets none: the expression stands beside them.

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const NTH = ["first", "second", "third", "fourth", "fifth"];

/** `every day at 02:00`, for `cron(0 2 * * ? *)`. */
export function inWords(expression: string): string {
  const [, kind, content = ""] = /^(at|rate|cron)\((.*)\)$/.exec(expression) ?? [];
  if (kind === "rate") return `every ${content.replace(/^1 /, "")}`;
  if (kind === "at") return `once, on ${content.replace("T", " at ")}`;
  const fields = content.split(" ");
  if (kind !== "cron" || fields.length !== 6) return "";
  const [minute = "", hour = "", day = "", month = "", weekday = "", year = ""] = fields;
  const time = timeOf(minute, hour);
  const days = daysOf(day, weekday.toUpperCase());
  const months = monthsOf(month.toUpperCase());
  if (time === undefined || days === undefined || months === undefined) return "";
  const years = year === "*" ? "" : `in ${year}`;
  const isOften = !time.startsWith("at");
  const when = isOften ? [time, days] : [days === "" ? "every day" : days, time];
  return [...when, months, years].filter((each) => each !== "").join(" ");
}

const two = (n: number) => String(n).padStart(2, "0");
const clock = (h: number, m: number) => `${two(h)}:${two(m)}`;

function timeOf(minute: string, hour: string): string | undefined {
  const [minutes, hours] = [numbers(minute), numbers(hour)];
  const [everyMinutes, everyHours] = [stepOf(minute), stepOf(hour)];
  const span = /^(\d+)-(\d+)$/.exec(hour);
  if (minutes && hours && minutes.length * hours.length <= 4)
    return `at ${listed(hours.flatMap((h) => minutes.map((m) => clock(h, m))))}`;
  const [only] = minutes?.length === 1 ? minutes : [];
  if (only !== undefined && hour === "*") return only === 0 ? "every hour" : `every hour at minute ${only}`;
  if (only !== undefined && everyHours) return `every ${everyHours} hours${only === 0 ? "" : `, at minute ${only}`}`;
  if (only !== undefined && span)
    return `every hour from ${clock(Number(span[1]), only)} to ${clock(Number(span[2]), only)}`;
  const every = minute === "*" ? "every minute" : everyMinutes ? `every ${everyMinutes} minutes` : undefined;
  if (every === undefined) return undefined;
  if (hour === "*") return every;
  if (span) return `${every} from ${clock(Number(span[1]), 0)} to ${clock(Number(span[2]), 59)}`;
  return hours?.length === 1 ? `${every} from ${clock(hours[0] ?? 0, 0)} to ${clock(hours[0] ?? 0, 59)}` : undefined;
}

/** The day of the month, or that of the week: an expression has one of them. */
function daysOf(day: string, weekday: string): string | undefined {
  if (/^[*?]$/.test(day)) return weekdaysOf(weekday);
  if (!/^[*?]$/.test(weekday)) return undefined;
  if (day === "L") return "on the last day of the month";
  const nearest = /^(\d+)W$/.exec(day);
  if (nearest) return `on the weekday next to the ${ordinal(Number(nearest[1]))}`;
  const days = numbers(day);
  return days && `on the ${listed(days.map(ordinal))} of the month`;
}

function weekdaysOf(weekday: string): string | undefined {
  if (/^[*?]$/.test(weekday)) return "";
  if (weekday === "MON-FRI" || weekday === "2-6") return "on weekdays";
  if (/^(?:SAT,SUN|SUN,SAT|1,7|7,1)$/.test(weekday)) return "on weekends";
  const last = /^(\w+)L$/.exec(weekday);
  if (last) return withName(last[1], (name) => `on the last ${name} of the month`);
  const nth = /^(\w+)#([1-5])$/.exec(weekday);
  if (nth) return withName(nth[1], (name) => `on the ${NTH[Number(nth[2]) - 1]} ${name} of the month`);
  const range = /^(\w+)-(\w+)$/.exec(weekday);
  const names = (range ? [range[1], range[2]] : weekday.split(",")).map(dayName);
  if (names.includes(undefined)) return undefined;
  return range ? `from ${names[0]} to ${names[1]}` : `on ${listed(names as string[])}`;
}

/** Weekdays count from Sunday, which is 1. */
function dayName(text = ""): string | undefined {
  return /^[1-7]$/.test(text) ? DAYS[Number(text) - 1] : named(DAYS, text);
}

function withName(day: string | undefined, say: (name: string) => string): string | undefined {
  const name = dayName(day);
  return name === undefined ? undefined : say(name);
}

function monthsOf(month: string): string | undefined {
  if (month === "*") return "";
  const name = (text: string) => (/^\d+$/.test(text) ? MONTHS[Number(text) - 1] : named(MONTHS, text));
  const range = /^(\w+)-(\w+)$/.exec(month);
  const names = (range ? [range[1] ?? "", range[2] ?? ""] : month.split(",")).map(name);
  if (names.includes(undefined)) return undefined;
  return range ? `from ${names[0]} to ${names[1]}` : `in ${listed(names as string[])}`;
}

function named(names: readonly string[], short: string): string | undefined {
  return /^[A-Z]{3}$/.test(short) ? names.find((name) => name.slice(0, 3).toUpperCase() === short) : undefined;
}

function numbers(field: string): number[] | undefined {
  return /^\d+(?:,\d+)*$/.test(field) ? field.split(",").map(Number) : undefined;
}

function stepOf(field: string): number | undefined {
  const [, step] = /^(?:\*|0)\/(\d+)$/.exec(field) ?? [];
  return step === undefined ? undefined : Number(step);
}

function ordinal(n: number): string {
  const suffix = n % 100 >= 11 && n % 100 <= 13 ? "th" : (["th", "st", "nd", "rd"][n % 10] ?? "th");
  return `${n}${suffix}`;
}

function listed(all: readonly string[]): string {
  return all.length < 2 ? (all[0] ?? "") : `${all.slice(0, -1).join(", ")} and ${all.at(-1)}`;
}
