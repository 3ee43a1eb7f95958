import type { Line } from "./diff";

/** One file of a unified patch. */
export interface FilePatch {
  path: string;
  /** lines, and between hunks how many lines are left out; a note instead where git says something else */
  lines: (Line | number)[];
  note: string;
}

/** Take a patch of git apart; what is not understood is left out, never guessed. */
export function filesOf(patch: string): FilePatch[] {
  const files: FilePatch[] = [];
  let file: FilePatch | null = null;
  let left = 0; // lines of the hunk that are still to come, on either side
  let right = 0;
  let at = 1; // next line of the old file
  for (const line of patch.split("\n")) {
    if (left > 0 || right > 0) {
      const sign = line[0];
      if (sign === "\\") continue; // "No newline at end of file"
      if (sign !== "+") left -= 1;
      if (sign !== "-") right -= 1;
      if (sign !== "+") at += 1;
      file?.lines.push({ sign: sign === "+" || sign === "-" ? sign : " ", text: line.slice(1) });
      continue;
    }
    const head = /^diff --git (?:"?a\/.*?"?) "?b\/(.*?)"?$/.exec(line);
    const hunk = /^@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@/.exec(line);
    if (head) {
      file = { path: head[1]!, lines: [], note: "" };
      files.push(file);
      at = 1;
    } else if (hunk && file) {
      const from = Number(hunk[1]);
      if (from > at) file.lines.push(from - at);
      at = from;
      left = Number(hunk[2] ?? 1);
      right = Number(hunk[3] ?? 1);
    } else if (file) {
      const note = /^(new file|deleted file|rename from .*|Binary files .* differ)/.exec(line);
      if (note) file.note = note[1]!.startsWith("Binary") ? "binary" : note[1]!.replace(" file", "").replace("rename from", "was");
    }
  }
  return files;
}
