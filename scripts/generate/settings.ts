// The reference page of all settings, as Markdown, from the table that reads them.
import { variableOf } from '../../src/server/config.ts'
import { SETTINGS } from '../../src/server/settings.ts'

const introduction = `# Settings

Every setting has one key and four spellings: a flag (\`cloche serve --set limits.memory=2GiB\`; \`--port\`, \`--host\` and \`--data\`
have flags of their own), an environment variable, a key of a JSON file (\`--config FILE\`, nested or with dots), or its
default. Flags win over variables, variables over the file. Unknown keys are refused, and all problems are told together.

Durations have a unit (\`500ms\`, \`30s\`, \`2h\`, \`7d\`), sizes too (\`64KiB\`, \`256MiB\`, \`1GiB\`); lists have commas between.
`

export function renderSettings(): string {
  const groups = new Map<string, string[]>()
  for (const [key, { about, shown }] of Object.entries(SETTINGS)) {
    const group = key.includes('.') ? key.slice(0, key.indexOf('.')) : 'server'
    const row = `| \`${key}\` | ${shown === '' ? '' : `\`${shown}\``} | ${about} | \`${variableOf(key)}\` |`
    groups.set(group, [...(groups.get(group) ?? []), row])
  }
  const sections = [...groups].map(([group, rows]) =>
    [`## ${group}`, '', '| key | default | | variable |', '| --- | --- | --- | --- |', ...rows, ''].join(
      '\n',
    ),
  )
  return [introduction, ...sections].join('\n')
}
