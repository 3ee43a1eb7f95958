import { Plus } from "lucide-react";
import { type FormEvent, useState } from "react";
import { Button } from "./button";

interface Props {
  /** what is made, and what of it is written: `task`, `title` */
  name: string;
  field: string;
  label: string;
  hint: string;
  most: number;
  word?: string;
  /** true when it was made: then the line is empty again */
  onMake: (text: string) => Promise<boolean>;
}

/** One line and a button: all that a new thing needs to begin with. */
export function NewLine({ name, field, label, hint, most, word = "New", onMake }: Props) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const make = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    if (await onMake(text.trim())) setText("");
    setBusy(false);
  };
  return (
    <form onSubmit={(event) => void make(event)} className="flex min-w-60 flex-1 justify-end gap-2">
      <input
        value={text}
        onChange={(event) => setText(event.target.value)}
        placeholder={hint}
        aria-label={label}
        maxLength={most}
        data-testid={`${name}-${field}`}
        className="h-8 w-0 min-w-0 flex-1 rounded-lg border border-line bg-panel px-2.5 text-sm placeholder:text-faint md:max-w-72"
      />
      <Button type="submit" icon={<Plus size={15} />} disabled={busy || !text.trim()} data-testid={`${name}-new`}>
        {word}
      </Button>
    </form>
  );
}
