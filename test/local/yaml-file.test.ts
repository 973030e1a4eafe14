import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { afterAll, expect, test } from "vitest";
import { readYaml } from "../../local/yaml-file.ts";
import { ROOT } from "../support/root.ts";
import { endStacks, temporaryDir } from "../support/stack.ts";

afterAll(endStacks);

/** A file and a cache of their own. */
function place() {
  const dir = temporaryDir();
  const [file, cache] = [join(dir, "a.yml"), join(dir, "cache")];
  const kept = () => readdirSync(cache).map((name) => join(cache, name));
  return { write: (text: string) => writeFileSync(file, text), read: () => readYaml(file, cache), cache, kept };
}

test("a YAML file is parsed once for each text, and a change of the file is seen", () => {
  const { write, read, kept } = place();
  write("a: !GetAtt Table.Arn\nb: [!Ref Table, 1, null, '2']\n");
  const data = { a: { "Fn::GetAtt": "Table.Arn" }, b: [{ Ref: "Table" }, 1, null, "2"] };
  expect(read()).toEqual(data);
  const [file = ""] = kept();
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(data);
  writeFileSync(file, '"what is kept"');
  expect(read()).toBe("what is kept");
  write("a: !Sub '${Table}'\n");
  expect(read()).toEqual({ a: { "Fn::Sub": "${Table}" } });
  expect(kept()).toHaveLength(2);
});

test("what is broken in the cache is parsed again, and without a cache nothing is kept", () => {
  const { write, read, cache, kept } = place();
  write("a: 1\n");
  // A file stands where the folder should.
  writeFileSync(cache, "");
  expect(read()).toEqual({ a: 1 });
  const other = place();
  other.write("a: 1\n");
  other.read();
  const [file = ""] = other.kept();
  writeFileSync(file, '{"a":');
  expect([other.read(), readFileSync(file, "utf8")]).toEqual([{ a: 1 }, '{"a":1}']);
  expect(readFileSync(cache, "utf8")).toBe("");
  expect(kept).toThrow("ENOTDIR");
});

test("the template is what the parser makes of it", () => {
  for (const name of ["serverless.yml", "resources.yml"]) {
    const plain = (tag: string, key: string) => ({ tag, resolve: (text: string) => ({ [key]: text }) });
    const customTags = [plain("!Ref", "Ref"), plain("!GetAtt", "Fn::GetAtt"), plain("!Sub", "Fn::Sub")];
    const file = join(ROOT, name);
    expect(readYaml(file)).toEqual(parse(readFileSync(file, "utf8"), { customTags }));
  }
});
