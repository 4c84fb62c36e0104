import assert from 'node:assert/strict'
import test from 'node:test'
import { ENVIRONMENT_STATUSES, type Environment, transitionEnvironment } from './environment.ts'
import { type LayerHash, newEnvironmentId, newTenantId } from './ids.ts'

const NOW = Date.UTC(2026, 0, 1)
const environment: Environment = {
  id: newEnvironmentId(NOW),
  tenantId: newTenantId(NOW),
  name: 'science',
  spec: { python: { packages: ['numpy'] } },
  specHash: 'a'.repeat(64) as LayerHash,
  status: 'pending',
  revision: 0,
  layer: null,
  layerBytes: null,
  buildMs: null,
  error: null,
  createdAt: NOW,
  updatedAt: NOW,
}

test('exactly these steps are possible, out of every pair', () => {
  const allowed = ENVIRONMENT_STATUSES.flatMap((from) =>
    ENVIRONMENT_STATUSES.flatMap((to) => {
      try {
        const next = transitionEnvironment({ ...environment, status: from }, to, NOW + 1)
        assert.deepEqual([next.status, next.revision, next.updatedAt], [to, 1, NOW + 1])
        return [`${from} → ${to}`]
      } catch {
        return []
      }
    }),
  )
  assert.deepEqual(allowed, [
    'pending → building',
    'pending → ready',
    'pending → failed',
    'building → pending',
    'building → ready',
    'building → failed',
    'failed → building',
    'failed → ready',
  ])
})
