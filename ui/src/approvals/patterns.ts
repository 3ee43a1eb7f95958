/** Patterns a person may want to allow, from narrow to wide. */
export function patternsFor(tool: string, input: Record<string, unknown>): string[] {
  const found: string[] = [];
  const command = input["command"];
  const path = input["file_path"] ?? input["path"];
  if (typeof command === "string" && command.trim()) {
    const words = command.trim().split(/\s+/);
    const simple = words.filter((word) => /^[\w./@:=-]+$/.test(word));
    if (!/[\n*]/.test(command) && command.length < 200) found.push(`${tool}(${command.trim()})`);
    if (simple.length >= 2 && simple[1] === words[1]) found.push(`${tool}(${words[0]} ${words[1]}*)`);
    if (simple[0] === words[0]) found.push(`${tool}(${words[0]} *)`);
  } else if (typeof path === "string" && path) {
    found.push(`${tool}(${path})`);
    const folder = path.slice(0, path.lastIndexOf("/") + 1);
    if (folder.length > 1) found.push(`${tool}(${folder}*)`);
  }
  found.push(tool);
  return [...new Set(found)];
}

export const SPANS = [
  { label: "1 hour", hours: 1 },
  { label: "1 day", hours: 24 },
  { label: "1 week", hours: 168 },
] as const;
