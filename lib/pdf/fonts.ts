import { basename, dirname, join } from "node:path";

// The fonts that every document can use, and their configuration for fontconfig.

/** Families of Noto Sans, each for a script of its own. */
const SCRIPTS = [
  "Armenian",
  "Bengali",
  "Devanagari",
  "Ethiopic",
  "Georgian",
  "Gujarati",
  "Gurmukhi",
  "Kannada",
  "Khmer",
  "Lao",
  "Malayalam",
  "Myanmar",
  "Oriya",
  "Sinhala",
  "Tamil",
  "Telugu",
  "Thai",
];
const SYMBOLS = ["Symbols 2", "Symbols", "Math"];

/** Below `node_modules`; serverless.yml packages the same files. */
export const FONTS: readonly string[] = [
  ...["arimo/*/Arimo", "tinos/*/Tinos", "cousine/*/Cousine"].flatMap((family) =>
    ["400Regular", "400Regular_Italic", "700Bold", "700Bold_Italic"].map(
      (style) => `@expo-google-fonts/${family.replace("*", style)}_${style}.ttf`,
    ),
  ),
  "@expo-google-fonts/noto-color-emoji/400Regular/NotoColorEmoji_400Regular.ttf",
  ...SCRIPTS.flatMap((script) => [notoSans(script, "400Regular"), notoSans(script, "700Bold")]),
  ...SYMBOLS.map((symbols) => notoSans(symbols, "400Regular")),
  // For the signs of currencies, such as that of Bitcoin.
  "@expo-google-fonts/overpass-mono/400Regular/OverpassMono_400Regular.ttf",
  ...["arabic/fonts/NotoNaskhArabic", "hebrew/fonts/NotoSansHebrew"].flatMap((family) =>
    ["Regular", "Bold"].map((style) => `@embedpdf/fonts-${family}-${style}.ttf`),
  ),
  ...["sc/fonts/NotoSansHans", "jp/fonts/NotoSansJP", "kr/fonts/NotoSansKR"].flatMap((family) =>
    ["Regular", "Bold"].map((style) => `@embedpdf/fonts-${family}-${style}.otf`),
  ),
];

function notoSans(name: string, weight: string): string {
  const folder = `noto-sans-${name.toLowerCase().replace(" ", "-")}`;
  return `@expo-google-fonts/${folder}/${weight}/NotoSans${name.replace(" ", "")}_${weight}.ttf`;
}

/** Replacements of common fonts. Arimo, Tinos, Cousine have the widths of Arial, Times New Roman, Courier New. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  Arimo: ["sans-serif", "Arial", "Helvetica", "Helvetica Neue", "Liberation Sans", "system-ui"],
  Tinos: ["serif", "Times", "Times New Roman", "Liberation Serif"],
  Cousine: ["monospace", "Courier", "Courier New", "Consolas", "Menlo", "Liberation Mono"],
  "Noto Naskh Arabic": ["Noto Sans Arabic", "Tahoma", "Traditional Arabic", "Geeza Pro"],
  "Noto Sans Math": ["math", "Cambria Math", "Latin Modern Math", "STIX Two Math"],
  "Noto Sans Symbols 2": ["Segoe UI Symbol", "Apple Symbols"],
  "Noto Color Emoji": ["emoji", "Apple Color Emoji", "Segoe UI Emoji"],
};

/** The family names within the files. */
const CHINESE = "Noto Sans S Chinese";
const JAPANESE = "Noto Sans Japanese";
const KOREAN = "Noto Sans Korean";

const HAN_ALIASES: typeof ALIASES = {
  [CHINESE]: ["Noto Sans SC", "Noto Sans CJK SC", "Microsoft YaHei", "SimSun", "PingFang SC"],
  [JAPANESE]: ["Noto Sans JP", "Noto Sans CJK JP", "Meiryo", "Yu Gothic", "MS Gothic", "Hiragino Sans"],
  [KOREAN]: ["Noto Sans KR", "Noto Sans CJK KR", "Malgun Gothic", "Apple SD Gothic Neo"],
};

/** Han characters look different in each. */
const BY_LANGUAGE = { zh: CHINESE, ja: JAPANESE, ko: KOREAN };

/**
 * For characters that the fonts above lack, in this order. Chinese goes before Japanese, whose characters it includes;
 * mathematics goes last, since that font has Arabic letters that don't join.
 */
const LAST = [
  "Arimo",
  "Noto Naskh Arabic",
  "Noto Sans Hebrew",
  ...SCRIPTS.map((script) => `Noto Sans ${script}`),
  CHINESE,
  KOREAN,
  JAPANESE,
  ...SYMBOLS.map((symbols) => `Noto Sans ${symbols}`),
  "Overpass Mono",
];

/** The text of a fonts.conf; `modules` is the folder `node_modules`. */
export function fontsConfig(modules: string, cache: string): string {
  const files = FONTS.map((file) => join(modules, file));
  const folders = new Set(files.map((file) => dirname(file)));
  return [
    `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd"><fontconfig>`,
    ...[...folders].map((folder) => element("dir", folder)),
    element("cachedir", cache),
    // The npm packages hold weights that a deployed package lacks; without them every stage renders alike. The
    // patterns have file names alone, since fontconfig removes the current folder before it compares.
    `<selectfont><rejectfont><glob>*</glob></rejectfont><acceptfont>`,
    ...files.map((file) => element("glob", `*${basename(file)}`)),
    `</acceptfont></selectfont>`,
    ...Object.entries({ ...ALIASES, ...HAN_ALIASES }).flatMap(([family, names]) =>
      names.map((name) => rule({ family, mode: "assign", binding: "same" }, { test: "family", value: name })),
    ),
    ...Object.entries(BY_LANGUAGE).map(([language, family]) =>
      rule({ family, mode: "prepend_first", binding: "strong" }, { test: "lang", value: language }),
    ),
    ...LAST.map((family) => rule({ family, mode: "append_last", binding: "weak" })),
    `</fontconfig>`,
  ].join("\n");
}

function rule(
  { family, mode, binding }: { family: string; mode: string; binding: string },
  when?: { test: string; value: string },
): string {
  const test = when
    ? `<test name="${when.test}" compare="${when.test === "lang" ? "contains" : "eq"}">${element("string", when.value)}</test>`
    : "";
  return `<match>${test}<edit name="family" mode="${mode}" binding="${binding}">${element("string", family)}</edit></match>`;
}

function element(name: string, text: string): string {
  return `<${name}>${text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</${name}>`;
}
