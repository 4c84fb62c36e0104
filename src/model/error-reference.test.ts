import assert from 'node:assert/strict'
import test from 'node:test'
import { renderErrorReference } from './error-reference.ts'
import { ERROR_CODES, REGISTRY } from './error-registry.ts'

test('the page has every code once, with its status and hint', () => {
  const page = renderErrorReference()
  for (const code of ERROR_CODES) {
    assert.equal(page.split(`### \`${code}\`\n`).length, 2, code)
    assert.ok(page.includes(REGISTRY[code].hint), code)
  }
  assert.ok(page.startsWith('# Errors\n') && page.endsWith('\n'))
})
