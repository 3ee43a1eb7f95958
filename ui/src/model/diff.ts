/** A line diff, by the longest common subsequence; past a size it says all of the old, then all of the new. */
export interface Line {
  sign: " " | "+" | "-";
  text: string;
}

const MOST = 600;

export function diff(before: string, after: string): Line[] {
  const a = before ? before.replace(/\n$/, "").split("\n") : [];
  const b = after ? after.replace(/\n$/, "").split("\n") : [];
  if (a.length > MOST || b.length > MOST)
    return [...a.map((text): Line => ({ sign: "-", text })), ...b.map((text): Line => ({ sign: "+", text }))];
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      lengths[i * width + j] =
        a[i] === b[j]
          ? lengths[(i + 1) * width + j + 1]! + 1
          : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!);
  const out: Line[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push({ sign: " ", text: a[i++]! });
      j += 1;
    } else if (i < a.length && (j >= b.length || lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!)) {
      out.push({ sign: "-", text: a[i++]! });
    } else {
      out.push({ sign: "+", text: b[j++]! });
    }
  }
  return out;
}

/** Leave out unchanged lines far from a change. */
export function folded(lines: readonly Line[], around = 3): (Line | number)[] {
  const near = lines.map(() => false);
  lines.forEach((line, at) => {
    if (line.sign === " ") return;
    for (let k = Math.max(0, at - around); k <= Math.min(lines.length - 1, at + around); k += 1) near[k] = true;
  });
  const out: (Line | number)[] = [];
  lines.forEach((line, at) => {
    if (near[at]) out.push(line);
    else if (typeof out.at(-1) === "number") out[out.length - 1] = (out.at(-1) as number) + 1;
    else out.push(1);
  });
  return out;
}
