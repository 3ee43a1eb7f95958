import { useCallback } from "react";
import { client } from "../../generated/client";
import { Button } from "../../parts/button";
import { Empty, Page } from "../../parts/page";
import { KNOWLEDGE } from "../../shell/places";
import { usePaged } from "../../state/paged";
import { attempt } from "../../state/toasts";
import { TemplateCard } from "./card";

/** Roles to start agents from. */
export default function TemplatesPage() {
  const read = useCallback(async (cursor?: string) => {
    const page = await attempt("Listing templates", () => client.template.list({ limit: 100, ...(cursor && { cursor }) }));
    return page && { items: page.templates, cursor: page.cursor };
  }, []);
  const { items, more } = usePaged(read, "template");
  return (
    <Page title="Templates" places={KNOWLEDGE}>
      {items?.length === 0 && <Empty title="No templates">A template is a role to start agents from: what they are told first, the tools they may use, their limits.</Empty>}
      <ul className="grid grid-cols-[minmax(0,1fr)] gap-3 lg:grid-cols-2" aria-label="Templates" aria-busy={items === null}>
        {items?.map((each) => (
          <TemplateCard key={each.name} template={each} />
        ))}
      </ul>
      {more && (
        <Button className="mt-3" look="quiet" onClick={more}>
          Show more
        </Button>
      )}
    </Page>
  );
}
