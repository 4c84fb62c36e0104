// The SDK's error classes, one for each code of the registry, as the source of sdk/typescript/src/generated/errors.ts.
import { ERROR_CODES, REGISTRY } from '../../src/model/error-registry.ts'

export function errorsSource(): string {
  const facts = ERROR_CODES.map((code) => {
    const { status, fault, retryable, title, hint } = REGISTRY[code]
    return `  ${code}: ${JSON.stringify({ status, fault, retryable, title, hint })},`
  })
  const classes = ERROR_CODES.map((code) => {
    const { title, hint } = REGISTRY[code]
    return `/** ${title}. ${hint} */\nexport class ${classNameOf(code)} extends ClocheError {}`
  })
  const table = ERROR_CODES.map((code) => `  ${code}: ${classNameOf(code)},`)
  return [
    '// Made from the error registry (src/model) by scripts/generate; a test fails when the two differ.',
    "import { ClocheError } from '../errors.ts';",
    '',
    'export interface ErrorFacts {',
    '  readonly status: number;',
    '  readonly fault: string;',
    '  readonly retryable: boolean;',
    '  readonly title: string;',
    '  readonly hint: string;',
    '}',
    '',
    'export const errorFacts: Readonly<Record<string, ErrorFacts>> = {',
    ...facts,
    '};',
    '',
    ...classes.flatMap((text) => [text, '']),
    'export const errorClasses: Readonly<Record<string, typeof ClocheError>> = {',
    ...table,
    '};',
    '',
  ].join('\n')
}

/** `rate_limited` → `RateLimitedError`. */
export function classNameOf(code: string): string {
  const words = code.split('_').filter((word) => word !== 'error')
  return `${words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')}Error`
}
