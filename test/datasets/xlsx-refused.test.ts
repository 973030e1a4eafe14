import { expect, test } from "vitest";
import { read, workbookOf } from "../support/workbook.ts";
import { zipOf } from "../support/zip.ts";

// Workbooks that are damaged, hostile, or something else.

const megabytes = (count: number) => "x".repeat(count * 1_024 * 1_024);
const sheets = { A: "<row><c><v>1</v></c></row>" };
const ENTRY = Buffer.from([0x50, 0x4b, 1, 2]);
const BAD: readonly [what: string, file: () => Buffer, problem: RegExp][] = [
  [
    "a sheet that unpacks to a thousand times its size",
    () => workbookOf({ sheets: { A: `<row><c t="str"><v>${megabytes(12)}</v></c></row>` } }),
    /packed too densely: its part xl\/worksheets\/sheet1.xml would unpack from \d+ to \d+/,
  ],
  [
    "shared texts that do",
    () => workbookOf({ sheets, sharedStrings: `<si><t>${megabytes(12)}</t></si>` }),
    /packed too densely.*sharedStrings/,
  ],
  [
    "an entry that unpacks to more than it says",
    () => workbookOf({ sheets: { A: sheets.A.repeat(500) }, zip: { saysBytes: { "xl/worksheets/sheet1.xml": 300 } } }),
    /unpacks to more than the 300 bytes that it says/,
  ],
  ["a checksum that is wrong", () => workbookOf({ sheets, zip: { saysCrc: 1 } }), /checksum is wrong/],
  ["a file that is cut short", () => workbookOf({ sheets }).subarray(0, -40), /cut short/],
  [
    "a file whose middle is missing",
    () => {
      const all = workbookOf({ sheets });
      return Buffer.concat([all.subarray(0, 100), all.subarray(300)]);
    },
    /cut short|damaged/,
  ],
  [
    "entities of its own",
    () => workbookOf({ sheets: { A: '<row><c t="str"><v>&lol;</v></c></row>' } }),
    /XML that is not valid/,
  ],
  ["XML that ends too early", () => workbookOf({ sheets: { A: "<row><c>" } }), /XML that is not valid/],
  [
    "XML that is nested too deep",
    () => workbookOf({ sheets: { A: `${"<a>".repeat(200)}${"</a>".repeat(200)}` } }),
    /nested too deep/,
  ],
  [
    "a comment without an end in sight",
    () => workbookOf({ sheets: { A: `<!--${"x".repeat(200_000)}-->` } }),
    /XML that is not valid \(Max buffer length exceeded: comment/,
  ],
  [
    "an attribute of any length",
    () => workbookOf({ sheets: { A: `<row r="${"1".repeat(200_000)}"/>` } }),
    /XML that is not valid \(Max buffer length exceeded: attribValue/,
  ],
  [
    "an element of any number of attributes",
    () => workbookOf({ sheets: { A: `<row ${Array.from({ length: 501 }, (_, n) => `a${n}="1"`).join(" ")}/>` } }),
    /XML that is not valid \(an element has more than 500 attributes\)/,
  ],
  [
    "entries beyond the end of the file",
    () => {
      const file = workbookOf({ sheets });
      for (let at = file.indexOf(ENTRY); at >= 0; at = file.indexOf(ENTRY, at + 1))
        file.writeUInt32LE(0x7fff_ffff, at + 42);
      return file;
    },
    /cut short/,
  ],
  ["a password", () => workbookOf({ sheets, zip: { encrypted: true } }), /protected by a password/],
  [
    "a cell beyond Excel's columns",
    () => workbookOf({ sheets: { A: '<row><c r="ZZZZ1"><v>1</v></c></row>' } }),
    /a cell ZZZZ1, which no sheet has/,
  ],
  [
    "a sheet that is not there",
    () =>
      workbookOf({
        sheets,
        more: { "xl/_rels/workbook.xml.rels": '<R><Relationship Id="rId1" Type="/worksheet" Target="gone.xml"/></R>' },
      }),
    /lacks its part xl\/gone.xml/,
  ],
  ["an archive of something else", () => zipOf({ "a.txt": "a" }), /a zip archive without a workbook/],
  [
    "an OpenDocument spreadsheet",
    () => zipOf({ mimetype: "x", "content.xml": "<a/>" }),
    /OpenDocument spreadsheet \(.ods\): expected CSV or XLSX/,
  ],
  [
    "a Word document",
    () =>
      zipOf({
        "_rels/.rels": '<R><Relationship Id="1" Type="/officeDocument" Target="word/document.xml"/></R>',
        "word/document.xml": "<a/>",
      }),
    /a Word document/,
  ],
  ["an archive without files", () => zipOf({}), /zip archive without a workbook/],
];

test.each(BAD)("%s is refused in words", async (_, file, problem) => {
  await expect(read(file())).rejects.toThrow(problem);
});
