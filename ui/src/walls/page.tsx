import { isolationOf } from "../model/isolation";
import type { Process } from "../model/names";
import { Spending } from "../money/spending";
import { Network } from "../network/policy";
import { Section } from "../parts/page";
import { QuotaForm } from "../quota/form";
import { Facts } from "./facts";
import { Use } from "./use";

/** What keeps this agent apart, what reaches through, and how much it may use. */
export default function Walls({ process }: { process: Process }) {
  return (
    <div className="h-full overflow-y-auto px-4 py-5 md:px-6">
      <div className="max-w-5xl">
        <Facts process={process} />
        {isolationOf(process).walls === "walled" && <Network process={process} />}
        <Use process={process} />
        <Spending process={process} />
        <Section title="Bounds for its next runs">
          <QuotaForm agent={process.agent} />
        </Section>
      </div>
    </div>
  );
}
