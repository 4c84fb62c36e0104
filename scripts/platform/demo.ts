/**
 * First executions over the public API, as any client would make them, with what came back and how long it took.
 * Every figure is of this run: the wall time here is from request to parsed answer.
 */

type Answer = {
  status: string
  exitCode: number | null
  stdout: string
  stderr: string
  startKind: string
  cpuTimeMs: number
  peakMemoryBytes: number
}

type Trial = { title: string; language: string; code: string }

const trials: readonly Trial[] = [
  {
    title: 'Python',
    language: 'python',
    code: 'import sys, os\nprint(f"Hello from Python {sys.version.split()[0]}, process {os.getpid()}, user {os.getuid()}")\n',
  },
  {
    title: 'TypeScript',
    language: 'typescript',
    code: 'enum Glass { Bell = "cloche" }\nconst name: string = Glass.Bell\nconsole.log(`Hello from Node ${process.version}, a ${name}`)\n',
  },
  {
    title: 'Shell',
    language: 'bash',
    code: 'echo "Hello from bash $BASH_VERSION, $(ls / | wc -l) entries in /"\n',
  },
]

const repeats = 9

export async function runDemo(url: string, key: string): Promise<void> {
  for (const trial of trials) {
    const [first, firstMs] = await execute(url, key, trial)
    if (first.status !== 'succeeded') {
      throw new Error(
        `${trial.title} ended as ${first.status} (exit code ${first.exitCode}): ${first.stderr || first.stdout}`,
      )
    }
    const laterMs: number[] = []
    for (let round = 0; round < repeats; round++) laterMs.push((await execute(url, key, trial))[1])
    process.stdout.write(describe(trial, first, firstMs, laterMs))
  }
}

function describe(trial: Trial, answer: Answer, firstMs: number, laterMs: number[]): string {
  const median = laterMs.sort((a, b) => a - b)[Math.floor(laterMs.length / 2)] ?? firstMs
  const memory = (answer.peakMemoryBytes / 2 ** 20).toFixed(1)
  return [
    `  ${trial.title.padEnd(11)}${answer.stdout.trimEnd()}`,
    `${' '.repeat(13)}first ${firstMs.toFixed(1)} ms, then ${median.toFixed(1)} ms (median of ${laterMs.length}); ` +
      `start: ${answer.startKind}, cpu ${answer.cpuTimeMs.toFixed(1)} ms, peak memory ${memory} MiB`,
    '',
  ].join('\n')
}

async function execute(url: string, key: string, trial: Trial): Promise<[Answer, number]> {
  const started = performance.now()
  const response = await fetch(`${url}/api/v1/execute`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ language: trial.language, code: trial.code }),
    signal: AbortSignal.timeout(60_000),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${trial.title}: the server answered ${response.status}: ${text}`)
  // The server is ours and of this version: its answer has the documented shape.
  return [JSON.parse(text) as Answer, performance.now() - started]
}
