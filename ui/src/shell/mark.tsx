/** The mark: a house with a light on. */
export function Mark({ small = false }: { small?: boolean }) {
  return (
    <span className="inline-flex items-center gap-2.5">
      <svg viewBox="0 0 32 32" width={26} height={26} aria-hidden>
        <path d="M16 5 27.500 25.500h-23Z" fill="none" stroke="currentColor" strokeWidth="2.600" strokeLinejoin="round" />
        <circle cx="16" cy="19" r="3" fill="var(--work)" />
      </svg>
      {!small && <span className="text-md font-semibold tracking-tight">aetherd</span>}
    </span>
  );
}
