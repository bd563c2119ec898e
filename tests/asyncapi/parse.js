// Reads AsyncAPI documents, named as arguments, with the official parser; prints one JSON array for each, a line each:
// what it found wrong, as {severity, code, path, message}. Severities: error, warning, information, hint.
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const SEVERITIES = ["error", "warning", "information", "hint"];
const parser = new Parser();
for (const path of process.argv.slice(2)) {
  const { document, diagnostics } = await parser.parse(await readFile(path, "utf8"));
  const found = diagnostics.map(({ severity, code, path, message }) => ({
    severity: SEVERITIES[severity],
    code: String(code),
    path: path.join("/"),
    message,
  }));
  if (document === undefined && !found.some(({ severity }) => severity === "error")) {
    throw new Error(`${path}: no document and no error`);
  }
  console.log(JSON.stringify(found));
}
