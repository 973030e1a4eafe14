import { expect, test } from "vitest";
import { readCsv, type CsvOptions } from "../../lib/datasets/csv.ts";
import { inPieces } from "../support/pieces.ts";

// What is taken for the reading of CSV: its encoding and its delimiter.

async function taken(content: string | Buffer, options: Partial<CsvOptions> = {}, size?: number) {
  const bytes = inPieces(Buffer.from(content as string), size);
  const { taken, rows } = await readCsv(bytes, { delimiter: ",", ...options });
  const cells: unknown[] = [];
  for await (const batch of rows) cells.push(...batch.map((row) => row.problem ?? row.cells));
  return { ...taken, cells };
}

const utf16be = (text: string) => Buffer.from(text, "utf16le").swap16();
const EURO = Buffer.from([0x4d, 0xfc, 0x2c, 0x80, 0x96]);

const ENCODINGS: readonly [what: string, content: Buffer, encoding: string | undefined, taken: object][] = [
  ["UTF-8 with a mark", Buffer.from("\uFEFFMü,€–"), undefined, { encoding: "utf-8", encodingBy: "byte order mark" }],
  ["UTF-8 without one", Buffer.from("Mü,€–"), undefined, { encoding: "utf-8", encodingBy: "default" }],
  ["UTF-16LE with a mark", Buffer.from("\uFEFFMü,€–", "utf16le"), undefined, { encoding: "utf-16le" }],
  ["UTF-16BE with a mark", utf16be("\uFEFFMü,€–"), undefined, { encoding: "utf-16be" }],
  ["UTF-16LE by option", Buffer.from("Mü,€–", "utf16le"), "UTF-16", { encoding: "utf-16le", encodingBy: "option" }],
  ["UTF-16BE by option", utf16be("Mü,€–"), "utf16be", { encoding: "utf-16be", encodingBy: "option" }],
  ["Windows-1252", EURO, "Windows-1252", { encoding: "windows-1252", encodingBy: "option" }],
  ["Latin-1, which browsers take for Windows-1252", EURO, "latin1", { encoding: "windows-1252" }],
  ["ISO 8859-15", Buffer.from([0x4d, 0xfc, 0x2c, 0xa4]), "iso-8859-15", { cells: [["Mü", "€"]] }],
  ["Shift JIS", Buffer.from([0x93, 0xfa, 0x2c, 0x96, 0x7b]), "shift_jis", { cells: [["日", "本"]] }],
  ["a mark that contradicts the option", Buffer.from("\uFEFFMü,€–"), "latin1", { encodingBy: "byte order mark" }],
];

test.each(ENCODINGS)("%s is read", async (_, content, encoding, wanted) => {
  for (const size of [content.length, 1, 3])
    expect(await taken(content, { encoding }, size)).toMatchObject({ cells: [["Mü", "€–"]], ...wanted });
});

const DELIMITED: readonly [what: string, content: string, delimiter: string, cells: unknown[], expected?: string[]][] =
  [
    [
      "semicolons beside decimal commas",
      "id;total\n1;3,50\n2;4,20\n",
      ";",
      [
        ["id", "total"],
        ["1", "3,50"],
        ["2", "4,20"],
      ],
    ],
    [
      "tabs beside commas in text",
      "a\tb\nx, y\tz, w\n",
      "\t",
      [
        ["a", "b"],
        ["x, y", "z, w"],
      ],
    ],
    [
      "bars",
      "a|b|c\n1|2|3",
      "|",
      [
        ["a", "b", "c"],
        ["1", "2", "3"],
      ],
    ],
    [
      "commas within quotes beside semicolons",
      '"a,b,c";"d"\n1;2',
      ";",
      [
        ["a,b,c", "d"],
        ["1", "2"],
      ],
    ],
    [
      "the names that are expected",
      "a;b,c\n1;2,3\n",
      ",",
      [
        ["a;b", "c"],
        ["1;2", "3"],
      ],
      ["a;b", "c"],
    ],
    [
      "a single column",
      "name\nMiller, Ann\nMiller, Bob\n",
      ";",
      [["name"], ["Miller, Ann"], ["Miller, Bob"]],
      ["name"],
    ],
    ["a single column that nobody expects", "name\n", ",", [["name"]]],
    ["a line for Excel", "sep=;\na;b,c\n", ";", [["a", "b,c"]]],
    ["a line for Excel of another sign, in quotes", '"sep=^"\r\na^b\r\n', "^", [["a", "b"]]],
    ["a line for Excel with a tab, and with delimiters behind it", "SEP=\t\t\t\na\tb\n", "\t", [["a", "b"]]],
  ];

test.each(DELIMITED)("the delimiter is found of %s", async (_, content, delimiter, cells, expected = []) => {
  const isExpected = (name: string) => expected.includes(name);
  for (const size of [content.length, 1])
    expect(await taken(content, { delimiter: "auto", isExpected }, size)).toMatchObject({ delimiter, cells });
});

test("a line for Excel is no row either where the delimiter is given, and is stronger", async () => {
  const by = { delimiterBy: "sep line", delimiter: ";", cells: [["a", "b"]] };
  expect(await taken("\uFEFFsep=;\r\na;b\r\n", { delimiter: "," })).toMatchObject(by);
});

const REFUSED: readonly [what: string, content: Buffer, encoding: string | undefined, problem: RegExp][] = [
  [
    "UTF-16 without a mark",
    Buffer.from("name,age\n", "utf16le"),
    undefined,
    /UTF-16 without a byte order mark: .*utf-16le/,
  ],
  ["UTF-16BE without a mark", utf16be("name,age\n"), undefined, /utf-16be/],
  ["UTF-32", Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0]), undefined, /UTF-32/],
  ["binary data", Buffer.concat([Buffer.from("a,b\n"), Buffer.alloc(40)]), "windows-1252", /binary data/],
  ["Latin-1 as UTF-8", Buffer.from("Müller", "latin1"), undefined, /not UTF-8, .*its encoding, such as windows-1252/],
  ["UTF-16 that is cut off", Buffer.from("\uFEFFab", "utf16le").subarray(0, 5), undefined, /not UTF-16LE/],
];

test.each(REFUSED)("%s is refused in words", async (_, content, encoding, problem) => {
  await expect(taken(content, { encoding })).rejects.toThrow(problem);
});
