import * as fc from "fast-check";

// Drawn cron expressions, each with the local times that it names. They are put together from what is drawn, not read
// from the text.

export interface Expression {
  /** As EventBridge writes it. */
  readonly text: string;
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly isDay: (date: LocalDate) => boolean;
  /** Whether it recurs every hour or every few hours, so that clocks don't matter. */
  readonly byRealTime: boolean;
}

export interface LocalDate {
  readonly year: number;
  /** January is 1. */
  readonly month: number;
  readonly day: number;
  /** Sunday is 1. */
  readonly weekday: number;
  readonly lastDay: number;
}

interface Field {
  readonly text: string;
  readonly values: readonly number[];
}

const MINUTES = { from: 0, to: 59, likely: [0, 0, 1, 15, 30, 45, 59] };
const HOURS = { from: 0, to: 23, likely: [0, 0, 1, 2, 2, 3, 14, 22, 23] };
const DAYS = { from: 1, to: 31, likely: [1, 28, 29, 30, 31] };
const MONTHS = { from: 1, to: 12, likely: [3, 4, 9, 10, 11] };
const WEEKDAYS = { from: 1, to: 7, likely: [1, 6, 7] };

type Values = typeof MINUTES;

/** Expressions of all forms. Many of them name a date, which is one on which clocks change, or its month. */
export function expressions(near: Pick<LocalDate, "year" | "month" | "day">): fc.Arbitrary<Expression> {
  const month = fc.oneof(
    { weight: 4, arbitrary: fc.constant(every(MONTHS)) },
    { weight: 2, arbitrary: fc.constant(single(near.month)) },
    { weight: 1, arbitrary: named(MONTHS) },
  );
  const year = fc.oneof(
    { weight: 4, arbitrary: fc.constant({ text: "*", from: 0, to: 9_999 }) },
    { weight: 1, arbitrary: fc.constant({ text: String(near.year), from: near.year, to: near.year }) },
    {
      weight: 1,
      arbitrary: fc.constant({ text: `${near.year - 1}-${near.year + 2}`, from: near.year - 1, to: near.year + 2 }),
    },
  );
  return fc
    .record({ minute: fieldOf(MINUTES), hour: fieldOf(HOURS), days: daysNear(near.day), month, year })
    .map(({ minute, hour, days, month, year }) => ({
      text: `cron(${minute.text} ${hour.text} ${days.day} ${month.text} ${days.weekday} ${year.text})`,
      minutes: new Set(minute.values),
      hours: new Set(hour.values),
      isDay: (date: LocalDate) =>
        date.year >= year.from && date.year <= year.to && month.values.includes(date.month) && days.isDay(date),
      byRealTime: new Set(hour.values).size === 24 || (hour.text.startsWith("*/") && new Set(hour.values).size > 1),
    }));
}

function daysNear(day: number) {
  const last = (date: LocalDate) => date.lastDay - 7 < date.day;
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant({ day: "*", weekday: "?", isDay: () => true }) },
    { weight: 3, arbitrary: fc.constant(onDays(single(day))) },
    { weight: 2, arbitrary: named(DAYS).map(onDays) },
    {
      weight: 1,
      arbitrary: fc.constant({ day: "L", weekday: "?", isDay: (date: LocalDate) => date.day === date.lastDay }),
    },
    {
      weight: 2,
      arbitrary: named(WEEKDAYS).map(({ text, values }) => ({
        day: "?",
        weekday: text,
        isDay: (date: LocalDate) => values.includes(date.weekday),
      })),
    },
    {
      weight: 1,
      arbitrary: valueOf(WEEKDAYS).map((weekday) => ({
        day: "?",
        weekday: `${weekday}L`,
        isDay: (date: LocalDate) => date.weekday === weekday && last(date),
      })),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(valueOf(WEEKDAYS), fc.integer({ min: 1, max: 5 })).map(([weekday, which]) => ({
        day: "?",
        weekday: `${weekday}#${which}`,
        isDay: (date: LocalDate) => date.weekday === weekday && Math.ceil(date.day / 7) === which,
      })),
    },
  );
}

function onDays({ text, values }: Field) {
  return { day: text, weekday: "?", isDay: (date: LocalDate) => values.includes(date.day) };
}

function fieldOf(values: Values): fc.Arbitrary<Field> {
  return fc.oneof(
    { weight: 5, arbitrary: named(values) },
    { weight: 1, arbitrary: fc.constant(every(values)) },
    { weight: 1, arbitrary: stepOf(values).map((step) => stepped(`*/${step}`, values.from, values.to, step)) },
  );
}

/** Values, ranges, steps, and lists of them. */
function named(values: Values): fc.Arbitrary<Field> {
  const range = fc.tuple(valueOf(values), valueOf(values)).map((ends) => ends.toSorted((a, b) => a - b) as typeof ends);
  const value = valueOf(values).map(single);
  const part = fc.oneof(
    { weight: 3, arbitrary: value },
    { weight: 2, arbitrary: range.map(([from, to]) => stepped(`${from}-${to}`, from, to, 1)) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(valueOf(values), stepOf(values))
        .map(([from, step]) => stepped(`${from}/${step}`, from, values.to, step)),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(range, stepOf(values))
        .map(([[from, to], step]) => stepped(`${from}-${to}/${step}`, from, to, step)),
    },
  );
  return fc.oneof(
    { weight: 3, arbitrary: part },
    {
      weight: 1,
      arbitrary: fc.array(part, { minLength: 2, maxLength: 3 }).map((parts) => ({
        text: parts.map(({ text }) => text).join(","),
        values: parts.flatMap((each) => each.values),
      })),
    },
  );
}

function valueOf({ from, to, likely }: Values): fc.Arbitrary<number> {
  return fc.oneof(fc.constantFrom(...likely), fc.integer({ min: from, max: to }));
}

function stepOf({ from, to }: Values): fc.Arbitrary<number> {
  return fc.oneof(
    fc.constantFrom(...[1, 2, 3, 12, 30].filter((step) => step <= to)),
    fc.integer({ min: 1, max: to - from + 1 }),
  );
}

function single(value: number): Field {
  return { text: String(value), values: [value] };
}

function every({ from, to }: Values): Field {
  return stepped("*", from, to, 1);
}

function stepped(text: string, from: number, to: number, step: number): Field {
  const values = Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step);
  return { text, values };
}
