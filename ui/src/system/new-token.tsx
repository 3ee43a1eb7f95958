import { Copy } from "lucide-react";
import { useState } from "react";
import { client } from "../generated/client";
import { Button } from "../parts/button";
import { Labelled } from "../parts/labelled";
import { Modal } from "../parts/modal";
import { attempt } from "../state/toasts";

const OFFERS: { label: string; scopes: string }[] = [
  { label: "read everything", scopes: "*:read" },
  { label: "run agents", scopes: "*:read process:write approval:write control:write message:write" },
  { label: "everything", scopes: "*" },
];
const DAY = 86_400;

/** A credential; its secret is shown once. */
export function NewToken({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState(OFFERS[0]!.scopes);
  const [days, setDays] = useState(90);
  const [secret, setSecret] = useState("");
  const make = async () => {
    const made = await attempt("Making the token", () =>
      client.token.create({ name: name.trim(), scopes: scopes.split(/[\s,]+/).filter(Boolean), expires_in_s: days ? days * DAY : null }),
    );
    if (made) setSecret(made.secret);
  };
  if (secret)
    return (
      <Modal title={`Token ${name}`} onClose={onClose}>
        <p className="text-dim">Copy it now: it is shown this once and kept only as a hash.</p>
        <div className="mt-3 flex items-center gap-2">
          <input readOnly className="field font-mono text-xs" value={secret} onFocus={(event) => event.target.select()} />
          <Button icon={<Copy size={15} />} aria-label="Copy" onClick={() => void navigator.clipboard?.writeText(secret)} />
        </div>
        <div className="mt-5 flex justify-end">
          <Button look="primary" onClick={onClose}>
            I have it
          </Button>
        </div>
      </Modal>
    );
  return (
    <Modal title="New token" onClose={onClose}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        <Labelled label="What is it for?">
          <input autoFocus className="field" value={name} maxLength={100} placeholder="nightly script" onChange={(event) => setName(event.target.value)} />
        </Labelled>
        <Labelled label="Scopes" hint="room:read, room:write, *:read or *">
          <input className="field font-mono text-xs" value={scopes} onChange={(event) => setScopes(event.target.value)} />
        </Labelled>
        <div className="flex flex-wrap gap-1.5">
          {OFFERS.map((offer) => (
            <Button key={offer.label} small look={offer.scopes === scopes ? "plain" : "quiet"} onClick={() => setScopes(offer.scopes)}>
              {offer.label}
            </Button>
          ))}
        </div>
        <Labelled label="Ends after">
          <select className="field" value={days} onChange={(event) => setDays(Number(event.target.value))}>
            <option value={1}>1 day</option>
            <option value={30}>30 days</option>
            <option value={90}>90 days</option>
            <option value={0}>never, until revoked</option>
          </select>
        </Labelled>
        <div className="flex justify-end gap-2">
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" look="primary" disabled={!name.trim() || !scopes.trim()}>
            Make token
          </Button>
        </div>
      </form>
    </Modal>
  );
}
