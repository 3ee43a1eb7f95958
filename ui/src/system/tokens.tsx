import { KeyRound, Plus } from "lucide-react";
import { useCallback, useEffect, useState } from "react";
import { client } from "../generated/client";
import { actorName } from "../model/conditions";
import { clock } from "../model/format";
import type { Token } from "../model/names";
import { Button } from "../parts/button";
import { Section } from "../parts/page";
import { attempt } from "../state/toasts";
import { NewToken } from "./new-token";

/** Who may enter besides you. */
export function Tokens() {
  const [tokens, setTokens] = useState<Token[]>([]);
  const [making, setMaking] = useState(false);
  const [all, setAll] = useState(false);
  const [leaving, setLeaving] = useState<string | null>(null);
  const look = useCallback(async () => {
    const page = await attempt("Listing tokens", () => client.token.list({ limit: 200 }));
    // A client's access token ends within the hour and with the refresh token beside it: one line for both.
    if (page) setTokens(page.tokens.filter((each) => each.kind !== "access"));
  }, []);
  useEffect(() => void look(), [look]);
  const revoke = async (id: string) => {
    await attempt("Revoking", () => client.token.revoke({ id }));
    setLeaving(null);
    await look();
  };
  const shown = all ? tokens : tokens.filter((each) => each.kind !== "process");
  return (
    <Section
      title="Tokens"
      note={
        <Button small icon={<Plus size={13} />} onClick={() => setMaking(true)}>
          New token
        </Button>
      }
    >
      <ul className="overflow-hidden rounded-xl border border-line bg-panel">
        {shown.map((token) => (
          <li key={token.id} className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-4 py-2 text-sm last:border-0">
            <KeyRound size={15} className="text-faint" />
            <span className="font-medium">{token.name}</span>
            <span className="rounded bg-raised px-1.5 text-2xs leading-5 text-dim">{token.kind === "refresh" ? "client" : token.kind}</span>
            <span className="min-w-0 truncate font-mono text-xs text-dim">{token.scopes.join(" ")}</span>
            <span className="ml-auto text-xs text-faint tabular">
              by {actorName(token.created_by)}
              {token.expires_at ? `, ends ${clock(token.expires_at)}` : ", no end"}
            </span>
            {token.kind !== "owner" &&
              (leaving === token.id ? (
                <Button small look="danger" onClick={() => void revoke(token.id)} onBlur={() => setLeaving(null)} autoFocus>
                  Revoke for good
                </Button>
              ) : (
                <Button small look="quiet" onClick={() => setLeaving(token.id)}>
                  Revoke
                </Button>
              ))}
          </li>
        ))}
        {shown.length < tokens.length && (
          <li className="px-4 py-2 text-sm text-dim">
            <button type="button" className="hover:text-ink" onClick={() => setAll(true)}>
              {tokens.length - shown.length} more belong to running agents and end with them
            </button>
          </li>
        )}
        {tokens.length === 0 && <li className="px-4 py-4 text-sm text-faint">No tokens.</li>}
      </ul>
      {making && (
        <NewToken
          onClose={() => {
            setMaking(false);
            void look();
          }}
        />
      )}
    </Section>
  );
}
