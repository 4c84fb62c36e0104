import type { CodeDetails, ErrorCode, Fault, RegistryEntry } from './error-details.ts'
import { ERROR_CODES, REGISTRY } from './error-registry.ts'

const FAULTS: readonly { readonly fault: Fault; readonly heading: string; readonly text: string }[] = [
  { fault: 'caller', heading: 'The request', text: 'The request has to change, or to come at another time.' },
  {
    fault: 'program',
    heading: 'The program',
    text: 'The code that ran, or what it was given, is the cause.',
  },
  { fault: 'platform', heading: 'The platform', text: 'Nothing is wrong with the request.' },
]

/** The reference page of all errors, as Markdown: made from the registry, so that it cannot say anything else. */
export function renderErrorReference(): string {
  const sections = FAULTS.map(({ fault, heading, text }) => {
    const codes = ERROR_CODES.filter((code) => REGISTRY[code].fault === fault)
    return [`## ${heading}`, text, ...codes.map(renderCode)].join('\n\n')
  })
  return `${[INTRODUCTION, ...sections].join('\n\n')}\n`
}

const INTRODUCTION = `# Errors

Every failed request is answered with one JSON object:

\`\`\`json
{ "error": { "code": "…", "title": "…", "detail": "…", "hint": "…", "retryable": false, "requestId": "…" } }
\`\`\`

Programs decide by \`code\`. \`retryable\` means that the same request may be sent again: none of its code can have run.
\`retryAfterMs\`, and the header \`retry-after\`, say when that makes sense. \`invalid_request\` adds \`problems\`, a list of
\`path\` and \`message\`. The same codes stand in the \`error\` of an execution that ended otherwise than by its own exit.`

function renderCode(code: ErrorCode): string {
  // One code's entry and example belong together; the compiler only sees the union of all.
  const entry = REGISTRY[code] as RegistryEntry<CodeDetails[ErrorCode]>
  return [
    `### \`${code}\``,
    `**${entry.title}.** Status ${entry.status}${entry.retryable ? ', retryable' : ''}.`,
    `> ${entry.detail(entry.example)}`,
    entry.hint,
  ].join('\n\n')
}
