/**
 * What `make check` and `make test` run, in the order that fails soonest. Tests are found by pattern, so a file that is
 * added is run; a pattern that finds nothing fails its stage, so that a suite cannot get lost.
 */

export type Stage = {
  readonly name: string
  readonly title: string
} & (
  | { readonly command: readonly string[] }
  | { readonly tests: readonly string[]; readonly concurrency: number; readonly timeoutMs: number }
)

const minuteMs = 60_000
const colours = process.stdout.isTTY ? [] : ['--colors=off']

export const stages: readonly Stage[] = [
  {
    name: 'lint',
    title: 'format and lint',
    command: ['node_modules/@biomejs/cli-linux-x64/biome', 'ci', ...colours, '--error-on-warnings', '.'],
  },
  { name: 'types', title: 'types', command: ['node_modules/.bin/tsc', '--noEmit'] },
  {
    name: 'rules',
    title: "the repository's own rules",
    tests: ['test/rules/**/*.test.ts'],
    concurrency: 2,
    timeoutMs: minuteMs,
  },
  {
    name: 'unit',
    title: 'unit tests',
    tests: [
      'src/**/*.test.ts',
      'sdk/**/*.test.ts',
      'scripts/**/*.test.ts',
      'bench/**/*.test.ts',
      'test/support/**/*.test.ts',
    ],
    concurrency: 2,
    timeoutMs: minuteMs,
  },
  {
    name: 'asan',
    title: 'native programs under sanitizers',
    command: ['make', '-s', '-C', 'native', 'all', 'asan'],
  },
  {
    name: 'native',
    title: 'native tests',
    tests: ['native/**/test/*.test.ts'],
    concurrency: 1,
    timeoutMs: 3 * minuteMs,
  },
  {
    name: 'fuzz',
    title: 'fuzzing of every native parser, bounded',
    command: ['make', '-s', '-C', 'native', 'fuzz', 'SECONDS=5'],
  },
  {
    name: 'guest',
    title: 'guest runtimes',
    tests: ['guest/**/test/*.test.ts'],
    concurrency: 1,
    timeoutMs: 3 * minuteMs,
  },
  {
    name: 'suites',
    title: 'one suite for every driver',
    tests: ['test/suites/**/*.test.ts'],
    concurrency: 1,
    timeoutMs: 5 * minuteMs,
  },
  {
    name: 'system',
    title: 'the real platform, crash tests included',
    tests: ['test/system/**/*.test.ts'],
    concurrency: 1,
    timeoutMs: 5 * minuteMs,
  },
  {
    name: 'abuse',
    title: 'hostile programs',
    tests: ['test/abuse/**/*.test.ts'],
    concurrency: 1,
    timeoutMs: 5 * minuteMs,
  },
  { name: 'soak', title: 'a short soak', command: ['node_modules/.bin/node', 'test/soak/run.ts', '1000'] },
]

const checks = ['lint', 'types', 'rules', 'unit']

/** The stages that words name: stage names, `check` for the quick ones, nothing for all. */
export function chosenStages(words: readonly string[]): readonly Stage[] {
  if (words.length === 0) return stages
  const names = words.flatMap((word) => (word === 'check' ? checks : [word]))
  const unknown = names.filter((name) => !stages.some((stage) => stage.name === name))
  if (unknown.length > 0) {
    throw new Error(
      `no stage is called ${unknown.join(', ')}; there are: check, ${stages.map((stage) => stage.name).join(', ')}`,
    )
  }
  return stages.filter((stage) => names.includes(stage.name))
}
