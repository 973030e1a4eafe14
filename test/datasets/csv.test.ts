import { parse } from "csv-parse/sync";
import { stringify } from "csv-stringify/sync";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { csvRows } from "../../lib/datasets/csv-rows.ts";
import { LARGEST_ROW } from "../../lib/datasets/source-row.ts";
import { expectLinear } from "../support/growth.ts";
import { inPieces } from "../support/pieces.ts";

// CSV as people's programs write it, in any pieces.

/** The cells of each row by its number, or what is wrong with it. */
async function rowsOf(text: string, delimiter = ",", size?: number) {
  const rows: [number, readonly unknown[] | string][] = [];
  for await (const batch of csvRows(inPieces(text, size), delimiter))
    for (const { number, cells, problem } of batch) rows.push([number, problem ?? cells]);
  return rows;
}

const QUOTE = expect.stringMatching(/begins with a quote/);

const ROWS: readonly [what: string, text: string, rows: readonly unknown[], delimiter?: string][] = [
  [
    "a quote within a cell is text",
    '5" pipe,1\nb"c"d,2\n',
    [
      [1, ['5" pipe', "1"]],
      [2, ['b"c"d', "2"]],
    ],
  ],
  [
    "a line whose quoted cell goes on behind its quote is left out alone",
    'a,1\n"FOO "BAR" X",2\nc,3\n',
    [
      [1, ["a", "1"]],
      [2, QUOTE],
      [3, ["c", "3"]],
    ],
  ],
  [
    "blanks around a quoted cell are none of it",
    'a, "b,c" ,d\n "e" ,f,g',
    [
      [1, ["a", "b,c", "d"]],
      [2, ["e", "f", "g"]],
    ],
  ],
  [
    "a byte order mark before a quote is none of the cell either: it is there twice, or where files were joined",
    '\uFEFF"a",b\n1,2\n\uFEFF"3","4"\n',
    [
      [1, ["a", "b"]],
      [2, ["1", "2"]],
      [3, ["3", "4"]],
    ],
  ],
  ["blanks before a quote that ends within the cell are text", 'a, "b" c,d\n', [[1, ["a", ' "b" c', "d"]]]],
  [
    "quotes in tab-separated values are text",
    '"a" b\t"c\n"d"\t5"\n',
    [
      [1, ['"a" b', '"c']],
      [2, ["d", '5"']],
    ],
    "\t",
  ],
  [
    "a quote that is never closed leaves out its line alone",
    'a,1\n"b,2\nc,3\n"d",4\ne,5',
    [
      [1, ["a", "1"]],
      [2, QUOTE],
      [3, ["c", "3"]],
      [4, ["d", "4"]],
      [5, ["e", "5"]],
    ],
  ],
  [
    "a quote that is never closed, at the end",
    'a,1\n"b,2',
    [
      [1, ["a", "1"]],
      [2, QUOTE],
    ],
  ],
  [
    "lines within quotes, of each kind",
    '"a\r\nb\nc\rd",1\r\n2,3\r4,5\n',
    [
      [1, ["a\r\nb\nc\rd", "1"]],
      [2, ["2", "3"]],
      [3, ["4", "5"]],
    ],
  ],
  [
    "quotes that are doubled",
    '"""a""",""\n"",""""\n',
    [
      [1, ['"a"', ""]],
      [2, ["", '"']],
    ],
  ],
  [
    "empty lines count, and are no rows",
    "a\n\n\r\nb\n\n",
    [
      [1, ["a"]],
      [4, ["b"]],
    ],
  ],
  [
    "an empty cell at the end",
    'a,\n"b",\n,',
    [
      [1, ["a", ""]],
      [2, ["b", ""]],
      [3, ["", ""]],
    ],
  ],
  [
    "a quoted nothing is a row",
    'a\n""\nb',
    [
      [1, ["a"]],
      [2, [""]],
      [3, ["b"]],
    ],
  ],
  [
    '="0045" as text',
    '="0045",b\n"=""007""",="a""b"\n',
    [
      [1, ["0045", "b"]],
      [2, ["007", 'a"b']],
    ],
  ],
  [
    "Ctrl+Z at the end",
    "a,b\r\n1,2\r\n\x1a",
    [
      [1, ["a", "b"]],
      [2, ["1", "2"]],
    ],
  ],
  [
    "NUL at the end",
    'a,b\n1,"2"\0\0'.replace("\0\0", "\n\0\0"),
    [
      [1, ["a", "b"]],
      [2, ["1", "2"]],
    ],
  ],
  [
    "quotes by backslashes",
    'a,b\n"say \\"hi\\"",2\n3,4',
    [
      [1, ["a", "b"]],
      [2, QUOTE],
      [3, ["3", "4"]],
    ],
  ],
  ["curly quotes", "\u201ca, b\u201d,\u2018c\u2019\n", [[1, ["\u201ca", " b\u201d", "\u2018c\u2019"]]]],
  ["nothing", "", []],
];

test.each(ROWS)("%s", async (_, text, rows, delimiter) => {
  for (const size of [text.length, 1, 2, 3, 5])
    expect([size, await rowsOf(text, delimiter, size)]).toEqual([size, rows]);
});

test("well-formed CSV is read as another parser reads it, in any pieces", async () => {
  const cell = fc.string({ unit: fc.constantFrom("a", ",", ";", '"', "\n", "\r", " ", "é", "\t"), maxLength: 6 });
  const table = fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 5 });
  const options = fc.record({ quoted: fc.boolean(), delimiter: fc.constantFrom(",", ";", "\t") });
  await fc.assert(
    fc.asyncProperty(table, options, fc.integer({ min: 1, max: 9 }), async (rows, { quoted, delimiter }, size) => {
      // Blanks around quotes are written by nobody but people.
      const cells = rows.map((row) => row.map((text) => (/^\s|\s$/.test(text) ? `x${text}x` : text)));
      const text = stringify(cells, { quoted, delimiter, record_delimiter: "windows", quoted_match: /[\r\n]/ });
      const read = (await rowsOf(text, delimiter, size)).map(([, row]) => row);
      expect(read).toEqual(parse(text, { delimiter, record_delimiter: "\r\n", relax_column_count: true }));
      expect(read).toEqual(cells);
    }),
    { numRuns: 200 },
  );
});

test("a line that is too long is left out, with quotes and without, and memory stays small", async () => {
  const long = "x".repeat(LARGEST_ROW + 10);
  const pieces = 65_536;
  const rows = await rowsOf(`a,1\n${long},2\nb,2\n"${long}",3\nc,4\n"${"\n".repeat(LARGEST_ROW)}\nd,5`, ",", pieces);
  expect(rows.filter(([, row]) => typeof row !== "string").map(([, row]) => row)).toEqual([
    ["a", "1"],
    ["b", "2"],
    ["c", "4"],
    ["d", "5"],
  ]);
  const reasons = rows.filter(([, row]) => typeof row === "string").map(([number, row]) => [number, row]);
  expect(reasons).toEqual([
    [2, expect.stringContaining("longer than 1000000 characters")],
    [4, expect.stringContaining("longer than 1000000 characters")],
    [6, QUOTE],
  ]);
});

test("a long row that comes in small pieces is not read for each of them", async () => {
  await expectLinear(async (length) => {
    const cells = Array.from({ length }, () => '"a""b"');
    const [[, row] = []] = await rowsOf(`${cells.join(",")}\n`, ",", 60);
    expect(row).toEqual(Array.from({ length }, () => 'a"b'));
  }, 20_000);
});
