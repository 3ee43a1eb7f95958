// The TypeScript SDK's client on a string: one JSON command per line in, one JSON answer per line out.
//
// First line: {"sdk": 1 | 2, "era": "legacy" | VERSION, "stdio": {command, args, env}} or {…, "http": {url, token}}.
// Then {"id", "do": "list" | "call" | "cancel" | "version", …}. Beside answers, which bear their command's id, it
// writes {"progress": CALL, "said": …} and {"changed": NAMES} when it was told that the list of tools changed.
import { createInterface } from "node:readline";

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const wanted = JSON.parse((await lines.next()).value);

const sdk = await (wanted.sdk === 2 ? second() : first());
const onChanged = (error, tools) => say(error ? { error: `${error}` } : { changed: tools.map((tool) => tool.name) });
const client = new sdk.Client(
  { name: `typescript-${wanted.sdk}`, version: "1" },
  { listChanged: { tools: { debounceMs: 0, onChanged } }, versionNegotiation: { mode: sdk.mode } },
);
const headers = { Authorization: `Bearer ${wanted.http?.token}` };
const transport = wanted.stdio
  ? new sdk.Stdio(wanted.stdio)
  : new sdk.Http(new URL(wanted.http.url), { requestInit: { headers } });
const calls = new Map(); // id -> what aborts it

async function second() {
  const { Client, StreamableHTTPClientTransport: Http } = await import("@modelcontextprotocol/client");
  const { StdioClientTransport: Stdio } = await import("@modelcontextprotocol/client/stdio");
  return { Client, Http, Stdio, mode: wanted.era === "legacy" ? "legacy" : { pin: wanted.era } };
}

async function first() {
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StreamableHTTPClientTransport: Http } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const { StdioClientTransport: Stdio } = await import("@modelcontextprotocol/sdk/client/stdio.js");
  return { Client, Http, Stdio };
}

const commands = {
  version: () => client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion ?? null,
  list: async () => (await client.listTools()).tools.map((tool) => tool.name),
  cancel: ({ call }) => calls.get(call)?.abort("no longer wanted"),
  call: async ({ id, name, arguments: given }) => {
    const abort = new AbortController();
    calls.set(id, abort);
    const options = { signal: abort.signal, onprogress: (said) => say({ progress: id, said }) };
    const params = { name, arguments: given };
    return wanted.sdk === 2 ? client.callTool(params, options) : client.callTool(params, undefined, options);
  },
};

async function obey(command) {
  try {
    say({ id: command.id, result: (await commands[command.do](command)) ?? null });
  } catch (error) {
    say({ id: command.id, error: `${error}` });
  }
}

client.onerror = (error) => process.stderr.write(`${error}\n`);
await client.connect(transport);
say({ connected: client.getServerVersion()?.name ?? null });
for await (const line of lines) void obey(JSON.parse(line));
await client.close();
process.exit(0);
