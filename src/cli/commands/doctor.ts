// `cloche doctor`: what this machine can do, what not, and the remedy. Needs no server.
import { canRunCode, type Finding, runDoctor, type Section } from '../../doctor/doctor.ts'
import { parseConfig } from '../../server/config.ts'
import { note, printJson, printResult } from '../output.ts'

export interface DoctorFlags {
  readonly json?: boolean
  readonly data?: string
}

const marks = { available: 'ok  ', degraded: 'part', unavailable: 'no  ' } as const
const headings: readonly [Section, string][] = [
  ['kernel', 'Kernel'],
  ['machine', 'Machine'],
  ['platform', 'Installed'],
  ['drivers', 'Drivers'],
]

export async function doctorCommand(flags: DoctorFlags): Promise<void> {
  const config = parseConfig({
    flags: flags.data === undefined ? {} : { data: flags.data },
    env: process.env,
  })
  const findings = await runDoctor({
    dataDir: config.data,
    baseDir: config['base.dir'],
    buildDir: config['build.dir'],
  })
  const works = canRunCode(findings)
  if (flags.json === true) printJson({ canRunCode: works, findings })
  else printResult(headings.map(([section, heading]) => sectionText(heading, findings, section)).join('\n'))
  if (!works) note('\nCode cannot be run on this machine as it is; the remedies are above.')
  process.exitCode = works ? 0 : 1
}

function sectionText(heading: string, findings: readonly Finding[], section: Section): string {
  const lines = findings
    .filter((finding) => finding.section === section)
    .flatMap(({ status, title, why, remedy }) => [
      `  ${marks[status]}  ${title}: ${why}`,
      ...(remedy === '' ? [] : [`        remedy: ${remedy}`]),
    ])
  return lines.length === 0 ? '' : `${heading}\n${lines.join('\n')}\n`
}
